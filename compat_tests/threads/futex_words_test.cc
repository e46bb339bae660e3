// futex_wake(2), futex_wait(2), futex_requeue(2): futex(2) in three calls, with a size for each
// word. Since Linux 6.7.
#include <atomic>
#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/threads/futex.h"

namespace compat {
namespace {

constexpr long kFutexWake = 454, kFutexWait = 455, kFutexRequeue = 456;
constexpr unsigned kWord = 2 | 128;  // FUTEX2_SIZE_U32, FUTEX2_PRIVATE
constexpr unsigned long kAny = 0xffff'ffff;

struct Entry {  // struct futex_waitv
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};

Entry entry_of(const FutexWord& word, uint32_t value) {
  return {value, reinterpret_cast<uintptr_t>(&word), kWord, 0};
}

long wake(FutexWord* word, int most, unsigned long mask = kAny, unsigned flags = kWord) {
  return syscall(kFutexWake, word, mask, most, flags);
}
long wait(FutexWord* word, unsigned long value, unsigned long mask = kAny, unsigned flags = kWord,
          const timespec* deadline = nullptr, int clock = CLOCK_MONOTONIC) {
  return syscall(kFutexWait, word, value, mask, flags, deadline, clock);
}
long requeue(const Entry* pair, int wakes, int moves, unsigned flags = 0) {
  return syscall(kFutexRequeue, pair, flags, wakes, moves);
}

class FutexWords : public testing::Test {
 protected:
  void SetUp() override {
    if (wake(&word, 0) == -1 && errno == ENOSYS) GTEST_SKIP() << "this kernel has no futex_wake(2)";
  }
  // Until so many were woken.
  static void wake_all(FutexWord& at, int count) {
    for (int woken = 0; woken < count;) {
      const long more = wake(&at, count - woken);
      ASSERT_LE(0, more);
      woken += static_cast<int>(more);
      if (more == 0) std::this_thread::yield();
    }
  }

  FutexWord word = 0, other = 0;
};

TEST_F(FutexWords, WakeWhoWaits) {
  long result = -1;
  std::thread waiter([&] { result = wait(&word, 0); });
  wake_all(word, 1);
  waiter.join();
  EXPECT_EQ(0, result);
  EXPECT_EQ(0, wake(&word, 1)) << "nobody is left";
}

TEST_F(FutexWords, WakeNobodyWhenNobodyIsMeant) {
  std::atomic<bool> awake = false;
  std::thread waiter([&] {
    wait(&word, 0);
    awake = true;
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(0, wake(&word, 0)) << "futex(2) would wake one";
  EXPECT_FALSE(awake);
  wake_all(word, 1);
  waiter.join();
}

TEST_F(FutexWords, RefuseAnotherValue) {
  word = 1;
  EXPECT_ERRNO(EAGAIN, wait(&word, 0));
}

TEST_F(FutexWords, WaitUntilATime) {
  timespec now;
  for (const int clock : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    clock_gettime(clock, &now);
    EXPECT_ERRNO(ETIMEDOUT, wait(&word, 0, kAny, kWord, &now, clock));
  }
  EXPECT_ERRNO(EINVAL, wait(&word, 0, kAny, kWord, &now, CLOCK_BOOTTIME));
  now.tv_nsec = -1;
  EXPECT_ERRNO(EINVAL, wait(&word, 0, kAny, kWord, &now));
}

TEST_F(FutexWords, HaveSizesAndMasks) {
  EXPECT_ERRNO(EINVAL, wake(&word, 1, 0));
  EXPECT_ERRNO(EINVAL, wait(&word, 0, 0));
  EXPECT_ERRNO(EINVAL, wake(&word, 1, 1ul << 32));
  EXPECT_ERRNO(EINVAL, wait(&word, 1ul << 32));
  for (const unsigned flags : {0u, 1u, 3u, 2u | 64}) {
    EXPECT_ERRNO(EINVAL, wake(&word, 1, kAny, flags));
    EXPECT_ERRNO(EINVAL, wait(&word, 0, kAny, flags));
  }
  EXPECT_ERRNO(EINVAL, wake(reinterpret_cast<FutexWord*>(reinterpret_cast<char*>(&word) + 1), 1));
}

// Two threads that wait are moved to another word, and woken there; returns whether none was found
// at the first word any more. On Linux that may be: a thread that wakes for no reason waits anew
// where its call began (__futex_wait() in kernel/futex/waitwake.c), and so may be moved twice.
bool move_and_wake(FutexWord& word, FutexWord& other) {
  std::thread first([&] { EXPECT_EQ(0, wait(&word, 0)); });
  std::thread second([&] { EXPECT_EQ(0, wait(&word, 0)); });
  const Entry pair[2] = {entry_of(word, 0), entry_of(other, 0)};
  for (long moved = 0; moved < 2;) {
    const long more = requeue(pair, 0, 2);
    EXPECT_LE(0, more);
    moved += more;
  }
  long stayed = 0;
  for (long awake = 0; awake < 2;) {
    const long left = wake(&word, 2);
    stayed += left;
    awake += left + wake(&other, 2);
    std::this_thread::yield();
  }
  first.join();
  second.join();
  return stayed == 0;
}

TEST_F(FutexWords, MoveToAnotherWord) {
  bool moved = false;
  for (int tries = 0; tries < 100 && !moved; ++tries) moved = move_and_wake(word, other);
  EXPECT_TRUE(moved);
}

TEST_F(FutexWords, MoveNobodyOnBadTerms) {
  Entry pair[2] = {entry_of(word, 1), entry_of(other, 0)};
  EXPECT_ERRNO(EAGAIN, requeue(pair, 1, 1));
  pair[0].value = 0;
  EXPECT_EQ(0, requeue(pair, 1, 1));
  EXPECT_ERRNO(EINVAL, requeue(pair, 1, 1, 1));
  EXPECT_ERRNO(EINVAL, requeue(nullptr, 1, 1));
  EXPECT_ERRNO(EINVAL, requeue(pair, -1, 1));
  pair[1].reserved = 1;
  EXPECT_ERRNO(EINVAL, requeue(pair, 1, 1));
}

}  // namespace
}  // namespace compat
