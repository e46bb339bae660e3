// Helpers for tests with several threads, and with waiting.
#pragma once

#include <time.h>

#include <chrono>
#include <functional>
#include <thread>

namespace compat {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline void sleep_for(milliseconds time) {
  std::this_thread::sleep_for(time);
}

// Long enough for another thread to reach the call in which it will block, also under software
// emulation. Only for making a test's interesting path likely: no verdict may depend on it.
inline void let_others_block() {
  sleep_for(milliseconds(30));
}

// Polls until `condition` holds; false if it does not within a time that no healthy system needs.
inline bool eventually(const std::function<bool()>& condition) {
  const auto limit = Clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Clock::now() > limit) return false;
    sleep_for(milliseconds(1));
  }
  return true;
}

// Runs `body` in a thread of its own and waits for it. Raw system calls there that change the
// thread's user, group or capabilities end with the thread.
template <class Body>
void in_thread(Body body) {
  std::thread thread(body);
  thread.join();
}

// How long a call takes.
template <class Call>
milliseconds duration_of(Call call) {
  const auto start = Clock::now();
  call();
  return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

inline timespec timespec_of(milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1'000'000};
}

}  // namespace compat
