// What the machine was told at start: docs/boot-contract.md, "In: the settings".
#pragma once

#include <string_view>

#include "kernel/base/log.h"
#include "kernel/base/vector.h"

namespace narwhal {

// What a standard stream is on the host's side.
enum class StreamKind : u8 { kTerminal, kPipe, kNull };

struct BootSettings {
  std::string_view program = "/init";
  Vector<std::string_view> arguments;    // argv; empty: the program's path alone
  Vector<std::string_view> environment;  // NAME=value
  std::string_view working_directory = "/";
  u32 uid = 0, gid = 0;
  std::string_view host_name;  // empty: the built-in one
  std::string_view net = "dhcp";
  std::string_view net6;
  Vector<std::string_view> name_servers;
  StreamKind streams[3] = {};
  u16 rows = 24, columns = 80;
  bool trace_calls = false;
  bool randomize_programs = true;
  bool rewrite_calls = true;  // the process home: system calls become direct calls
  LogLevel log_level = LogLevel::kWarn;
  i64 time_ns = 0;  // wall clock at start; 0: the machine's
  std::string_view seed;
  Vector<std::string_view> mmio_devices;
  Vector<std::string_view> host_devices;  // of the process home: KIND,NAME=VALUE...
  // A folder that the host shares, by the tag that it goes by there, at a place of the guest.
  struct Volume {
    std::string_view tag;
    bool read_only;
    std::string_view path;
  };
  Vector<Volume> volumes;
};

// Both leave views into the text in `settings`: the text must live as long. A key that nobody knows
// is passed over with a message, since boards and loaders add their own. EINVAL for a value that
// makes no sense; `problem` then says which and what was expected. ENOMEM.
Result<> parse_command_line(std::string_view line, BootSettings& settings, TextSink& problem);
Result<> parse_setting_records(std::string_view records, BootSettings& settings, TextSink& problem);

}  // namespace narwhal
