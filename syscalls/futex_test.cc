// futex(2) as programs see it: waiting, waking, moving waiters, locks with an owner, robust lists.
#include "process/futex.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernel/sched/clock.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kMmap = 9,
  kGetTid = 186,
  kFutex = 202,
  kSetRobustList = 273,
  kGetRobustList = 274,
  kFutexWaitV = 449,
};
enum Operation : u64 {
  kWait = 0,
  kWake = 1,
  kFd = 2,
  kRequeue = 3,
  kCompareRequeue = 4,
  kWakeOp = 5,
  kLockPi = 6,
  kUnlockPi = 7,
  kTryLockPi = 8,
  kWaitBitset = 9,
  kWakeBitset = 10,
  kLockPi2 = 13,
  kPrivate = 128,
  kRealTime = 256,
};

constexpr i64 failure(Errno error) {
  return -i64(error);
}
i64 futex(UserAddr word, u64 operation, u64 value, u64 timeout = 0, UserAddr word2 = {},
          u64 value3 = 0) {
  return call(kFutex, word.value, operation, value, timeout, word2.value, value3);
}
UserAddr word(u32 value = 0) {
  return put(value);
}
struct Time {
  i64 seconds, nanoseconds;
};
template <typename T>
void write(UserAddr at, const T& value) {
  ASSERT_TRUE(store_user(at, value).ok());
}
u64 time(i64 seconds, i64 nanoseconds = 0) {
  return put(Time{seconds, nanoseconds}).value;
}
u32 own_tid() {
  return u32(call(kGetTid));
}
// A page that a child made by fork() shares.
UserAddr shared_page() {
  constexpr u64 kReadWrite = 3, kSharedAnonymous = 0x21;
  return UserAddr(u64(call(kMmap, 0, kPageSize, kReadWrite, kSharedAnonymous, ~u64{0}, 0)));
}

// --- waiting and waking

TEST(FutexTest, WaitsOnlyWhileTheWordHasTheValue) {
  const UserAddr w = word(5);
  EXPECT_EQ(futex(w, kWait, 4), failure(Errno::kAgain));
  EXPECT_EQ(futex(w, kWait | kPrivate, 5, time(0, 1000)), failure(Errno::kTimedOut));
  EXPECT_EQ(futex(w, kWaitBitset, 5, time(0, 0), {}, 1), failure(Errno::kTimedOut));
}

