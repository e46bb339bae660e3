// The virtual machine as a child process, or another program that a guest needs.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "tools/base/unique_fd.h"
#include "tools/narwhal/isolation.h"

namespace narwhal::tools {

class VmProcess {
 public:
  // Starts a command, looked up in PATH, that inherits exactly `inherited` besides an empty input,
  // and an output for both of its own streams that errors() reads. The child is in a session of its
  // own, so that the terminal's Ctrl-C does not reach it, and dies when this process dies. Signals
  // that are blocked here are not blocked there. With an Isolation the program is the one that it
  // names, and the command is only what it is told. Throws Error, with advice, when the command
  // cannot be started; `package` has it.
  VmProcess(const std::vector<std::string>& command, const std::vector<int>& inherited,
            const std::optional<Isolation>& isolation = std::nullopt,
            const std::string& package = "qemu-system-x86");
  ~VmProcess();
  VmProcess(const VmProcess&) = delete;
  VmProcess& operator=(const VmProcess&) = delete;

  // What waitpid(2) said, once the child has ended.
  std::optional<int> poll_ended();

  pid_t pid() const { return pid_; }

  void kill();

  // The child's own output: QEMU's complaints.
  UniqueFd take_errors() { return std::move(errors_); }

  // What came of the Isolation, in words.
  const std::string& isolation() const { return isolation_; }

 private:
  pid_t pid_ = -1;
  std::optional<int> ended_;
  UniqueFd errors_;
  std::string isolation_;
};

}  // namespace narwhal::tools
