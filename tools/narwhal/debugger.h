// How gdb on this machine gets at a guest whose kernel is a process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace narwhal::tools {

struct Debuggee {
  pid_t pid = 0;
  std::string kernel;   // the image's path; the symbols lie beside it
  uint64_t image = 0;   // where the kernel has put itself
  std::string program;  // its path here
};

// The command line that attaches gdb, with the symbols of the kernel and, where their place is
// known before it is loaded, the program's. The kernel waits until then, and gdb then waits for its
// user.
std::string debugger_command(const Debuggee& debuggee);

}  // namespace narwhal::tools