TEST(FutexTest, RefusesWhatLinuxRefuses) {
  const UserAddr w = word(5);
  EXPECT_EQ(futex(w + 1, kWait, 5), failure(Errno::kInval));
  EXPECT_EQ(futex(w, kWait, 5, time(0, 1'000'000'000)), failure(Errno::kInval));
  EXPECT_EQ(futex(w, kWait, 5, time(-1)), failure(Errno::kInval));
  EXPECT_EQ(futex(w, kWait, 5, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(futex(w, kWaitBitset, 5, 0, {}, 0), failure(Errno::kInval));
  EXPECT_EQ(futex(w, kWakeBitset, 1, 0, {}, 0), failure(Errno::kInval));
  EXPECT_EQ(futex(kNowhere, kWait | kPrivate, 0), failure(Errno::kFault));
  EXPECT_EQ(futex(kNowhere, kWake, 1), failure(Errno::kFault));
  EXPECT_EQ(futex(kNowhere, kWake | kPrivate, 1), 0);
  EXPECT_EQ(futex(w, kFd, 0), failure(Errno::kNoSys));
  EXPECT_EQ(futex(w, 99, 0), failure(Errno::kNoSys));
  EXPECT_EQ(futex(w, kWait | kRealTime, 4), failure(Errno::kNoSys));
  EXPECT_EQ(futex(w, kRequeue, u64(-1), 0, w), failure(Errno::kInval));
  EXPECT_EQ(futex(w, kCompareRequeue, 1, 1, w, 4), failure(Errno::kAgain));
}

TEST(FutexTest, WakesInOrderAndAsManyAsAsked) {
  const UserAddr w = word();
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    start_thread([&, i] {
      EXPECT_EQ(futex(w, kWait | kPrivate, 0), 0);
      order.push_back(i);
    });
    let_others_run();
  }
  EXPECT_EQ(futex(w, kWake | kPrivate, 2), 2);
  let_others_run();
  EXPECT_EQ(order, (std::vector<int>{0, 1}));
  // A count of 0 wakes one, as Linux has it.
  EXPECT_EQ(futex(w, kWake | kPrivate, 0), 1);
  EXPECT_EQ(futex(w, kWake | kPrivate, 0x7fffffff), 1);
  let_others_run();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(futex(w, kWake | kPrivate, 1), 0);
}

TEST(FutexTest, BitsSelectWaiters) {
  const UserAddr w = word();
  std::vector<int> order;
  for (u64 bits : {1, 2, 4}) {
    start_thread([&, bits] {
      EXPECT_EQ(futex(w, kWaitBitset, 0, 0, {}, bits), 0);
      order.push_back(int(bits));
    });
    let_others_run();
  }
  EXPECT_EQ(futex(w, kWakeBitset, 10, 0, {}, 6), 2);
  let_others_run();
  EXPECT_EQ(order, (std::vector<int>{2, 4}));
  EXPECT_EQ(futex(w, kWake, 10), 1);
  let_others_run();
}

TEST(FutexTest, SharedWordsAreFoundFromOtherAddressSpaces) {
  const UserAddr w = shared_page();
  const i32 child = fork([&] { EXPECT_EQ(futex(w, kWait, 0), 0); });
  const UserAddr mine = word();
  const i32 other =
      fork([&] { EXPECT_EQ(futex(mine, kWait, 0, time(1)), failure(Errno::kTimedOut)); });
  let_others_run();
  EXPECT_EQ(futex(w, kWake | kPrivate, 1), 0);
  EXPECT_EQ(futex(w, kWake, 1), 1);
  // After fork(2) the same address is another word.
  EXPECT_EQ(futex(mine, kWake, 1), 0);
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(wait_for(other), 0);
}

TEST(FutexTest, AWaitForTheWallClockFollowsItsSteps) {
  const UserAddr w = word();
  const i64 now = wall_clock_ns();
  const u64 in_an_hour = time(now / i64(kNanosPerSecond) + 3600);
  bool ended = false;
  start_thread([&] {
    EXPECT_EQ(futex(w, kWaitBitset | kRealTime, 0, in_an_hour, {}, 1), failure(Errno::kTimedOut));
    ended = true;
  });
  let_others_run();
  EXPECT_FALSE(ended);
  const u64 before = platform::monotonic_ns();
  set_wall_clock(now + 3601 * i64(kNanosPerSecond));
  let_others_run();
  EXPECT_TRUE(ended);
  EXPECT_LT(platform::monotonic_ns() - before, kNanosPerSecond);
}

// --- two words

TEST(FutexTest, RequeueWakesSomeAndMovesOthers) {
  const UserAddr a = word(), b = word();
  int woken = 0;
  for (int i = 0; i < 4; ++i)
    start_thread([&] {
      EXPECT_EQ(futex(a, kWait | kPrivate, 0), 0);
      ++woken;
    });
  let_others_run();
  EXPECT_EQ(futex(a, kCompareRequeue | kPrivate, 1, 2, b, 0), 3);
  let_others_run();
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(futex(a, kWake | kPrivate, 10), 1);
  EXPECT_EQ(futex(b, kWake | kPrivate, 10), 2);
  let_others_run();
  EXPECT_EQ(woken, 4);
}

TEST(FutexTest, AMovedWaiterCanStillTimeOut) {
  const UserAddr a = word(), b = word();
  bool ended = false;
  start_thread([&] {
    EXPECT_EQ(futex(a, kWait, 0, time(1)), failure(Errno::kTimedOut));
    ended = true;
  });
  let_others_run();
  EXPECT_EQ(futex(a, kRequeue, 0, 1, b), 1);
  const u64 later = platform::monotonic_ns() + 2 * kNanosPerSecond;
  while (platform::monotonic_ns() < later) {
    prepare_to_sleep();
    sleep_until(later, Interruptible::kNo).ignore();
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(futex(b, kWake, 1), 0);
}

constexpr u64 operation(u64 kind, i64 operand, u64 comparison, i64 compared) {
  return kind << 28 | comparison << 24 | (u64(operand) & 0xfff) << 12 | (u64(compared) & 0xfff);
}

TEST(FutexTest, WakeOpChangesComparesAndWakes) {
  const UserAddr a = word(), b = word(5);
  int woken = 0;
  for (const UserAddr w : {a, b})
    start_thread([&, w] {
      futex(w, kWait, look<u32>(w));
      ++woken;
    });
  let_others_run();
  constexpr u64 kSet = 0, kAdd = 1, kOr = 2, kAndNot = 3, kXor = 4, kShift = 8;
  constexpr u64 kEqual = 0, kLess = 2;
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kAdd, 3, kEqual, 6)), 1);  // b was not 6
  EXPECT_EQ(look<u32>(b), 8u);
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kSet, -3, kEqual, 8)), 1);
  EXPECT_EQ(look<u32>(b), u32(-3));
  let_others_run();
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kSet | kShift, 4, kLess, -2)), 0);
  EXPECT_EQ(look<u32>(b), 16u);
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kOr, 3, kEqual, 0)), 0);
  EXPECT_EQ(look<u32>(b), 19u);
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kAndNot, 1, kEqual, 0)), 0);
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kXor, 6, kEqual, 0)), 0);
  EXPECT_EQ(look<u32>(b), 20u);
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(7, 0, kEqual, 0)), failure(Errno::kNoSys));
  EXPECT_EQ(look<u32>(b), 20u);
  // An unknown comparison is found only when the word has changed.
  EXPECT_EQ(futex(a, kWakeOp, 1, 1, b, operation(kSet, 1, 9, 0)), failure(Errno::kNoSys));
  EXPECT_EQ(look<u32>(b), 1u);
}

