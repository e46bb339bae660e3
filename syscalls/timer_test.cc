// Timers that send signals, as programs see them.
#include "kernel/abi/timer.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernel/abi/resource.h"
#include "kernel/platform/fake/fake_machine.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kNanosleep = 35,
  kGetITimer = 36,
  kAlarm = 37,
  kSetITimer = 38,
  kSetRLimit = 160,
  kGetTid = 186,
  kTimerCreate = 222,
  kTimerSetTime = 223,
  kTimerGetTime = 224,
  kTimerGetOverrun = 225,
  kTimerDelete = 226,
  kClockSetTime = 227,
  kClockGetTime = 228,
};
constexpr i64 kSecond = i64(kNanosPerSecond);
constexpr i64 kMilli = i64(kNanosPerMilli);
constexpr u64 kReal = 0, kVirtual = 1, kProf = 2;
constexpr i32 kSignalEvent = 0, kNoEvent = 1, kThreadEvent = 4;
constexpr u64 kAbsolute = 1;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
abi::TimeSpec timespec(i64 ns) {
  return {ns / kSecond, ns % kSecond};
}
abi::TimeVal timeval(i64 ns) {
  return {ns / kSecond, ns % kSecond / 1000};
}
i64 nanoseconds(const abi::TimeSpec& time) {
  return time.seconds * kSecond + time.nanoseconds;
}
i64 nanoseconds(const abi::TimeVal& time) {
  return time.seconds * kSecond + time.microseconds * 1000;
}
i64 now(i64 clock = abi::kClockMonotonic) {
  const UserAddr out = memory(sizeof(abi::TimeSpec));
  EXPECT_EQ(call(kClockGetTime, u64(clock), out.value), 0);
  return nanoseconds(look<abi::TimeSpec>(out));
}
void work(i64 ns) {
  fake::advance_time(u64(ns));
  interrupt();
}
// Sleeps on however often a signal comes.
void sleep(i64 ns) {
  const i64 end = now() + ns;
  while (now() < end) call(kNanosleep, put(timespec(end - now())).value, 0);
}

i64 set_interval(u64 which, i64 first, i64 interval, UserAddr old = {}) {
  return call(kSetITimer, which, put(abi::ITimerVal{timeval(interval), timeval(first)}).value,
              old.value);
}
abi::ITimerVal get_interval(u64 which) {
  const UserAddr out = memory(sizeof(abi::ITimerVal));
  EXPECT_EQ(call(kGetITimer, which, out.value), 0);
  return look<abi::ITimerVal>(out);
}

i64 create(i64 clock, i32 notify, Signal signal, u64 value = 0, i32 thread = 0) {
  abi::SignalEvent event{};
  event.value = value;
  event.signal = i32(signal);
  event.notify = notify;
  event.thread = thread;
  const UserAddr id = memory(4);
  const i64 result = call(kTimerCreate, u64(clock), put(event).value, id.value);
  return result < 0 ? result : look<i32>(id);
}
i64 set(i64 id, i64 first, i64 interval, u64 flags = 0, UserAddr old = {}) {
  return call(kTimerSetTime, u64(id), flags,
              put(abi::ITimerSpec{timespec(interval), timespec(first)}).value, old.value);
}
abi::ITimerSpec get(i64 id) {
  const UserAddr out = memory(sizeof(abi::ITimerSpec));
  EXPECT_EQ(call(kTimerGetTime, u64(id), out.value), 0);
  return look<abi::ITimerSpec>(out);
}
i64 remaining(i64 id) {
  return nanoseconds(get(id).value);
}
i64 overrun(i64 id) {
  return call(kTimerGetOverrun, u64(id));
}
i64 remove(i64 id) {
  return call(kTimerDelete, u64(id));
}

// When a signal came, on the monotonic clock, and with what.
struct Arrival {
  i64 at;
  abi::SignalInfo info;
};
class TimerTest : public testing::Test {
 protected:
  void record(Signal signal) {
    handle(signal, [this](Caught& caught) { arrivals.push_back({now(), caught.info}); });
  }
  ~TimerTest() override {
    for (u64 which : {kReal, kVirtual, kProf}) set_interval(which, 0, 0);
    for (Signal signal : {Signal::kAlrm, Signal::kVtalrm, Signal::kProf, Signal::kUsr1,
                          Signal::kUsr2, Signal::kXcpu, Signal(40)})
      set_action(signal, abi::kSignalDefault);
  }
  std::vector<Arrival> arrivals;
};

// --- setitimer, alarm

