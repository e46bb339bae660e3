// The test program run again as a child, in which it does one thing and ends before any check: it
// tells what execve(2) has made of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loader/testing/native_exec.h"

namespace compat {

// What the child prints (child.cc):
//   arguments    each argument, in brackets, one a line
//   environment  each variable, likewise
//   addresses    where code, heap, stack, a new mapping and the vDSO are, as "name hexadecimal"
//   identity     name of the thread, AT_EXECFN, /proc/self/exe
//   state        mask, ignored and handled signals, alternate stack, open descriptors
inline constexpr char kChildMode[] = "COMPAT_CHILD";
inline constexpr int kChildStatus = 23;

struct ChildResult {
  narwhal::testing::ExecOutcome outcome;
  std::string output;

  // The line that starts with `name`, without it.
  std::string line(const std::string& name) const;
  std::vector<std::string> lines() const;
};

struct ChildRequest {
  std::string path = "/proc/self/exe";
  std::vector<std::string> arguments = {"child"};
  std::vector<std::string> environment;
  bool null_arguments = false;  // argv is a null pointer
  // Runs in the child just before execve(2).
  std::function<void()> prepare;
  // Instead of execve(2); returns only on failure, with errno.
  std::function<void(char* const* arguments, char* const* environment)> execute;
};

// Runs the child and waits for it.
ChildResult run_child(ChildRequest request);
// This program in one of the modes above.
ChildResult run_self(const std::string& mode, ChildRequest request = {});

}  // namespace compat
