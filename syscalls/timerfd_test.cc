// timerfd as programs see it: what read(2) would find, and what changes with the wall clock.
#include <gtest/gtest.h>

#include "kernel/abi/timer.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kRead = 0,
  kNanosleep = 35,
  kClockSetTime = 227,
  kClockGetTime = 228,
  kTimerFdCreate = 283,
  kTimerFdSetTime = 286,
  kTimerFdGetTime = 287,
  kEpollCreate = 291,
};
constexpr i64 kSecond = i64(kNanosPerSecond);
constexpr i64 kMilli = i64(kNanosPerMilli);
constexpr u64 kNonBlock = 04000, kCloseOnExec = 02000000;
constexpr u64 kAbsolute = 1, kCancelOnSet = 2;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
abi::TimeSpec timespec(i64 ns) {
  return {ns / kSecond, ns % kSecond};
}
i64 nanoseconds(const abi::TimeSpec& time) {
  return time.seconds * kSecond + time.nanoseconds;
}
i64 now(i64 clock = abi::kClockMonotonic) {
  const UserAddr out = memory(sizeof(abi::TimeSpec));
  EXPECT_EQ(call(kClockGetTime, u64(clock), out.value), 0);
  return nanoseconds(look<abi::TimeSpec>(out));
}
void sleep(i64 ns) {
  EXPECT_EQ(call(kNanosleep, put(timespec(ns)).value, 0), 0);
}
void step_wall_clock(i64 by) {
  EXPECT_EQ(call(kClockSetTime, 0, put(timespec(now(abi::kClockRealtime) + by)).value), 0);
}
i64 create(i64 clock, u64 flags = kNonBlock) {
  return call(kTimerFdCreate, u64(clock), flags);
}
i64 set(i64 fd, i64 first, i64 interval, u64 flags = 0, UserAddr old = {}) {
  return call(kTimerFdSetTime, u64(fd), flags,
              put(abi::ITimerSpec{timespec(interval), timespec(first)}).value, old.value);
}
i64 remaining(i64 fd) {
  const UserAddr out = memory(sizeof(abi::ITimerSpec));
  EXPECT_EQ(call(kTimerFdGetTime, u64(fd), out.value), 0);
  return nanoseconds(look<abi::ITimerSpec>(out).value);
}
// How many expirations; or the error.
i64 read(i64 fd) {
  const UserAddr out = memory(8);
  const i64 result = call(kRead, u64(fd), out.value, 8);
  return result == 8 ? i64(look<u64>(out)) : result;
}

TEST(TimerFdCalls, ReadCountsExpirations) {
  const i64 fd = create(abi::kClockMonotonic);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
  EXPECT_EQ(set(fd, 3 * kMilli, 2 * kMilli), 0);
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
  EXPECT_EQ(remaining(fd), 3 * kMilli);
  sleep(8 * kMilli);
  EXPECT_EQ(remaining(fd), kMilli);
  EXPECT_EQ(read(fd), 3);
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
  EXPECT_EQ(set(fd, 0, 0), 0);
  sleep(8 * kMilli);
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
  EXPECT_EQ(remaining(fd), 0);
}

TEST(TimerFdCalls, ReadWaits) {
  const i64 fd = create(abi::kClockMonotonic, 0);
  const i64 start = now();
  EXPECT_EQ(set(fd, start + 5 * kMilli, 0, kAbsolute), 0);
  EXPECT_EQ(read(fd), 1);
  EXPECT_EQ(now(), start + 5 * kMilli);
  EXPECT_EQ(remaining(fd), 0);
}

TEST(TimerFdCalls, AnAbsoluteTimeThatIsOverCountsAtOnce) {
  const i64 fd = create(abi::kClockBoottime);
  EXPECT_EQ(set(fd, now() - 5 * kMilli, 2 * kMilli, kAbsolute), 0);
  EXPECT_EQ(read(fd), 3);
}