// --- many words

struct WaitVEntry {
  u64 value, address;
  u32 flags, reserved;
};
constexpr u32 kSize32 = 2;

TEST(FutexTest, WaitVTellsWhichWordWasWoken) {
  const UserAddr a = word(1), b = word(2);
  struct Pair {
    WaitVEntry first, second;
  };
  const UserAddr entries =
      put(Pair{{1, a.value, kSize32 | kPrivate, 0}, {2, b.value, kSize32 | kPrivate, 0}});
  i64 result = -1;
  start_thread([&] { result = call(kFutexWaitV, entries.value, 2, 0, 0, 0); });
  let_others_run();
  EXPECT_EQ(futex(b, kWake | kPrivate, 1), 1);
  let_others_run();
  EXPECT_EQ(result, 1);
  EXPECT_EQ(futex(a, kWake | kPrivate, 1), 0);

  EXPECT_EQ(call(kFutexWaitV, entries.value, 0, 0, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kFutexWaitV, entries.value, 129, 0, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kFutexWaitV, entries.value, 2, 1, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kFutexWaitV, 0, 2, 0, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kFutexWaitV, entries.value, 2, 0, time(0), 1), failure(Errno::kTimedOut));
  EXPECT_EQ(call(kFutexWaitV, entries.value, 2, 0, time(0), 2), failure(Errno::kInval));
  const UserAddr changed = put(Pair{{1, a.value, kSize32, 0}, {3, b.value, kSize32, 0}});
  EXPECT_EQ(call(kFutexWaitV, changed.value, 2, 0, 0, 0), failure(Errno::kAgain));
  const UserAddr bad = put(WaitVEntry{1, a.value, 0, 0});
  EXPECT_EQ(call(kFutexWaitV, bad.value, 1, 0, 0, 0), failure(Errno::kInval));
}

// --- signals

TEST(FutexTest, ASignalEndsAWait) {
  constexpr u64 kTkill = 200;
  const UserAddr w = word();
  handle(Signal::kUsr1, [](Caught&) {});
  for (const u64 timeout : {u64{0}, time(100)}) {
    i64 result = 0;
    const i32 thread = start_thread([&] { result = futex(w, kWait, 0, timeout); });
    let_others_run();
    EXPECT_EQ(call(kTkill, u64(thread), u64(Signal::kUsr1)), 0);
    let_others_run();
    EXPECT_EQ(result, failure(Errno::kIntr));
  }
  EXPECT_EQ(futex(w, kWake, 1), 0);
}

// --- locks with an owner

TEST(FutexTest, PiLocksAreHandedOver) {
  const UserAddr w = word();
  EXPECT_EQ(futex(w, kLockPi, 0), 0);
  EXPECT_EQ(look<u32>(w), own_tid());
  EXPECT_EQ(futex(w, kLockPi, 0), failure(Errno::kDeadLk));
  EXPECT_EQ(futex(w, kTryLockPi, 0), failure(Errno::kDeadLk));
  std::vector<int> order;
  i32 threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = start_thread([&, i] {
      EXPECT_EQ(futex(w, kTryLockPi, 0), failure(Errno::kAgain));
      EXPECT_EQ(futex(w, kLockPi2, 0), 0);
      order.push_back(i);
      EXPECT_EQ(look<u32>(w) & kFutexTidMask, own_tid());
      EXPECT_EQ(futex(w, kUnlockPi, 0), 0);
    });
    let_others_run();
  }
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(look<u32>(w), own_tid() | kFutexWaiters);
  EXPECT_EQ(futex(w, kWake, 1), failure(Errno::kInval));
  EXPECT_EQ(futex(w, kUnlockPi, 0), 0);
  EXPECT_EQ(look<u32>(w), u32(threads[0]) | kFutexWaiters);
  EXPECT_EQ(futex(w, kUnlockPi, 0), failure(Errno::kPerm));
  let_others_run();
  EXPECT_EQ(order, (std::vector<int>{0, 1}));
  EXPECT_EQ(look<u32>(w), 0u);
}

