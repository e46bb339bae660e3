// The command line: what `narwhal --help` says.
#pragma once

#include <string>
#include <vector>

#include "tools/narwhal/accelerator.h"
#include "tools/narwhal/values.h"

namespace narwhal::tools {

enum class PlatformWish { kAuto, kVm, kProcess };

struct Options {
  enum class Action { kRun, kPack, kInspect, kVersion, kNothing } action = Action::kNothing;

  // The program, and everything after its name, which is its own.
  std::string program;
  std::vector<std::string> arguments;

  // What the guest's root holds, and how the program starts: run, pack, inspect.
  std::vector<Volume> volumes;
  std::vector<Mapping> includes;
  std::vector<std::string> packages;
  Environment environment;  // what -e said
  std::string working_folder = "/";
  std::string user;
  Network network;
  std::string address;  // --ip

  // run
  std::vector<PortForward> ports;
  std::vector<DiskWish> disks;
  uint64_t memory = uint64_t{1} << 30;
  unsigned processors = 1;
  AcceleratorWish accelerator = AcceleratorWish::kAuto;
  PlatformWish platform = PlatformWish::kAuto;
  bool names_board = false;  // --machine was given
  bool is_q35 = false;
  bool counts_instructions = false;
  bool traces_calls = false;
  bool leaves_calls = false;  // --no-rewrite
  bool wants_terminal = false;  // -t
  bool waits_for_debugger = false;
  std::string profile;  // where the profile goes; empty: none
  std::string kernel;
  std::string kernel_log;  // level; empty: not shown
  std::string qemu;
  std::string linux_folder;  // boot Linux from here instead of our kernel: tools/bench
  bool dry_run = false;
  std::string root_copy;  // where the root archive is written to, too

  bool verbose = false;
  bool as_json = false;  // inspect
  std::string output;    // pack
};

// Throws Error for what cannot be understood. When the user asked for help, prints it and returns
// kNothing.
Options parse_command_line(int argc, const char* const* argv);

}  // namespace narwhal::tools
