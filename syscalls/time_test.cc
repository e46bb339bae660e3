// Clocks and sleeps as programs see them.
#include <gtest/gtest.h>

#include "kernel/abi/timex.h"
#include "kernel/platform/fake/fake_machine.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kNanosleep = 35,
  kGetPid = 39,
  kKill = 62,
  kGetTimeOfDay = 96,
  kTimes = 100,
  kAdjtimex = 159,
  kSetTimeOfDay = 164,
  kGetTid = 186,
  kTime = 201,
  kClockSetTime = 227,
  kClockGetTime = 228,
  kClockGetRes = 229,
  kClockNanosleep = 230,
};
constexpr i64 kSecond = i64(kNanosPerSecond);
constexpr i64 kMilli = i64(kNanosPerMilli);

constexpr i64 failure(Errno error) {
  return -i64(error);
}
abi::TimeSpec timespec(i64 ns) {
  return {ns / kSecond, ns % kSecond};
}
i64 nanoseconds(const abi::TimeSpec& time) {
  return time.seconds * kSecond + time.nanoseconds;
}
// What the clock shows, or the error.
i64 read(i64 clock) {
  const UserAddr out = memory(sizeof(abi::TimeSpec));
  const i64 result = call(kClockGetTime, u64(clock), out.value);
  return result < 0 ? result : nanoseconds(look<abi::TimeSpec>(out));
}
i64 set(i64 clock, i64 ns) {
  return call(kClockSetTime, u64(clock), put(timespec(ns)).value);
}
i64 sleep(i64 clock, u64 flags, i64 ns, UserAddr remaining = {}) {
  return call(kClockNanosleep, u64(clock), flags, put(timespec(ns)).value, remaining.value);
}
// The program works for so long.
void work(i64 ns) {
  fake::advance_time(u64(ns));
  interrupt();
}
// The number of a clock of CPU time: measure 0 both, 1 user, 2 exact.
i64 cpu_clock(i64 number, i64 measure, bool thread) {
  return i32(~u32(number) << 3) | measure | (thread ? 4 : 0);
}
constexpr u64 kAbsolute = 1;

TEST(Clocks, MonotonicOnesShowTimeSinceBoot) {
  const i64 before = read(abi::kClockMonotonic);
  work(5 * kMilli);
  for (i64 clock : {abi::kClockMonotonic, abi::kClockMonotonicRaw, abi::kClockMonotonicCoarse,
                    abi::kClockBoottime})
    EXPECT_EQ(read(clock), before + 5 * kMilli) << clock;
}

