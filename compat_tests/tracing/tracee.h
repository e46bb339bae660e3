// A child and what its tracer does to it.
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "compat_tests/common/expect.h"

namespace compat {

inline std::string show(int status) {
  if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return std::string("killed ") + sigabbrev_np(WTERMSIG(status));
  if (!WIFSTOPPED(status)) return "status " + std::to_string(status);
  const int event = status >> 16;
  std::string text = "stop ";
  text += (WSTOPSIG(status) & 0x80) != 0 ? "call" : sigabbrev_np(WSTOPSIG(status));
  if (event != 0) text += " event " + std::to_string(event);
  return text;
}

class Tracee {
 public:
  explicit Tracee(const std::function<int()>& work, bool traces_itself = true) {
    pid_ = fork();
    if (pid_ == 0) {
      alarm(60);
      if (traces_itself) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(90);
        raise(SIGSTOP);
      }
      _exit(work());
    }
  }
  ~Tracee() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    int status;
    while (waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
    }
  }
  pid_t pid() const { return pid_; }
  long ask(int request, uintptr_t address = 0, uintptr_t data = 0) const {
    return ptrace(static_cast<__ptrace_request>(request), pid_, address, data);
  }
  std::string wait() {
    int status = 0;
    if (waitpid(pid_, &status, __WALL) != pid_) return "lost";
    if (!WIFSTOPPED(status)) pid_ = -1;
    return show(status);
  }
  std::string go(int request = PTRACE_CONT, int signal = 0) {
    if (ask(request, 0, static_cast<uintptr_t>(signal)) != 0) return error_name(errno);
    return wait();
  }
  user_regs_struct registers() const {
    user_regs_struct registers = {};
    EXPECT_OK(ask(PTRACE_GETREGS, 0, reinterpret_cast<uintptr_t>(&registers)));
    return registers;
  }
  void set_registers(const user_regs_struct& registers) const {
    EXPECT_OK(ask(PTRACE_SETREGS, 0, reinterpret_cast<uintptr_t>(&registers)));
  }

 private:
  pid_t pid_;
};

inline uintptr_t address_of(const volatile void* object) {
  return reinterpret_cast<uintptr_t>(object);
}

}  // namespace compat
