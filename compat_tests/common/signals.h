// Signal handlers that put everything back, and a record of what they saw.
#pragma once

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <vector>

#include "compat_tests/common/expect.h"

namespace compat {

// Installs a handler for as long as the object lives.
class ScopedAction {
 public:
  using InfoHandler = void (*)(int, siginfo_t*, void*);

  ScopedAction(int signal, InfoHandler handler, int flags = 0, std::vector<int> blocked = {})
      : signal_(signal) {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    for (const int each : blocked) sigaddset(&action.sa_mask, each);
    EXPECT_OK(sigaction(signal, &action, &old_));
  }
  // With SIG_IGN, SIG_DFL or a handler that takes the number only.
  ScopedAction(int signal, sighandler_t handler) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    EXPECT_OK(sigaction(signal, &action, &old_));
  }
  ScopedAction(const ScopedAction&) = delete;
  ScopedAction& operator=(const ScopedAction&) = delete;
  ~ScopedAction() { sigaction(signal_, &old_, nullptr); }

 private:
  int signal_;
  struct sigaction old_ = {};
};

inline sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

// Blocks signals in the calling thread for as long as the object lives.
class Blocked {
 public:
  explicit Blocked(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    EXPECT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, &old_));
  }
  Blocked(const Blocked&) = delete;
  Blocked& operator=(const Blocked&) = delete;
  ~Blocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }

 private:
  sigset_t old_;
};

// What record_signal() has seen, in order. One test at a time.
struct Record {
  struct Entry {
    int signal;
    int code;
    int value;
    pid_t sender;
    uid_t user;
    pid_t thread;  // the one that ran the handler
  };
  std::array<Entry, 256> entries;
  std::atomic<size_t> count;

  std::vector<int> signals() const {
    std::vector<int> result;
    for (size_t i = 0; i < count; ++i) result.push_back(entries[i].signal);
    return result;
  }
  std::vector<int> values() const {
    std::vector<int> result;
    for (size_t i = 0; i < count; ++i) result.push_back(entries[i].value);
    return result;
  }
};

inline Record record;

inline void record_signal(int signal, siginfo_t* info, void*) {
  const size_t index = record.count;
  if (index >= record.entries.size()) return;
  record.entries[index] = {signal,       info->si_code, info->si_value.sival_int,
                           info->si_pid, info->si_uid,  gettid()};
  record.count = index + 1;
}

inline bool is_blocked(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

inline bool is_pending(int signal) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, signal) == 1;
}

}  // namespace compat
