// Where a guest runs: in a virtual machine, or with its kernel as a Linux process; and why there.
#pragma once

#include <string>

#include "tools/narwhal/accelerator.h"
#include "tools/narwhal/command_line.h"

namespace narwhal::tools {

// What can be seen of this machine, as far as the choice depends on it.
struct HostFacts {
  MachineFacts machine;
  std::string no_process;  // why the kernel cannot be a process here; empty: it can
  std::string no_network;  // why a process would have no user network; empty: it would
};
// `command_name`: argv[0], by which the kernel's image is found.
HostFacts look_at_host(const std::string& command_name);

struct Platform {
  bool is_process = false;
  bool use_kvm = false;
  // Chosen and not asked for: if it turns out not to work here, another one takes over.
  bool is_trial = false;
  std::string reason;  // one line: which one, and why
};

// What was asked for and only a virtual machine does, as in "--gdb: ..."; empty: nothing.
std::string what_needs_machine(const Options& options);

// Hardware virtualization if it is there, else a process, else software emulation. Throws Error
// when what is asked for cannot be had.
Platform choose_platform(const Options& options, const HostFacts& facts);

// After a trial has failed: the next in that order. `failed` is the one that did.
Platform next_platform(const Options& options, const HostFacts& facts, const Platform& failed);

}  // namespace narwhal::tools