TEST(FutexTest, PiLocksOfOwnersWhoAreGone) {
  EXPECT_EQ(futex(word(3'999'999), kLockPi, 0), failure(Errno::kSrch));
  EXPECT_EQ(futex(word(3'999'999 | kFutexOwnerDied), kTryLockPi, 0), failure(Errno::kSrch));
  const UserAddr freed = word(kFutexOwnerDied);
  EXPECT_EQ(futex(freed, kLockPi, 0), 0);
  EXPECT_EQ(look<u32>(freed), own_tid() | kFutexOwnerDied);
  EXPECT_EQ(futex(freed, kUnlockPi, 0), 0);
  // Whoever waits when the owner ends gets it.
  const UserAddr w = word();
  start_thread([&] {
    EXPECT_EQ(futex(w, kLockPi, 0), 0);
    let_others_run();
  });
  let_others_run();
  EXPECT_EQ(futex(w, kLockPi, 0), 0);
  EXPECT_EQ(look<u32>(w), own_tid() | kFutexOwnerDied);
}

TEST(FutexTest, PiLocksTimeOut) {
  const UserAddr w = word();
  start_thread([&] {
    EXPECT_EQ(futex(w, kLockPi, 0), 0);
    let_others_run();
    EXPECT_EQ(futex(w, kUnlockPi, 0), 0);
  });
  // The time is of the wall clock, and long past.
  i64 result = 0;
  start_thread([&] { result = futex(w, kLockPi, 0, time(1)); });
  let_others_run();
  EXPECT_EQ(result, failure(Errno::kTimedOut));
  let_others_run();
  EXPECT_EQ(look<u32>(w), 0u);
}

// --- robust lists

struct RobustHead {
  u64 first;
  i64 offset;
  u64 pending;
};
struct RobustLock {
  u64 next;
  u64 word;
};
constexpr i64 kWordOffset = 8;

TEST(FutexTest, RobustLocksOfAnEndedThreadAreFreed) {
  const UserAddr head = memory(sizeof(RobustHead));
  const UserAddr held = memory(sizeof(RobustLock)), waited = memory(sizeof(RobustLock)),
                 foreign = memory(sizeof(RobustLock)), pending = memory(sizeof(RobustLock));
  bool got = false;
  const i32 owner = start_thread([&] {
    const u32 tid = own_tid();
    write(held, RobustLock{waited.value, tid});
    write(waited, RobustLock{foreign.value, tid | kFutexWaiters});
    write(foreign, RobustLock{head.value, tid + 1});
    write(pending, RobustLock{0, tid});
    const RobustHead content{held.value, kWordOffset, pending.value};
    write(head, content);
    EXPECT_EQ(call(kSetRobustList, head.value, 23), failure(Errno::kInval));
    EXPECT_EQ(call(kSetRobustList, head.value, sizeof content), 0);
    let_others_run();
  });
  start_thread([&] {
    const UserAddr w = waited + kWordOffset;
    while (look<u32>(w) & kFutexTidMask) futex(w, kWait, look<u32>(w));
    got = true;
  });
  let_others_run();
  let_others_run();
  EXPECT_EQ(look<u32>(held + kWordOffset), kFutexOwnerDied);
  EXPECT_EQ(look<u32>(waited + kWordOffset), kFutexOwnerDied | kFutexWaiters);
  EXPECT_EQ(look<u32>(foreign + kWordOffset), u32(owner) + 1);
  EXPECT_EQ(look<u32>(pending + kWordOffset), kFutexOwnerDied);
  EXPECT_TRUE(got);
}

TEST(FutexTest, RobustListsThatNeverEndAreGivenUp) {
  const UserAddr entry = memory(sizeof(RobustLock));
  start_thread([&] {
    const UserAddr head = put(RobustHead{entry.value, kWordOffset, 0});
    write(entry, RobustLock{entry.value, own_tid()});
    EXPECT_EQ(call(kSetRobustList, head.value, sizeof(RobustHead)), 0);
  });
  let_others_run();
  EXPECT_EQ(look<u32>(entry + kWordOffset), kFutexOwnerDied);
}

TEST(FutexTest, RobustListsCanBeAskedFor) {
  const UserAddr head = memory(8), size = memory(8);
  EXPECT_EQ(call(kSetRobustList, 0x5000, 24), 0);
  EXPECT_EQ(call(kGetRobustList, 0, head.value, size.value), 0);
  EXPECT_EQ(look<u64>(head), 0x5000u);
  EXPECT_EQ(look<u64>(size), 24u);
  EXPECT_EQ(call(kGetRobustList, 399'999, head.value, size.value), failure(Errno::kSrch));
  EXPECT_EQ(call(kSetRobustList, 0, 24), 0);
}

}  // namespace
}  // namespace narwhal
