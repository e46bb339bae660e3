// Children for checks: a body that runs in a process of its own, and whose end is waited for.
#pragma once

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {

// The status that a child ends with whose body returns nothing else: everything was as it should.
inline constexpr int kGood = 0;

class Child {
 public:
  // `body` runs in the child; what it returns is the exit status. No expectations there: nobody
  // would see them.
  explicit Child(const std::function<int()>& body) {
    fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) _exit(body());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    wait();
  }

  pid_t pid() const { return pid_; }
  void send(int signal) const { EXPECT_OK(kill(pid_, signal)); }
  // Somebody else has waited for it.
  void forget() { pid_ = -1; }

  // The status as wait(2) has it; -1 if there is nothing to wait for.
  int wait() {
    int status = -1;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }
  // Its exit status; 1000 and the signal's number, if one ended it.
  int result() {
    const int status = wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

// What a body returns, from a child.
inline int result_of(const std::function<int()>& body) {
  return Child(body).result();
}

// One byte says "go on", across processes.
class Gate {
 public:
  Gate() {
    int ends[2] = {-1, -1};
    EXPECT_OK(pipe2(ends, O_CLOEXEC));
    reader_ = ends[0];
    writer_ = ends[1];
  }
  void open_up() { EXPECT_EQ(write(writer_, "x", 1), 1); }
  // False when nobody can open it any more.
  bool pass() {
    char byte;
    return read(reader_, &byte, 1) == 1;
  }
  void forget_writer() { writer_.reset(); }

 private:
  Fd reader_, writer_;
};

inline std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The value of "Name:  value" in a file of such lines; "none" when it is not there.
inline std::string field_of(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name + ":")) continue;
    const size_t start = line.find_first_not_of(" \t", name.size() + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "none";
}

// A field of /proc/PID/stat, counted from 1 as proc(5) does; those behind the name only.
inline std::string stat_field(pid_t pid, int number) {
  const std::string text = file_text("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return "none";
  std::istringstream rest(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= number; ++i) rest >> field;
  return field;
}

inline bool is_in_state(pid_t pid, char state) {
  return eventually([=] { return stat_field(pid, 3) == std::string(1, state); });
}

}  // namespace compat
