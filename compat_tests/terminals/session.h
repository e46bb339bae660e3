// What the checks about sessions and jobs share.
#pragma once

#include "compat_tests/terminals/terminal.h"

namespace compat {

// Whether there is a controlling terminal.
inline std::string open_tty() {
  Fd fd(open("/dev/tty", O_RDWR));
  return outcome(fd);
}

// A member of the session in a group of its own.
inline pid_t start_job(const std::function<int()>& work) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);
    setpgid(0, 0);
    _exit(work());
  }
  setpgid(pid, pid);
  return pid;
}

class Session : public testing::Test {
 protected:
  // Opens the slave as a leader does, and runs the work.
  std::string in_session(const std::function<std::string()>& work) {
    SessionChild child(pty, [&] {
      Fd tty = pty.open_slave(O_RDWR);
      return tty < 0 ? error_name(errno) : work();
    });
    return child.report();
  }
  Pty pty;
};

}  // namespace compat
