// Children of a check: what they do is said where they are made, and what they found out is their
// exit code.
#pragma once

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "compat_tests/common/expect.h"

namespace compat {

// Forks; the child runs `body` and exits with what it returns.
template <class Body>
pid_t spawn(Body body) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) _exit(static_cast<int>(body()));
  return pid;
}

// The status as wait(2) gives it; -1 when there is nothing to wait for.
inline int wait_status(pid_t pid, int options = 0) {
  int status = -1;
  while (waitpid(pid, &status, options) == -1)
    if (errno != EINTR) return -1;
  return status;
}

// The exit code, or minus the signal that ended it.
inline int outcome(pid_t pid) {
  const int status = wait_status(pid);
  if (status == -1) return -1000;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

template <class Body>
int run_child(Body body) {
  return outcome(spawn(std::move(body)));
}

inline pid_t spawn_sleeper() {
  return spawn([] {
    for (;;) pause();
    return 0;
  });
}

inline void end_child(pid_t pid) {
  kill(pid, SIGKILL);
  wait_status(pid);
}

inline void nap(long milliseconds) {
  timespec time{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  while (nanosleep(&time, &time) == -1) {
  }
}

// Until `done`, or for ten seconds: whether it came to be.
template <class Done>
bool eventually(Done done) {
  for (int i = 0; i < 2000; ++i) {
    if (done()) return true;
    nap(5);
  }
  return false;
}

// Waits for a descendant whose parent is gone, where that makes it ours: the guest's first process
// is the check itself.
inline void end_orphan(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

// The letter of /proc/PID/stat; 0: there is no such process.
inline char state_of(pid_t pid) {
  FILE* file = fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "re");
  if (file == nullptr) return 0;
  char state = 0;
  if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
  fclose(file);
  return state;
}

// One object that parent and children share.
template <class T>
class Shared {
 public:
  Shared()
      : value_(new(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0)) T()) {}
  Shared(const Shared&) = delete;
  ~Shared() { munmap(value_, sizeof(T)); }
  T& operator*() { return *value_; }
  T* operator->() { return value_; }

 private:
  T* value_;
};

// A pipe by which one side tells the other that it is ready.
class Gate {
 public:
  Gate() {
    if (pipe(ends_) != 0) abort();
  }
  Gate(const Gate&) = delete;
  ~Gate() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void open() { (void)!write(ends_[1], "x", 1); }
  void pass() {
    char byte;
    while (read(ends_[0], &byte, 1) == -1 && errno == EINTR) {
    }
  }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }

 private:
  int ends_[2];
};

}  // namespace compat