TEST(TimerFdCalls, AWallClockTimeFollowsTheClock) {
  const i64 fd = create(abi::kClockRealtime);
  const i64 span = create(abi::kClockRealtime);
  EXPECT_EQ(set(fd, now(abi::kClockRealtime) + 10 * kSecond, 0, kAbsolute), 0);
  EXPECT_EQ(set(span, 10 * kSecond, 0), 0);
  step_wall_clock(9 * kSecond);
  EXPECT_EQ(remaining(fd), kSecond);
  EXPECT_EQ(remaining(span), 10 * kSecond);
  sleep(kSecond);
  EXPECT_EQ(read(fd), 1);
  EXPECT_EQ(read(span), failure(Errno::kAgain));
}

TEST(TimerFdCalls, AStepCancelsIfAsked) {
  const i64 fd = create(abi::kClockRealtime);
  const i64 far = now(abi::kClockRealtime) + 1000 * kSecond;
  EXPECT_EQ(set(fd, far, 0, kAbsolute | kCancelOnSet), 0);
  step_wall_clock(kSecond);
  EXPECT_EQ(read(fd), failure(Errno::kCanceled));
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
  EXPECT_EQ(set(fd, far, 0, kAbsolute | kCancelOnSet), 0);
  step_wall_clock(kSecond);
  // The new setting is told, and holds.
  EXPECT_EQ(set(fd, far, 0, kAbsolute | kCancelOnSet), failure(Errno::kCanceled));
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
  EXPECT_GT(remaining(fd), 0);
  // Of a span of time, or on another clock, the flag means nothing.
  EXPECT_EQ(set(fd, kSecond, 0, kCancelOnSet), 0);
  step_wall_clock(kSecond);
  EXPECT_EQ(read(fd), failure(Errno::kAgain));
}

TEST(TimerFdCalls, AStepWakesTheReader) {
  const i64 fd = create(abi::kClockRealtime, 0);
  EXPECT_EQ(set(fd, now(abi::kClockRealtime) + 1000 * kSecond, 0, kAbsolute | kCancelOnSet), 0);
  const i64 start = now();
  start_thread([] {
    sleep(kMilli);
    step_wall_clock(kSecond);
  });
  EXPECT_EQ(read(fd), failure(Errno::kCanceled));
  EXPECT_EQ(now(), start + kMilli);
}

TEST(TimerFdCalls, ArgumentsAreChecked) {
  EXPECT_EQ(create(abi::kClockTai), failure(Errno::kInval));
  EXPECT_EQ(create(abi::kClockProcessCpu), failure(Errno::kInval));
  EXPECT_EQ(create(abi::kClockMonotonicRaw), failure(Errno::kInval));
  EXPECT_EQ(create(abi::kClockMonotonic, 1), failure(Errno::kInval));
  EXPECT_GE(create(abi::kClockRealtimeAlarm, kCloseOnExec), 0);
  const i64 fd = create(abi::kClockMonotonic);
  EXPECT_EQ(set(fd, 0, 0, 4), failure(Errno::kInval));
  EXPECT_EQ(set(fd, kSecond, -1), failure(Errno::kInval));
  EXPECT_EQ(call(kTimerFdSetTime, u64(fd), 0, 0, 0), failure(Errno::kFault));
  EXPECT_EQ(call(kTimerFdGetTime, u64(fd), kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(set(999, kSecond, 0), failure(Errno::kBadF));
  const i64 other = call(kEpollCreate, 0);
  EXPECT_EQ(set(other, kSecond, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kTimerFdGetTime, u64(other), memory(32).value), failure(Errno::kInval));
  EXPECT_EQ(call(kRead, u64(fd), memory(8).value, 7), failure(Errno::kInval));
}

TEST(TimerFdCalls, TheOldSettingIsTold) {
  const i64 fd = create(abi::kClockMonotonic);
  EXPECT_EQ(set(fd, 5 * kSecond, 2 * kSecond), 0);
  sleep(kSecond);
  const UserAddr old = memory(sizeof(abi::ITimerSpec));
  EXPECT_EQ(set(fd, 0, 0, 0, old), 0);
  EXPECT_EQ(nanoseconds(look<abi::ITimerSpec>(old).value), 4 * kSecond);
  EXPECT_EQ(nanoseconds(look<abi::ITimerSpec>(old).interval), 2 * kSecond);
}

}  // namespace
}  // namespace narwhal