TEST_F(TimerTest, RealIntervalTimerRepeats) {
  record(Signal::kAlrm);
  const i64 start = now();
  EXPECT_EQ(set_interval(kReal, 5 * kMilli, 2 * kMilli), 0);
  EXPECT_EQ(nanoseconds(get_interval(kReal).value), 5 * kMilli);
  sleep(10 * kMilli);
  ASSERT_EQ(arrivals.size(), 3u);
  EXPECT_EQ(arrivals[0].at, start + 5 * kMilli);
  EXPECT_EQ(arrivals[1].at, start + 7 * kMilli);
  EXPECT_EQ(arrivals[2].at, start + 9 * kMilli);
  EXPECT_EQ(arrivals[0].info.code, abi::kCodeKernel);
  const UserAddr old = memory(sizeof(abi::ITimerVal));
  EXPECT_EQ(set_interval(kReal, 0, 0, old), 0);
  EXPECT_EQ(nanoseconds(look<abi::ITimerVal>(old).value), kMilli);
  EXPECT_EQ(nanoseconds(look<abi::ITimerVal>(old).interval), 2 * kMilli);
  sleep(10 * kMilli);
  EXPECT_EQ(arrivals.size(), 3u);
}

TEST_F(TimerTest, AlarmSaysWhatWasLeftInSeconds) {
  record(Signal::kAlrm);
  EXPECT_EQ(call(kAlarm, 10), 0);
  sleep(kSecond / 4);
  EXPECT_EQ(call(kAlarm, 1), 10);  // 9.75 rounded
  sleep(3 * kSecond / 4);
  EXPECT_EQ(call(kAlarm, 2), 1);  // 0.25, but not none
  sleep(3 * kSecond);
  EXPECT_EQ(call(kAlarm, 0), 0);
  EXPECT_EQ(arrivals.size(), 1u);
}

