#include "kernel/sync/kernel_lock.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace narwhal {
namespace {

void pause() {
  std::this_thread::yield();
}

TEST(KernelLock, OneAtATime) {
  constexpr u32 kCpus = 4;
  constexpr u64 kTurns = 20'000;
  KernelLock lock;
  u64 inside = 0;  // plain: the lock is all that guards it
  std::vector<std::thread> cpus;
  for (u32 cpu = 1; cpu <= kCpus; ++cpu)
    cpus.emplace_back([&, cpu] {
      for (u64 i = 0; i < kTurns; ++i) {
        lock.acquire(cpu, pause);
        ASSERT_TRUE(lock.held_by(cpu));
        ++inside;
        lock.release();
      }
    });
  for (std::thread& cpu : cpus) cpu.join();
  EXPECT_EQ(kCpus * kTurns, inside);
  EXPECT_FALSE(lock.held_by(1));
}

// The holder asks the waiter for something and goes on only when it is done: so TLB shootdown
// works.
TEST(KernelLock, WhoWaitsAnswersCalls) {
  KernelLock lock;
  std::atomic<bool> asked = false, answered = false, begun = false;
  lock.acquire(1, pause);
  std::thread other([&] {
    begun = true;
    lock.acquire(2, [&] {
      if (asked.exchange(false)) answered = true;
      pause();
    });
    lock.release();
  });
  while (!begun) pause();
  asked = true;
  while (!answered) pause();
  lock.release();
  other.join();
}

// A CPU that is in the kernel nearly always must not keep another out.
TEST(KernelLock, AGreedyOwnerLetsOthersGoFirst) {
  KernelLock lock;
  std::atomic<bool> done = false;
  std::atomic<u64> turns = 0;
  std::thread greedy([&] {
    while (!done) {
      lock.acquire(1, pause);
      ++turns;
      lock.release();
    }
  });
  while (turns == 0) pause();
  for (int i = 0; i < 1000; ++i) {
    lock.acquire(2, pause);
    lock.release();
  }
  done = true;
  greedy.join();
}

// Who waits sleeps, and is woken by whoever gives the lock back. The futex is one of the host's.
TEST(KernelLock, WhoSleepsIsWoken) {
  constexpr u32 kCpus = 4;
  constexpr u64 kTurns = 5'000;
  KernelLock lock;
  const auto call = [](u32& word, int operation, u32 value) {
    syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
  };
  u64 inside = 0;
  std::vector<std::thread> cpus;
  for (u32 cpu = 1; cpu <= kCpus; ++cpu)
    cpus.emplace_back([&, cpu] {
      for (u64 i = 0; i < kTurns; ++i) {
        lock.acquire(
            cpu, [&] { lock.sleep([&](u32& word, u32 value) { call(word, FUTEX_WAIT, value); }); });
        ++inside;
        if (lock.release_and_look()) call(lock.word(), FUTEX_WAKE, 1);
      }
    });
  for (std::thread& cpu : cpus) cpu.join();
  EXPECT_EQ(kCpus * kTurns, inside);
}

}  // namespace
}  // namespace narwhal
