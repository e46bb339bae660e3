// futex(2), operation by operation.
#include "compat_tests/threads/futex.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>

#include <thread>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

class Futex : public testing::Test {
 protected:
  ~Futex() override {
    for (std::thread& waiter : waiters_) waiter.join();
  }

  // Starts a thread that waits once on `on` and counts itself when it has been woken.
  void start_waiter(FutexWord* on, int operation = FUTEX_WAIT_PRIVATE, uint32_t bits = 0) {
    ++started_;
    waiters_.emplace_back([=, this] {
      ++about_to_wait_;
      EXPECT_OK(futex(on, operation, 0, nullptr, nullptr, bits));
      ++woken;
    });
  }
  // Wakes until `count` waiters have been woken in total: a waiter may not have gone to sleep yet.
  bool wake_until(FutexWord* on, long count, int operation = FUTEX_WAKE_PRIVATE,
                  uint32_t bits = 0) {
    long total = 0;
    return eventually([&] {
      total += futex(on, operation, static_cast<uint32_t>(count - total), nullptr, nullptr, bits);
      return total == count;
    });
  }
  void let_waiters_sleep() {
    EXPECT_TRUE(eventually([&] { return about_to_wait_ == started_; }));
    sleep_for(milliseconds(100));
  }

  FutexWord word = 0, second = 0;
  std::atomic<int> woken = 0;

 private:
  int started_ = 0;
  std::atomic<int> about_to_wait_ = 0;
  std::vector<std::thread> waiters_;
};

TEST_F(Futex, WaitComparesFirst) {
  EXPECT_ERRNO(EAGAIN, futex_wait(&word, 1));
}

TEST_F(Futex, NobodyToWake) {
  EXPECT_EQ(0, futex_wake(&word, INT_MAX));
}

TEST_F(Futex, WakesAWaiter) {
  start_waiter(&word);
  EXPECT_TRUE(wake_until(&word, 1));
  EXPECT_TRUE(eventually([&] { return woken == 1; }));
}

TEST_F(Futex, WakesAsManyAsAsked) {
  for (int i = 0; i < 4; ++i) start_waiter(&word);
  let_waiters_sleep();
  EXPECT_EQ(2, futex_wake(&word, 2));
  EXPECT_TRUE(eventually([&] { return woken == 2; }));
  sleep_for(milliseconds(20));
  EXPECT_EQ(2, woken);
  EXPECT_EQ(2, futex_wake(&word, INT_MAX));
}

TEST_F(Futex, RelativeTimeout) {
  const timespec timeout = timespec_of(milliseconds(30));
  const milliseconds taken =
      duration_of([&] { EXPECT_ERRNO(ETIMEDOUT, futex_wait(&word, 0, &timeout)); });
  EXPECT_GE(taken, milliseconds(30));
}

TEST_F(Futex, ZeroTimeout) {
  const timespec timeout = {};
  EXPECT_ERRNO(ETIMEDOUT, futex_wait(&word, 0, &timeout));
}

TEST_F(Futex, ImpossibleTimeouts) {
  const timespec negative = {.tv_sec = -1, .tv_nsec = 0};
  const timespec too_many = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_ERRNO(EINVAL, futex_wait(&word, 0, &negative));
  EXPECT_ERRNO(EINVAL, futex_wait(&word, 0, &too_many));
  EXPECT_ERRNO(EFAULT, futex_wait(&word, 0, bad_pointer<timespec>()));
}

TEST_F(Futex, AbsoluteTimeouts) {
  for (const auto& [clock, flag] :
       {std::pair(CLOCK_MONOTONIC, 0), std::pair(CLOCK_REALTIME, FUTEX_CLOCK_REALTIME)}) {
    timespec limit;
    clock_gettime(clock, &limit);
    const int operation = FUTEX_WAIT_BITSET_PRIVATE | flag;
    const long result = futex(&word, operation, 0, &limit, nullptr, FUTEX_BITSET_MATCH_ANY);
    EXPECT_EQ(-1, result);
    EXPECT_EQ(ETIMEDOUT, errno);
    limit.tv_nsec += 30'000'000;
    if (limit.tv_nsec >= 1'000'000'000) {
      limit.tv_nsec -= 1'000'000'000;
      ++limit.tv_sec;
    }
    EXPECT_ERRNO(ETIMEDOUT, futex(&word, operation, 0, &limit, nullptr, FUTEX_BITSET_MATCH_ANY));
    timespec now;
    clock_gettime(clock, &now);
    EXPECT_TRUE(now.tv_sec > limit.tv_sec ||
                (now.tv_sec == limit.tv_sec && now.tv_nsec >= limit.tv_nsec));
  }
}

