// Writes docs/host-calls.md from the process home's list of host calls, to standard output.
#include <cstdio>
#include <iterator>

#include "kernel/platform/process/host_calls.h"

int main() {
  using namespace narwhal::process_home;
  std::printf(
      "# Host calls\n\n"
      "Generated from `kernel/platform/process/host_calls.h` by `./narwhal docs`; do not edit.\n\n"
      "What a program can ask of the host's kernel in the process home, however it goes about it:\n"
      "these %zu calls, with these arguments. Every other call, and every call by another way in\n"
      "(`int 0x80`, 32-bit code, the x32 ABI), ends the process.\n"
      "[threat-model.md](threat-model.md) says what that protects, and from whom.\n\n"
      "| number | call | only with | for |\n|---|---|---|---|\n",
      std::size(kHostCalls));
  for (const HostCall& call : kHostCalls)
    std::printf("| %d | %s | %s | %s |\n", static_cast<int>(call.number), call.name, call.only,
                call.why);
  std::printf(
      "\nThe three calls of the `vsyscall` page, which the host answers itself, come back to\n"
      "Narwhal as a signal: the program gets Narwhal's answer.\n");
}
