// Pseudo-terminals for the checks: a pair, its settings, and children that have it as the
// controlling terminal.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {

// Long enough for a guest that is emulated; nothing waits so long when all is well.
inline constexpr int kPatience = 20000;

inline bool wait_readable(int fd, int milliseconds = kPatience) {
  pollfd polled = {fd, POLLIN, 0};
  return poll(&polled, 1, milliseconds) == 1 && (polled.revents & POLLIN) != 0;
}

// Exactly this many bytes, or those that came before the patience was over.
inline std::string take(int fd, size_t size) {
  std::string text;
  while (text.size() < size && wait_readable(fd)) {
    std::string part(size - text.size(), '\0');
    const ssize_t count = read(fd, part.data(), part.size());
    if (count <= 0) break;
    text.append(part, 0, static_cast<size_t>(count));
  }
  return text;
}

// What one read(2) gives, once there is something.
inline std::string take_once(int fd, size_t most = 10000) {
  if (!wait_readable(fd)) return "(nothing came)";
  std::string text(most, '\0');
  const ssize_t count = read(fd, text.data(), text.size());
  if (count < 0) return "(" + error_name(errno) + ")";
  text.resize(static_cast<size_t>(count));
  return text;
}

// Linux moves bytes from the master to the terminal a little later.
inline bool stays_empty(int fd) {
  return !wait_readable(fd, 50);
}

class Pty {
 public:
  Pty() {
    int master = -1, slave = -1;
    EXPECT_OK(openpty(&master, &slave, nullptr, nullptr, nullptr));
    fcntl(master, F_SETFD, FD_CLOEXEC);
    master_.reset(master);
    slave_.reset(slave);
    char name[64] = "";
    EXPECT_EQ(0, ptsname_r(master, name, sizeof name));
    name_ = name;
  }
  int master() const { return master_; }
  int slave() const { return slave_; }
  void close_master() { master_.reset(); }
  void close_slave() { slave_.reset(); }
  const std::string& name() const { return name_; }
  Fd open_slave(int flags = O_RDWR | O_NOCTTY) const { return Fd(open(name().c_str(), flags)); }

  void type(std::string_view keys) const {
    EXPECT_EQ(static_cast<ssize_t>(keys.size()), ::write(master_, keys.data(), keys.size()));
  }
  void print(std::string_view text) const {
    EXPECT_EQ(static_cast<ssize_t>(text.size()), ::write(slave_, text.data(), text.size()));
  }
  // What is on the screen by now.
  std::string shown(size_t size) const { return take(master_, size); }
  std::string line() const { return take_once(slave_); }

  termios settings() const {
    termios settings = {};
    EXPECT_OK(tcgetattr(slave_, &settings));
    return settings;
  }
  void change(const std::function<void(termios&)>& how) const {
    termios changed = settings();
    how(changed);
    EXPECT_OK(tcsetattr(slave_, TCSANOW, &changed));
  }
  void local(tcflag_t set, tcflag_t clear) const {
    change([&](termios& t) { t.c_lflag = (t.c_lflag & ~clear) | set; });
  }
  void input(tcflag_t set, tcflag_t clear) const {
    change([&](termios& t) { t.c_iflag = (t.c_iflag & ~clear) | set; });
  }
  void output(tcflag_t set, tcflag_t clear) const {
    change([&](termios& t) { t.c_oflag = (t.c_oflag & ~clear) | set; });
  }
  void raw(int minimum, int time) const {
    change([&](termios& t) {
      t.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      t.c_cc[VMIN] = static_cast<cc_t>(minimum);
      t.c_cc[VTIME] = static_cast<cc_t>(time);
    });
  }

 private:
  Fd master_, slave_;
  std::string name_;
};

// A child that leads a session of its own and reports in words. It has no copy of the master, and
// a patience of its own, so that nothing is left behind.
class SessionChild {
 public:
  // `work` runs in the child and returns its report.
  SessionChild(Pty& pty, const std::function<std::string()>& work) {
    int ends[2];
    EXPECT_OK(pipe2(ends, O_CLOEXEC));
    fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      alarm(kPatience / 1000 + 10);
      close(ends[0]);
      pty.close_master();
      if (setsid() < 0) _exit(90);
      say(ends[1], work());
      _exit(0);
    }
    close(ends[1]);
    report_.reset(ends[0]);
  }
  ~SessionChild() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  SessionChild(const SessionChild&) = delete;
  SessionChild& operator=(const SessionChild&) = delete;

  pid_t pid() const { return pid_; }
  // All that it said; it has ended then.
  std::string report() {
    std::string text;
    char bytes[512];
    while (wait_readable(report_)) {
      const ssize_t count = read(report_, bytes, sizeof bytes);
      if (count <= 0) break;
      text.append(bytes, static_cast<size_t>(count));
    }
    waitpid(std::exchange(pid_, -1), nullptr, 0);
    return text;
  }

 private:
  static void say(int fd, const std::string& text) {
    if (::write(fd, text.data(), text.size()) < 0) _exit(91);
  }
  pid_t pid_ = -1;
  Fd report_;
};

// "ok" or the error's name.
inline std::string outcome(long result) {
  return result < 0 ? error_name(errno) : "ok";
}

// The numbers of signals in the order in which they come, until `last` has come.
inline std::string await_signals(const sigset_t& set, int last) {
  std::string text;
  const timespec patience = {kPatience / 1000, 0};
  for (;;) {
    const int signal = sigtimedwait(&set, nullptr, &patience);
    if (signal < 0) return text + "(none)";
    text += std::string(text.empty() ? "" : " ") + sigabbrev_np(signal);
    if (signal == last) return text;
  }
}

// Blocks signals for good; for children.
inline sigset_t block(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// How a child of a child ended or stopped.
inline std::string wait_for(pid_t pid, int flags = WUNTRACED) {
  int status = 0;
  if (waitpid(pid, &status, flags) != pid) return "lost";
  if (WIFSTOPPED(status)) return std::string("stopped ") + sigabbrev_np(WSTOPSIG(status));
  if (WIFSIGNALED(status)) return std::string("killed ") + sigabbrev_np(WTERMSIG(status));
  return "exit " + std::to_string(WEXITSTATUS(status));
}

}  // namespace compat