TEST_F(Futex, BitsetsSelect) {
  start_waiter(&word, FUTEX_WAIT_BITSET_PRIVATE, 1);
  let_waiters_sleep();
  EXPECT_EQ(0, futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, 2));
  EXPECT_EQ(0, woken);
  EXPECT_EQ(1, futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, 3));
}

TEST_F(Futex, PlainWakeMatchesAnyBitset) {
  start_waiter(&word, FUTEX_WAIT_BITSET_PRIVATE, 4);
  EXPECT_TRUE(wake_until(&word, 1));
}

TEST_F(Futex, EmptyBitset) {
  EXPECT_ERRNO(EINVAL, futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 0));
  EXPECT_ERRNO(EINVAL, futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0));
}

TEST_F(Futex, BadAddresses) {
  auto* unaligned = reinterpret_cast<FutexWord*>(reinterpret_cast<char*>(&word) + 1);
  EXPECT_ERRNO(EINVAL, futex_wait(unaligned, 0));
  EXPECT_ERRNO(EINVAL, futex_wake(unaligned, 1));
  EXPECT_ERRNO(EFAULT, futex_wait(bad_pointer<FutexWord>(), 0));
  EXPECT_ERRNO(EFAULT, futex(bad_pointer<FutexWord>(), FUTEX_WAIT, 0));
  EXPECT_ERRNO(EFAULT, futex(bad_pointer<FutexWord>(), FUTEX_WAKE, 1));
}

// What processes share is found by the page behind the word.
TEST_F(Futex, SharedWordsNeedAPage) {
  void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(MAP_FAILED, page);
  auto* there = static_cast<FutexWord*>(page);
  EXPECT_ERRNO(EFAULT, futex(there, FUTEX_WAKE, 1)) << "no right to read it";
  EXPECT_ERRNO(EFAULT, futex_two(&word, FUTEX_REQUEUE, 1, 1, there));
  munmap(page, 4096);
  EXPECT_ERRNO(EFAULT, futex(there, FUTEX_WAKE, 1)) << "not mapped";
  EXPECT_EQ(0, futex(there, FUTEX_WAKE_PRIVATE, 1)) << "just an address";
}

TEST_F(Futex, UnknownOperations) {
  EXPECT_ERRNO(ENOSYS, futex(&word, 99, 0));
  EXPECT_ERRNO(ENOSYS, futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0));
}

TEST_F(Futex, RequeueMovesWaiters) {
  for (int i = 0; i < 4; ++i) start_waiter(&word);
  let_waiters_sleep();
  // One is woken, two are moved, one stays.
  EXPECT_EQ(3, futex_two(&word, FUTEX_REQUEUE_PRIVATE, 1, 2, &second));
  EXPECT_TRUE(eventually([&] { return woken == 1; }));
  EXPECT_EQ(1, futex_wake(&word, INT_MAX));
  EXPECT_EQ(2, futex_wake(&second, INT_MAX));
}

TEST_F(Futex, CompareAndRequeue) {
  for (int i = 0; i < 2; ++i) start_waiter(&word);
  let_waiters_sleep();
  EXPECT_ERRNO(EAGAIN, futex_two(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, INT_MAX, &second, 77));
  EXPECT_EQ(2, futex_two(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, INT_MAX, &second, 0));
  EXPECT_EQ(0, futex_wake(&word, INT_MAX));
  EXPECT_EQ(2, futex_wake(&second, INT_MAX));
}

TEST_F(Futex, RequeueOfNegativeCounts) {
  EXPECT_ERRNO(EINVAL, futex_two(&word, FUTEX_CMP_REQUEUE_PRIVATE, static_cast<uint32_t>(-1), 0,
                                 &second, 0));
  EXPECT_ERRNO(EINVAL, futex_two(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, static_cast<uint32_t>(-1),
                                 &second, 0));
}