TEST(Clocks, WallClocksShowWhatIsSet) {
  const i64 wanted = 1'700'000'000 * kSecond + 123;
  EXPECT_EQ(set(abi::kClockRealtime, wanted), 0);
  EXPECT_EQ(read(abi::kClockRealtime), wanted);
  EXPECT_EQ(read(abi::kClockRealtimeCoarse), wanted);
  EXPECT_EQ(read(abi::kClockTai), wanted);
  EXPECT_EQ(call(kTime, 0), 1'700'000'000);
  const UserAddr out = memory(sizeof(abi::TimeVal));
  EXPECT_EQ(call(kGetTimeOfDay, out.value, 0), 0);
  EXPECT_EQ(look<abi::TimeVal>(out).seconds, 1'700'000'000);
}

TEST(Clocks, SettingIsChecked) {
  EXPECT_EQ(set(abi::kClockMonotonic, kSecond), failure(Errno::kInval));
  EXPECT_EQ(set(abi::kClockTai, kSecond), failure(Errno::kInval));
  EXPECT_EQ(set(99, kSecond), failure(Errno::kInval));
  EXPECT_EQ(set(cpu_clock(0, 2, false), kSecond), failure(Errno::kPerm));
  EXPECT_EQ(set(cpu_clock(99999, 2, false), kSecond), failure(Errno::kInval));
  EXPECT_EQ(call(kClockSetTime, 0, kNowhere.value), failure(Errno::kFault));
  for (abi::TimeSpec bad : {abi::TimeSpec{-1, 0}, abi::TimeSpec{1, -1}, abi::TimeSpec{1, kSecond},
                            abi::TimeSpec{i64(~u64{0} >> 1), 0}})
    EXPECT_EQ(call(kClockSetTime, 0, put(bad).value), failure(Errno::kInval));
  // Earlier than the machine has been running: it would have booted before 1970.
  work(kSecond);
  EXPECT_EQ(set(abi::kClockRealtime, 5), failure(Errno::kInval));
}

TEST(Clocks, UnknownAndAlarmClocksCantBeRead) {
  for (i64 clock : {i64{abi::kClockRealtimeAlarm}, i64{abi::kClockBoottimeAlarm}, i64{10}, i64{12},
                    cpu_clock(0, 3, false), cpu_clock(0, 3, true), cpu_clock(99999, 2, false),
                    cpu_clock(99999, 2, true)}) {
    EXPECT_EQ(read(clock), failure(Errno::kInval)) << clock;
    EXPECT_EQ(call(kClockGetRes, u64(clock), 0), failure(Errno::kInval)) << clock;
  }
  EXPECT_EQ(call(kClockGetTime, 0, kNowhere.value), failure(Errno::kFault));
}

TEST(Clocks, Resolution) {
  const UserAddr out = memory(sizeof(abi::TimeSpec));
  const auto resolution = [&](i64 clock) {
    EXPECT_EQ(call(kClockGetRes, u64(clock), out.value), 0);
    return nanoseconds(look<abi::TimeSpec>(out));
  };
  EXPECT_EQ(resolution(abi::kClockRealtime), 1);
  EXPECT_EQ(resolution(abi::kClockThreadCpu), 1);
  EXPECT_EQ(resolution(abi::kClockMonotonicCoarse), 4 * kMilli);
  EXPECT_EQ(resolution(cpu_clock(0, 0, false)), 4 * kMilli);
}

TEST(Clocks, CpuTimePassesWhileTheProgramWorks) {
  const i64 process = read(abi::kClockProcessCpu), thread = read(abi::kClockThreadCpu);
  work(30 * kMilli);
  EXPECT_EQ(read(abi::kClockProcessCpu), process + 30 * kMilli);
  EXPECT_EQ(read(abi::kClockThreadCpu), thread + 30 * kMilli);
  EXPECT_EQ(sleep(abi::kClockMonotonic, 0, kSecond), 0);
  EXPECT_EQ(read(abi::kClockThreadCpu), thread + 30 * kMilli);
  // By number, too.
  const i64 pid = call(kGetPid), tid = call(kGetTid);
  EXPECT_EQ(read(cpu_clock(pid, 2, false)), read(abi::kClockProcessCpu));
  EXPECT_EQ(read(cpu_clock(tid, 2, true)), read(abi::kClockThreadCpu));
  EXPECT_EQ(read(cpu_clock(0, 0, false)), read(abi::kClockProcessCpu));
}

TEST(Clocks, TimesCountsTicks) {
  const UserAddr out = memory(sizeof(abi::Times));
  const i64 before = call(kTimes, 0);
  EXPECT_EQ(sleep(abi::kClockMonotonic, 0, kSecond), 0);
  EXPECT_EQ(call(kTimes, out.value), before + 100);
  const auto times = look<abi::Times>(out);
  EXPECT_EQ((times.user + times.system), read(abi::kClockProcessCpu) / (10 * kMilli));
  EXPECT_EQ(call(kTimes, kNowhere.value), failure(Errno::kFault));
}

TEST(Clocks, AdjtimexSaysThatNobodyDisciplinesTheClock) {
  abi::Timex timex{};
  const UserAddr at = put(timex);
  EXPECT_EQ(call(kAdjtimex, at.value), 5);  // TIME_ERROR
  timex = look<abi::Timex>(at);
  EXPECT_EQ(timex.status, 0x40);  // STA_UNSYNC
  EXPECT_EQ(timex.tick, 10'000);
  EXPECT_EQ(timex.time.seconds, call(kTime, 0));
  EXPECT_EQ(call(kAdjtimex, kNowhere.value), failure(Errno::kFault));
}

TEST(Sleep, LastsAsLongAsAsked) {
  const i64 before = read(abi::kClockMonotonic);
  EXPECT_EQ(call(kNanosleep, put(timespec(1234567)).value, 0), 0);
  EXPECT_EQ(read(abi::kClockMonotonic), before + 1234567);
  for (i64 clock : {abi::kClockRealtime, abi::kClockBoottime, abi::kClockTai}) {
    const i64 start = read(clock);
    EXPECT_EQ(sleep(clock, 0, kMilli), 0);
    EXPECT_EQ(read(clock), start + kMilli) << clock;
    EXPECT_EQ(sleep(clock, kAbsolute, start + 5 * kMilli), 0);
    EXPECT_EQ(read(clock), start + 5 * kMilli) << clock;
    // What is over is over.
    EXPECT_EQ(sleep(clock, kAbsolute, start), 0);
    EXPECT_EQ(read(clock), start + 5 * kMilli) << clock;
  }
}

TEST(Sleep, IsRefused) {
  EXPECT_EQ(call(kNanosleep, kNowhere.value, 0), failure(Errno::kFault));
  EXPECT_EQ(call(kNanosleep, put(abi::TimeSpec{0, kSecond}).value, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kNanosleep, put(abi::TimeSpec{-1, 0}).value, 0), failure(Errno::kInval));
  EXPECT_EQ(sleep(12, 0, 1), failure(Errno::kInval));
  EXPECT_EQ(sleep(abi::kClockMonotonicRaw, 0, 1), failure(Errno::kOpNotSupp));
  EXPECT_EQ(sleep(abi::kClockRealtimeCoarse, 0, 1), failure(Errno::kOpNotSupp));
  EXPECT_EQ(sleep(abi::kClockThreadCpu, 0, 1), failure(Errno::kOpNotSupp));
  EXPECT_EQ(sleep(abi::kClockRealtimeAlarm, 0, 1), failure(Errno::kOpNotSupp));
  EXPECT_EQ(sleep(cpu_clock(0, 2, true), 0, 1), failure(Errno::kInval));
  EXPECT_EQ(sleep(cpu_clock(99999, 2, false), 0, 1), failure(Errno::kInval));
}

TEST(Sleep, AHandlerEndsItAndTheRestIsTold) {
  handle(Signal::kUsr1, [](Caught&) {});
  const i64 pid = call(kGetPid);
  const i32 other = start_thread([=] {
    call(kNanosleep, put(timespec(3 * kMilli)).value, 0);
    call(kKill, u64(pid), u64(Signal::kUsr1));
  });
  ASSERT_GT(other, 0);
  const UserAddr rest = memory(sizeof(abi::TimeSpec));
  EXPECT_EQ(call(kNanosleep, put(timespec(10 * kMilli)).value, rest.value), failure(Errno::kIntr));
  EXPECT_EQ(nanoseconds(look<abi::TimeSpec>(rest)), 7 * kMilli);
  set_action(Signal::kUsr1, abi::kSignalDefault);
}

TEST(Sleep, GoesOnAfterAStopUntilTheTimeFirstMeant) {
  const i32 child = fork([] {
    const i64 before = read(abi::kClockMonotonic);
    EXPECT_EQ(call(kNanosleep, put(timespec(10 * kMilli)).value, 0), 0);
    EXPECT_EQ(read(abi::kClockMonotonic), before + 10 * kMilli);
  });
  ASSERT_GT(child, 0);
  call(kNanosleep, put(timespec(2 * kMilli)).value, 0);
  call(kKill, u64(child), u64(Signal::kStop));
  call(kNanosleep, put(timespec(2 * kMilli)).value, 0);
  call(kKill, u64(child), u64(Signal::kCont));
  EXPECT_EQ(wait_for(child), 0);
}

TEST(Sleep, UntilAWallClockTimeFollowsTheClock) {
  const i64 start = read(abi::kClockRealtime);
  const i64 before = read(abi::kClockMonotonic);
  const i32 other = start_thread([=] {
    call(kNanosleep, put(timespec(kMilli)).value, 0);
    set(abi::kClockRealtime, start + 4 * kMilli);  // three milliseconds later than it was
  });
  ASSERT_GT(other, 0);
  EXPECT_EQ(sleep(abi::kClockRealtime, kAbsolute, start + 10 * kMilli), 0);
  EXPECT_EQ(read(abi::kClockRealtime), start + 10 * kMilli);
  EXPECT_EQ(read(abi::kClockMonotonic), before + 7 * kMilli);
}

TEST(Sleep, ForASpanDoesNotFollowTheWallClock) {
  const i64 start = read(abi::kClockRealtime);
  const i64 before = read(abi::kClockMonotonic);
  const i32 other = start_thread([=] {
    call(kNanosleep, put(timespec(kMilli)).value, 0);
    set(abi::kClockRealtime, start + 100 * kSecond);
  });
  ASSERT_GT(other, 0);
  EXPECT_EQ(sleep(abi::kClockRealtime, 0, 10 * kMilli), 0);
  EXPECT_EQ(read(abi::kClockMonotonic), before + 10 * kMilli);
}

TEST(Sleep, ForCpuTimeWaitsForAnotherProcess) {
  const i32 child = fork([] {
    for (int i = 0; i < 10; ++i) {
      work(4 * kMilli);
      call(kNanosleep, put(timespec(6 * kMilli)).value, 0);
    }
  });
  ASSERT_GT(child, 0);
  EXPECT_EQ(sleep(cpu_clock(child, 2, false), kAbsolute, 20 * kMilli), 0);
  EXPECT_GE(read(cpu_clock(child, 2, false)), 20 * kMilli);
  EXPECT_LT(read(cpu_clock(child, 2, false)), 40 * kMilli);
  EXPECT_EQ(wait_for(child), 0);
}

}  // namespace
}  // namespace narwhal
