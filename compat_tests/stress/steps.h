// What the threads of the stress do, step by step: each makes processes in one way, sees them end
// as they must, and leaves nothing behind.
#pragma once

#include <pthread.h>
#include <stdint.h>

#include <atomic>
#include <span>
#include <thread>

namespace stress {

struct Worker {
  std::thread thread;
  std::atomic<uint64_t> rounds{0};
  std::atomic<const char*> doing{"nothing"};
  std::atomic<pthread_t> handle{0};
  std::atomic<bool> ready{false};  // its handle is set
  std::atomic<bool> finished{false};
  uint64_t random = 1;

  uint32_t next() {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return static_cast<uint32_t>(random >> 16);
  }
};

// A child's own verdict: its exit code says where it went wrong. So does this program's when it is
// executed with kFineArgument.
inline constexpr int kFine = 42;
inline constexpr char kFineArgument[] = "--fine";

extern std::atomic<uint64_t> children;  // made so far

// Ends the whole program and says why.
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);
// Sleeps; a signal may end it early.
void nap(long microseconds);

struct Step {
  const char* name;
  void (*run)(Worker&);
};
extern const std::span<const Step> kSteps;

}  // namespace stress