TEST_F(Futex, WakeAndModify) {
  second = 5;
  start_waiter(&word);
  let_waiters_sleep();
  // Adds 3 to the second word, and wakes there too if it was greater than 4 before.
  const auto operation = static_cast<uint32_t>(FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4));
  EXPECT_EQ(1, futex_two(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &second, operation));
  EXPECT_EQ(8u, second);
}

TEST_F(Futex, WakeAndModifyWakesTheSecondWord) {
  second = 0;
  start_waiter(&second);
  let_waiters_sleep();
  const auto unlike = static_cast<uint32_t>(FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 1));
  EXPECT_EQ(0, futex_two(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &second, unlike));
  const auto like = static_cast<uint32_t>(FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_EQ, 0));
  EXPECT_EQ(1, futex_two(&word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &second, like));
  EXPECT_EQ(6u, second);
}

TEST_F(Futex, SharedAcrossMappings) {
  Fd fd(memfd_create("futex", 0));
  ASSERT_OK(ftruncate(fd, kPage));
  void* one = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* two = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  start_waiter(static_cast<FutexWord*>(one), FUTEX_WAIT);
  EXPECT_TRUE(wake_until(static_cast<FutexWord*>(two), 1, FUTEX_WAKE));
  EXPECT_TRUE(eventually([&] { return woken == 1; }));
  munmap(one, kPage);
  munmap(two, kPage);
}

TEST_F(Futex, WakeIsNoOffenceToReadOnlyMemory) {
  void* map = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const timespec timeout = timespec_of(milliseconds(1));
  EXPECT_ERRNO(ETIMEDOUT, futex_wait(static_cast<FutexWord*>(map), 0, &timeout));
  EXPECT_EQ(0, futex_wake(static_cast<FutexWord*>(map), 1));
  munmap(map, kPage);
}

void ignore_signal(int) {}

// Sends SIGUSR1 to a thread that waits on a futex until the thread has seen its handler run, and
// returns the result of the wait.
void interrupt_wait(int flags, const timespec* timeout, int expected_error) {
  struct sigaction action = {}, old_action;
  action.sa_handler = ignore_signal;
  action.sa_flags = flags;
  ASSERT_OK(sigaction(SIGUSR1, &action, &old_action));
  FutexWord word = 0;
  std::atomic<bool> done = false;
  std::thread waiter([&] {
    if (expected_error != 0) {
      EXPECT_ERRNO(expected_error, futex_wait(&word, 0, timeout));
    } else {
      EXPECT_OK(futex_wait(&word, 0, timeout));
    }
    done = true;
  });
  if (expected_error == EINTR) {
    EXPECT_TRUE(eventually([&] {
      if (!done) pthread_kill(waiter.native_handle(), SIGUSR1);
      return done.load();
    }));
  } else {
    let_others_block();
    for (int i = 0; i < 3; ++i) {
      pthread_kill(waiter.native_handle(), SIGUSR1);
      sleep_for(milliseconds(10));
    }
    EXPECT_FALSE(done);
    EXPECT_TRUE(eventually([&] { return futex_wake(&word, 1) == 1; }));
  }
  waiter.join();
  ASSERT_OK(sigaction(SIGUSR1, &old_action, nullptr));
}

TEST_F(Futex, SignalInterrupts) {
  interrupt_wait(0, nullptr, EINTR);
}

TEST_F(Futex, SignalWithRestart) {
  interrupt_wait(SA_RESTART, nullptr, 0);
}

TEST_F(Futex, PingPong) {
  std::thread other([&] {
    for (uint32_t i = 0; i < 200; ++i) {
      while (word != 2 * i + 1) futex_wait(&word, 2 * i);
      word = 2 * i + 2;
      futex_wake(&word, 1);
    }
  });
  for (uint32_t i = 0; i < 200; ++i) {
    word = 2 * i + 1;
    futex_wake(&word, 1);
    while (word != 2 * i + 2) futex_wait(&word, 2 * i + 1);
  }
  other.join();
  EXPECT_EQ(400u, word);
}

}  // namespace
}  // namespace compat