TEST_F(TimerTest, IntervalTimersAreChecked) {
  EXPECT_EQ(set_interval(3, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kGetITimer, 3, kNowhere.value), failure(Errno::kInval));
  EXPECT_EQ(call(kGetITimer, 0, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(call(kSetITimer, 0, kNowhere.value, 0), failure(Errno::kFault));
  for (abi::TimeVal bad : {abi::TimeVal{-1, 0}, abi::TimeVal{0, 1'000'000}, abi::TimeVal{0, -1}}) {
    EXPECT_EQ(call(kSetITimer, 0, put(abi::ITimerVal{bad, {}}).value, 0), failure(Errno::kInval));
    EXPECT_EQ(call(kSetITimer, 0, put(abi::ITimerVal{{}, bad}).value, 0), failure(Errno::kInval));
  }
}

TEST_F(TimerTest, ProfilingTimerCountsWorkOnly) {
  record(Signal::kProf);
  EXPECT_EQ(set_interval(kProf, 50 * kMilli, 0), 0);
  sleep(kSecond);
  EXPECT_TRUE(arrivals.empty());
  EXPECT_EQ(nanoseconds(get_interval(kProf).value), 50 * kMilli);
  for (int i = 0; i < 4; ++i) work(10 * kMilli);
  EXPECT_TRUE(arrivals.empty());
  EXPECT_EQ(nanoseconds(get_interval(kProf).value), 10 * kMilli);
  for (int i = 0; i < 3; ++i) work(10 * kMilli);
  EXPECT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(nanoseconds(get_interval(kProf).value), 0);
}

TEST_F(TimerTest, AChildHasNone) {
  EXPECT_EQ(set_interval(kReal, kSecond, 0), 0);
  const i32 child = fork([] {
    EXPECT_EQ(nanoseconds(get_interval(kReal).value), 0);
    EXPECT_EQ(remove(0), failure(Errno::kInval));
  });
  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(TimerTest, AnEndedProcessLeavesNoneBehind) {
  const i32 child = fork([] {
    set_interval(kReal, kMilli, kMilli);
    set_interval(kProf, kMilli, kMilli);
    EXPECT_EQ(set(create(abi::kClockRealtime, kSignalEvent, Signal::kUsr1), kMilli, kMilli), 0);
  });
  EXPECT_EQ(wait_for(child), 0);
  sleep(10 * kMilli);
}

// --- timer_create

TEST_F(TimerTest, SignalsCarryTheValue) {
  record(Signal::kUsr1);
  const i64 id = create(abi::kClockMonotonic, kSignalEvent, Signal::kUsr1, 0x1234'5678'9abc);
  ASSERT_GE(id, 0);
  const i64 start = now();
  EXPECT_EQ(set(id, 3 * kMilli, 0), 0);
  EXPECT_EQ(remaining(id), 3 * kMilli);
  sleep(10 * kMilli);
  ASSERT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(arrivals[0].at, start + 3 * kMilli);
  EXPECT_EQ(arrivals[0].info.code, abi::kCodeTimer);
  EXPECT_EQ(arrivals[0].info.timer.timer, id);
  EXPECT_EQ(arrivals[0].info.timer.overrun, 0);
  EXPECT_EQ(arrivals[0].info.timer.value, 0x1234'5678'9abcu);
  EXPECT_EQ(remaining(id), 0);
  EXPECT_EQ(remove(id), 0);
  EXPECT_EQ(remove(id), failure(Errno::kInval));
}

TEST_F(TimerTest, WithoutAnEventItIsSigalrmWithTheNumber) {
  record(Signal::kAlrm);
  const UserAddr at = memory(4);
  ASSERT_EQ(call(kTimerCreate, abi::kClockMonotonic, 0, at.value), 0);
  const i32 id = look<i32>(at);
  EXPECT_EQ(set(id, kMilli, 0), 0);
  sleep(2 * kMilli);
  ASSERT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(arrivals[0].info.timer.value, u64(id));
  remove(id);
}

TEST_F(TimerTest, ExpirationsOfAPendingSignalAreOverruns) {
  constexpr Signal kRealTime = Signal(40);
  record(kRealTime);
  const i64 id = create(abi::kClockMonotonic, kSignalEvent, kRealTime);
  block(signal_set(kRealTime));
  EXPECT_EQ(set(id, kMilli, kMilli), 0);
  sleep(5 * kMilli + kMilli / 2);
  EXPECT_EQ(overrun(id), 0);  // of the signal taken last: there was none
  unblock(signal_set(kRealTime));
  ASSERT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(arrivals[0].info.timer.overrun, 4);
  EXPECT_EQ(overrun(id), 4);
  sleep(kMilli);
  ASSERT_EQ(arrivals.size(), 2u);
  EXPECT_EQ(arrivals[1].info.timer.overrun, 0);
  EXPECT_EQ(overrun(id), 0);
  remove(id);
  sleep(5 * kMilli);
  EXPECT_EQ(arrivals.size(), 2u);
}

TEST_F(TimerTest, AVeryShortPeriodLeavesTheProgramTimeToRun) {
  record(Signal::kUsr1);
  const i64 id = create(abi::kClockMonotonic, kSignalEvent, Signal::kUsr1);
  const i64 start = now();
  EXPECT_EQ(set(id, 1, 1), 0);
  sleep(kMilli);
  EXPECT_EQ(remove(id), 0);
  i64 expirations = 0;
  for (const Arrival& arrival : arrivals) expirations += 1 + arrival.info.timer.overrun;
  EXPECT_GT(arrivals.size(), 10u);
  EXPECT_LT(arrivals.size(), 100u);
  EXPECT_EQ(expirations, arrivals.back().at - start);
}

TEST_F(TimerTest, SilentOneOnlyCounts) {
  const i64 id = create(abi::kClockMonotonic, kNoEvent, Signal::kNone);
  ASSERT_GE(id, 0);
  EXPECT_EQ(set(id, 4 * kMilli, 10 * kMilli), 0);
  sleep(5 * kMilli);
  EXPECT_EQ(remaining(id), 9 * kMilli);
  EXPECT_EQ(nanoseconds(get(id).interval), 10 * kMilli);
  EXPECT_EQ(set(id, kMilli, 0), 0);
  sleep(5 * kMilli);
  EXPECT_EQ(remaining(id), 0);
  remove(id);
}

TEST_F(TimerTest, AThreadIsToldAlone) {
  record(Signal::kUsr1);
  const i64 main_thread = call(kGetTid);
  i64 told = 0;
  handle(Signal::kUsr2, [&](Caught&) { told = call(kGetTid); });
  i64 other = 0;
  start_thread([&] {
    other = call(kGetTid);
    sleep(20 * kMilli);
  });
  sleep(kMilli);
  const i64 id = create(abi::kClockMonotonic, kThreadEvent, Signal::kUsr2, 0, i32(other));
  ASSERT_GE(id, 0);
  EXPECT_EQ(set(id, kMilli, 0), 0);
  sleep(5 * kMilli);
  EXPECT_EQ(told, other);
  EXPECT_NE(told, main_thread);
  sleep(30 * kMilli);
  // Nobody is left to be told.
  told = 0;
  EXPECT_EQ(set(id, kMilli, 0), 0);
  sleep(5 * kMilli);
  EXPECT_EQ(told, 0);
  remove(id);
  EXPECT_EQ(create(abi::kClockMonotonic, kThreadEvent, Signal::kUsr2, 0, i32(other)),
            failure(Errno::kInval));
}

TEST_F(TimerTest, AnAbsoluteTimeFollowsTheWallClockASpanDoesNot) {
  record(Signal::kUsr1);
  record(Signal::kUsr2);
  const i64 wall = now(abi::kClockRealtime);
  const i64 absolute = create(abi::kClockRealtime, kSignalEvent, Signal::kUsr1);
  const i64 span = create(abi::kClockRealtime, kSignalEvent, Signal::kUsr2);
  EXPECT_EQ(set(absolute, wall + 10 * kSecond, 0, kAbsolute), 0);
  EXPECT_EQ(set(span, 5 * kSecond, 0), 0);
  EXPECT_EQ(call(kClockSetTime, 0, put(timespec(wall + 9 * kSecond)).value), 0);
  EXPECT_EQ(remaining(absolute), kSecond);
  EXPECT_EQ(remaining(span), 5 * kSecond);
  const i64 start = now();
  sleep(6 * kSecond);
  ASSERT_EQ(arrivals.size(), 2u);
  EXPECT_EQ(arrivals[0].info.number, i32(Signal::kUsr1));
  EXPECT_EQ(arrivals[0].at, start + kSecond);
  EXPECT_EQ(arrivals[1].at, start + 5 * kSecond);
  remove(absolute);
  remove(span);
}

TEST_F(TimerTest, CpuTimeOfTheThreadAndTheProcess) {
  record(Signal::kUsr1);
  record(Signal::kUsr2);
  const i64 process = create(abi::kClockProcessCpu, kSignalEvent, Signal::kUsr1);
  const i64 thread = create(abi::kClockThreadCpu, kSignalEvent, Signal::kUsr2);
  EXPECT_EQ(set(process, 30 * kMilli, 0), 0);
  EXPECT_EQ(set(thread, 30 * kMilli, 0), 0);
  start_thread([] {
    for (int i = 0; i < 4; ++i) work(10 * kMilli);
  });
  sleep(kSecond);
  ASSERT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(arrivals[0].info.number, i32(Signal::kUsr1));
  for (int i = 0; i < 5; ++i) work(10 * kMilli);
  ASSERT_EQ(arrivals.size(), 2u);
  EXPECT_EQ(arrivals[1].info.number, i32(Signal::kUsr2));
  remove(process);
  remove(thread);
}

TEST_F(TimerTest, CreationIsChecked) {
  EXPECT_EQ(create(10, kSignalEvent, Signal::kUsr1), failure(Errno::kInval));
  EXPECT_EQ(create(abi::kClockMonotonicRaw, kSignalEvent, Signal::kUsr1),
            failure(Errno::kOpNotSupp));
  EXPECT_EQ(create(abi::kClockBoottimeAlarm, kSignalEvent, Signal::kUsr1),
            failure(Errno::kOpNotSupp));
  EXPECT_EQ(create(abi::kClockMonotonic, kSignalEvent, Signal(0)), failure(Errno::kInval));
  EXPECT_EQ(create(abi::kClockMonotonic, kSignalEvent, Signal(65)), failure(Errno::kInval));
  EXPECT_EQ(create(abi::kClockMonotonic, 3, Signal::kUsr1), failure(Errno::kInval));
  EXPECT_EQ(call(kTimerCreate, 1, kNowhere.value, memory(4).value), failure(Errno::kFault));
  EXPECT_EQ(call(kTimerCreate, 1, 0, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(call(kTimerGetTime, 77, kNowhere.value), failure(Errno::kInval));
  EXPECT_EQ(overrun(77), failure(Errno::kInval));
  EXPECT_EQ(set(77, 0, 0), failure(Errno::kInval));
  const i64 id = create(abi::kClockMonotonic, kSignalEvent, Signal::kUsr1);
  EXPECT_EQ(call(kTimerSetTime, u64(id), 0, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kTimerSetTime, u64(id), 0, kNowhere.value, 0), failure(Errno::kFault));
  EXPECT_EQ(set(id, -1, 0), failure(Errno::kInval));
  remove(id);
}

// --- RLIMIT_CPU

TEST_F(TimerTest, CpuLimitWarnsEachSecondAndThenKills) {
  const i32 child = fork([] {
    int warnings = 0;
    handle(Signal::kXcpu, [&](Caught&) { ++warnings; });
    call(kSetRLimit, abi::kLimitCpu, put(abi::ResourceLimit{1, 3}).value);
    for (int i = 0; i < 290; ++i) work(10 * kMilli);
    EXPECT_EQ(warnings, 2);
    for (int i = 0; i < 20; ++i) work(10 * kMilli);
    ADD_FAILURE() << "it lives";
  });
  EXPECT_EQ(wait_for(child), i64(Signal::kKill));
}

}  // namespace
}  // namespace narwhal
