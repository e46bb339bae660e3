// Signals as programs see them: sending, queues, masks, who takes what, restarted calls, job
// control.
#include <gtest/gtest.h>

#include <vector>

#include "kernel/abi/resource.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kPause = 34,
  kGetPid = 39,
  kKill = 62,
  kSigPending = 127,
  kSigTimedWait = 128,
  kSigQueueInfo = 129,
  kSigSuspend = 130,
  kGetTid = 186,
  kTkill = 200,
  kRestartSyscall = 219,
  kExitGroup = 231,
  kTgkill = 234,
  kTgSigQueueInfo = 297,
};
constexpr Signal kFirstRealTime = Signal(34);
constexpr i64 kNoHang = 1, kUntraced = 2, kContinued = 8;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
i64 kill(i64 pid, Signal signal) {
  return call(kKill, u64(pid), u64(signal));
}
i64 own_pid() {
  return call(kGetPid);
}
i64 raise(Signal signal) {
  return call(kTkill, u64(call(kGetTid)), u64(signal));
}
i64 queue(Signal signal, u64 value) {
  abi::SignalInfo info{};
  info.code = abi::kCodeQueue;
  info.queued.value = value;
  return call(kSigQueueInfo, u64(own_pid()), u64(signal), put(info).value);
}
// Fetches one of `set` without waiting; 0 when none is pending.
abi::SignalInfo fetch(SignalSet set) {
  struct {
    i64 seconds = 0, nanoseconds = 0;
  } now;
  const UserAddr info = memory(sizeof(abi::SignalInfo));
  const i64 got =
      call(kSigTimedWait, put(set).value, info.value, put(now).value, sizeof(SignalSet));
  if (got > 0) return look<abi::SignalInfo>(info);
  EXPECT_EQ(got, failure(Errno::kAgain));
  return {};
}
bool is_pending(Signal signal) {
  const UserAddr set = memory(8);
  EXPECT_EQ(call(kSigPending, set.value, 8), 0);
  return look<SignalSet>(set).has(signal);
}
constexpr i32 killed_by(Signal signal) {
  return i32(signal);
}

class SignalTest : public testing::Test {
 protected:
  ~SignalTest() override {
    while (fetch(~SignalSet{}).number != 0) {
    }
    for (i32 number = 1; number <= 64; ++number)
      if (!kUnblockable.has(Signal(number))) set_action(Signal(number), abi::kSignalDefault);
    unblock(~SignalSet{});
  }
};

// --- queues

TEST_F(SignalTest, StandardSignalsAreKeptOnce) {
  const SignalSet set = signal_set(Signal::kUsr1);
  block(set);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(kill(own_pid(), Signal::kUsr1), 0);
  EXPECT_TRUE(is_pending(Signal::kUsr1));
  const abi::SignalInfo info = fetch(set);
  EXPECT_EQ(info.number, i32(Signal::kUsr1));
  EXPECT_EQ(info.code, abi::kCodeUser);
  EXPECT_EQ(info.queued.pid, own_pid());
  EXPECT_EQ(fetch(set).number, 0);
}

TEST_F(SignalTest, RealTimeSignalsQueueByNumberThenInOrder) {
  const SignalSet set = signal_set(Signal(40), Signal(41), Signal::kUsr2);
  block(set);
  EXPECT_EQ(queue(Signal(41), 1), 0);
  EXPECT_EQ(queue(Signal(40), 2), 0);
  EXPECT_EQ(queue(Signal(40), 3), 0);
  EXPECT_EQ(queue(Signal(41), 4), 0);
  EXPECT_EQ(kill(own_pid(), Signal::kUsr2), 0);
  std::vector<std::pair<i32, u64>> seen;
  for (abi::SignalInfo info; (info = fetch(set)).number != 0;)
    seen.push_back({info.number, info.number < 32 ? 0 : info.queued.value});
  const std::vector<std::pair<i32, u64>> expected = {{12, 0}, {40, 2}, {40, 3}, {41, 1}, {41, 4}};
  EXPECT_EQ(seen, expected);
}

TEST_F(SignalTest, QueuesHaveALimit) {
  Process& process = current_process();
  const ResourceLimit before = process.limit(abi::kLimitPendingSignals);
  process.set_limit(abi::kLimitPendingSignals, {2, before.hard});
  const SignalSet set = signal_set(kFirstRealTime, Signal::kUsr1);
  block(set);
  EXPECT_EQ(queue(kFirstRealTime, 1), 0);
  EXPECT_EQ(queue(kFirstRealTime, 2), 0);
  EXPECT_EQ(queue(kFirstRealTime, 3), failure(Errno::kAgain));
  // Plain kills are not refused.
  EXPECT_EQ(kill(own_pid(), kFirstRealTime), 0);
  EXPECT_EQ(kill(own_pid(), Signal::kUsr1), 0);
  EXPECT_EQ(fetch(signal_set(Signal::kUsr1)).queued.pid, own_pid());
  process.set_limit(abi::kLimitPendingSignals, before);
  EXPECT_EQ(fetch(set).queued.value, 1u);
  EXPECT_EQ(fetch(set).queued.value, 2u);
  EXPECT_EQ(fetch(set).number, 0);
  EXPECT_EQ(process.queued_signals.load(), 0u);
}

TEST_F(SignalTest, OneOverTheLimitComesWithoutDetails) {
  Process& process = current_process();
  const ResourceLimit before = process.limit(abi::kLimitPendingSignals);
  process.set_limit(abi::kLimitPendingSignals, {0, before.hard});
  block(signal_set(kFirstRealTime));
  EXPECT_EQ(kill(own_pid(), kFirstRealTime), 0);
  process.set_limit(abi::kLimitPendingSignals, before);
  const abi::SignalInfo info = fetch(signal_set(kFirstRealTime));
  EXPECT_EQ(info.number, i32(kFirstRealTime));
  EXPECT_EQ(info.code, abi::kCodeUser);
  EXPECT_EQ(info.queued.pid, 0);
}

TEST_F(SignalTest, FaultsComeBeforeAllOthers) {
  std::vector<i32> order;
  const auto note = [&](Caught& caught) { order.push_back(caught.info.number); };
  for (Signal signal : {Signal::kHup, Signal::kSegv, Signal::kUsr1})
    handle(signal, note, abi::kActionSigInfo, ~SignalSet{});
  const SignalSet all = signal_set(Signal::kHup, Signal::kSegv, Signal::kUsr1);
  block(all);
  raise(Signal::kUsr1);
  raise(Signal::kHup);
  raise(Signal::kSegv);
  unblock(all);
  EXPECT_EQ(order, (std::vector<i32>{11, 1, 10}));
}

TEST_F(SignalTest, AThreadsOwnComeBeforeItsProcesses) {
  block(signal_set(Signal::kUsr1));
  kill(own_pid(), Signal::kUsr1);
  raise(Signal::kUsr1);
  EXPECT_EQ(fetch(signal_set(Signal::kUsr1)).code, abi::kCodeTkill);
  EXPECT_EQ(fetch(signal_set(Signal::kUsr1)).code, abi::kCodeUser);
}

// --- actions and masks

TEST_F(SignalTest, IgnoredSignalsLeaveNothing) {
  set_action(Signal::kUsr1, abi::kSignalIgnore);
  kill(own_pid(), Signal::kUsr1);
  EXPECT_FALSE(is_pending(Signal::kUsr1));
  for (Signal signal : {Signal::kChld, Signal::kUrg, Signal::kWinch, Signal::kCont})
    EXPECT_EQ(kill(own_pid(), signal), 0);
  // Blocked ones wait all the same: they may be wanted by then.
  block(signal_set(Signal::kUsr1, Signal::kChld));
  kill(own_pid(), Signal::kUsr1);
  kill(own_pid(), Signal::kChld);
  EXPECT_TRUE(is_pending(Signal::kUsr1));
  EXPECT_TRUE(is_pending(Signal::kChld));
  // Ignoring drops what waits.
  set_action(Signal::kUsr1, abi::kSignalIgnore);
  set_action(Signal::kChld, abi::kSignalDefault);
  EXPECT_FALSE(is_pending(Signal::kUsr1));
  EXPECT_FALSE(is_pending(Signal::kChld));
}

TEST_F(SignalTest, SuspendSwapsTheMaskForItsHandler) {
  const SignalSet both = signal_set(Signal::kUsr1, Signal::kUsr2);
  int count = 0;
  handle(Signal::kUsr1, [&](Caught& caught) {
    ++count;
    EXPECT_TRUE(caught.context->mask == both);
  });
  block(both);
  raise(Signal::kUsr1);
  EXPECT_EQ(call(kSigSuspend, put(signal_set(Signal::kUsr2)).value, 8), failure(Errno::kIntr));
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(current_task().signals.blocked == both);
  EXPECT_FALSE(has(current_task().user_work(), UserWork::kRestoreMask));
}

TEST_F(SignalTest, ResetHandAndNoDefer) {
  int calls = 0, depth = 0, deepest = 0;
  const auto again = [&](Caught&) {
    deepest = std::max(deepest, ++depth);
    if (++calls < 3) raise(Signal::kUrg);
    --depth;
  };
  const auto expect = [&](u64 flags, int wanted_calls, int wanted_depth) {
    calls = deepest = 0;
    handle(Signal::kUrg, again, abi::kActionSigInfo | flags);
    raise(Signal::kUrg);
    EXPECT_EQ(calls, wanted_calls);
    EXPECT_EQ(deepest, wanted_depth);
  };
  expect(abi::kActionNoDefer, 3, 3);
  expect(0, 3, 1);
  expect(abi::kActionResetHand, 1, 1);
  EXPECT_EQ(current_process().handlers().get(Signal::kUrg).handler, abi::kSignalDefault);
}

TEST_F(SignalTest, ErrorsOfTheCalls) {
  constexpr u64 kSigAction = 13, kSigMask = 14;
  const u64 action = put(abi::SignalAction{}).value, set = put(SignalSet{}).value;
  const u64 nowhere = kNowhere.value;
  EXPECT_EQ(call(kSigAction, 0, action, 0, 8), failure(Errno::kInval));
  EXPECT_EQ(call(kSigAction, 65, action, 0, 8), failure(Errno::kInval));
  EXPECT_EQ(call(kSigAction, 9, action, 0, 8), failure(Errno::kInval));
  EXPECT_EQ(call(kSigAction, 9, 0, action, 8), 0);
  EXPECT_EQ(call(kSigAction, 10, 0, 0, 4), failure(Errno::kInval));
  EXPECT_EQ(call(kSigAction, 10, nowhere, 0, 8), failure(Errno::kFault));
  EXPECT_EQ(call(kSigAction, 10, 0, nowhere, 8), failure(Errno::kFault));
  EXPECT_EQ(call(kSigMask, 77, set, 0, 8), failure(Errno::kInval));
  EXPECT_EQ(call(kSigMask, 77, 0, set, 8), 0);
  EXPECT_EQ(call(kSigMask, 0, nowhere, 0, 8), failure(Errno::kFault));
  EXPECT_EQ(call(kSigPending, nowhere, 8), failure(Errno::kFault));
  EXPECT_EQ(call(kSigPending, set, 9), failure(Errno::kInval));
  EXPECT_EQ(call(kRestartSyscall), failure(Errno::kIntr));
}

// --- sending

TEST_F(SignalTest, ErrorsOfSending) {
  const i64 self = own_pid();
  EXPECT_EQ(kill(self, Signal::kNone), 0);
  EXPECT_EQ(kill(self, Signal(65)), failure(Errno::kInval));
  EXPECT_EQ(kill(4'000'000, Signal::kNone), failure(Errno::kSrch));
  EXPECT_EQ(kill(-4'000'000, Signal::kNone), failure(Errno::kSrch));
  EXPECT_EQ(call(kTkill, 0, 10), failure(Errno::kInval));
  EXPECT_EQ(call(kTgkill, u64(self), u64(-1), 10), failure(Errno::kInval));
  EXPECT_EQ(call(kTgkill, u64(self) + 1'000'000, u64(self), 10), failure(Errno::kSrch));
  abi::SignalInfo info{};
  info.code = abi::kCodeQueue;
  const u64 good = put(info).value;
  EXPECT_EQ(call(kSigQueueInfo, 4'000'000, 0, good), failure(Errno::kSrch));
  EXPECT_EQ(call(kSigQueueInfo, u64(self), 65, good), failure(Errno::kInval));
  EXPECT_EQ(call(kSigQueueInfo, u64(self), 10, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(call(kTgSigQueueInfo, u64(-1), u64(self), 10, good), failure(Errno::kInval));
  // Nobody may pretend to be the kernel, but before himself.
  const i32 child = fork([] { call(kPause); });
  info.code = abi::kCodeKernel;
  EXPECT_EQ(call(kSigQueueInfo, u64(child), 10, put(info).value), failure(Errno::kPerm));
  info.code = abi::kCodeTkill;
  EXPECT_EQ(call(kSigQueueInfo, u64(child), 10, put(info).value), failure(Errno::kPerm));
  kill(child, Signal::kKill);
  EXPECT_EQ(wait_for(child), killed_by(Signal::kKill));
}

TEST_F(SignalTest, SomeThreadThatDoesNotBlockItTakesIt) {
  u64 taken_by = 0;
  handle(Signal::kUsr1, [&](Caught&) { taken_by = current_task().tid(); });
  block(signal_set(Signal::kUsr1));
  bool done = false;
  const i32 thread = start_thread([&] {
    unblock(signal_set(Signal::kUsr1));
    EXPECT_EQ(call(kPause), failure(Errno::kIntr));
    done = true;
  });
  ASSERT_GT(thread, 0);
  let_others_run();
  EXPECT_FALSE(done);
  kill(own_pid(), Signal::kUsr1);
  let_others_run();
  EXPECT_TRUE(done);
  EXPECT_EQ(taken_by, u64(thread));
}

TEST_F(SignalTest, ABlockedSignalOfTheProcessGoesToWhoeverUnblocksFirst) {
  u64 taken_by = 0;
  handle(Signal::kUsr1, [&](Caught&) { taken_by = current_task().tid(); });
  block(signal_set(Signal::kUsr1));
  kill(own_pid(), Signal::kUsr1);
  const i32 thread = start_thread([&] { unblock(signal_set(Signal::kUsr1)); });
  let_others_run();
  EXPECT_EQ(taken_by, u64(thread));
  EXPECT_FALSE(is_pending(Signal::kUsr1));
}

TEST_F(SignalTest, WhoWasChosenAndEndsHandsItOver) {
  int count = 0;
  handle(Signal::kUsr1, [&](Caught&) { ++count; });
  block(signal_set(Signal::kUsr1));
  bool waiting = false;
  start_thread([&] {
    unblock(signal_set(Signal::kUsr1));
    waiting = true;
    call(kPause);
  });
  start_thread([&] {
    // As if it had been woken for it just before its end.
    SpinGuard guard(current_process().signal_lock);
    current_process().pending_signals.set.add(Signal::kUsr1);
    current_task().signals.blocked = {};
  });
  let_others_run();
  EXPECT_TRUE(waiting);
  EXPECT_EQ(count, 1);
}

TEST_F(SignalTest, SignalsOfAThreadEndWithIt) {
  block(signal_set(Signal::kUsr2));
  start_thread([] { raise(Signal::kUsr2); });
  let_others_run();
  EXPECT_FALSE(is_pending(Signal::kUsr2));
  EXPECT_EQ(current_process().queued_signals.load(), 0u);
}

// --- death

TEST_F(SignalTest, TheFirstProcessHasNoProtection) {
  EXPECT_EQ(own_pid(), 1);
  int count = 0;
  handle(Signal::kTerm, [&](Caught&) { ++count; });
  EXPECT_EQ(kill(1, Signal::kTerm), 0);
  EXPECT_EQ(count, 1);
}

TEST_F(SignalTest, DefaultActionsEndTheWholeProcess) {
  for (Signal signal : {Signal::kTerm, Signal::kKill, Signal::kSegv, Signal::kQuit, Signal(50)}) {
    const i32 child = fork([] {
      start_thread([] {
        for (;;) call(kPause);
      });
      for (;;) call(kPause);
    });
    let_others_run();
    EXPECT_EQ(kill(child, signal), 0);
    EXPECT_EQ(wait_for(child), killed_by(signal));
  }
}

TEST_F(SignalTest, ChildrenTellTheirParent) {
  abi::SignalInfo seen{};
  handle(Signal::kChld, [&](Caught& caught) { seen = caught.info; });
  i32 child = fork([] { call(kExitGroup, 7); });
  EXPECT_EQ(wait_for(child), 7 << 8);
  EXPECT_EQ(seen.code, abi::kChildExited);
  EXPECT_EQ(seen.child.pid, child);
  EXPECT_EQ(seen.child.status, 7);
  child = fork([] { raise(Signal::kHup); });
  EXPECT_EQ(wait_for(child), killed_by(Signal::kHup));
  EXPECT_EQ(seen.code, abi::kChildKilled);
  EXPECT_EQ(seen.child.status, i32(Signal::kHup));
}

// --- interrupted calls

TEST_F(SignalTest, CallsRestartWhenTheHandlerWantsIt) {
  int count = 0;
  handle(Signal::kUsr1, [&](Caught&) { ++count; }, abi::kActionSigInfo | abi::kActionRestart);
  const i64 parent = own_pid();
  const i32 child = fork([&] {
    let_others_run();
    kill(parent, Signal::kUsr1);
    let_others_run();
    call(kExitGroup, 3);
  });
  EXPECT_EQ(wait_for(child), 3 << 8);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(call_starts(), 2u);
}

TEST_F(SignalTest, CallsEndWhenItDoesNot) {
  int count = 0;
  handle(Signal::kUsr1, [&](Caught&) { ++count; });
  const i64 parent = own_pid();
  const i32 child = fork([&] {
    let_others_run();
    kill(parent, Signal::kUsr1);
    let_others_run();
  });
  EXPECT_EQ(wait_for(child), failure(Errno::kIntr));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(SignalTest, PauseNeverRestartsAfterAHandler) {
  handle(Signal::kUsr1, [](Caught&) {}, abi::kActionSigInfo | abi::kActionRestart);
  const i64 parent = own_pid();
  const i32 child = fork([&] {
    let_others_run();
    kill(parent, Signal::kUsr1);
    let_others_run();
  });
  EXPECT_EQ(call(kPause), failure(Errno::kIntr));
  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(SignalTest, TimedWaitEndsByOtherSignals) {
  handle(Signal::kUsr1, [](Caught&) {}, abi::kActionSigInfo | abi::kActionRestart);
  block(signal_set(Signal::kUsr2));
  const i64 parent = own_pid();
  const i32 child = fork([&] {
    let_others_run();
    kill(parent, Signal::kUsr1);
    let_others_run();
    kill(parent, Signal::kUsr2);
  });
  const u64 set = put(signal_set(Signal::kUsr2)).value;
  EXPECT_EQ(call(kSigTimedWait, set, 0, 0, 8), failure(Errno::kIntr));
  EXPECT_EQ(call(kSigTimedWait, set, 0, 0, 8), i64(Signal::kUsr2));
  EXPECT_EQ(wait_for(child), 0);
}

// --- job control

TEST_F(SignalTest, StopAndContinue) {
  bool resumed = false;
  const i32 child = fork([&] {
    raise(Signal::kStop);
    resumed = true;
    for (;;) call(kPause);
  });
  EXPECT_EQ(wait_for(child, kUntraced), i32(Signal::kStop) << 8 | 0x7f);
  EXPECT_EQ(wait_for(child, kUntraced | kNoHang), 0);
  EXPECT_FALSE(resumed);
  // What would end it waits, but for SIGKILL.
  kill(child, Signal::kTerm);
  let_others_run();
  EXPECT_EQ(wait_for(child, kNoHang), 0);
  kill(child, Signal::kCont);
  EXPECT_EQ(wait_for(child), killed_by(Signal::kTerm));
}

TEST_F(SignalTest, AContinuedCallRestarts) {
  const i32 child = fork([] { call(kPause); });
  let_others_run();
  kill(child, Signal::kStop);
  EXPECT_EQ(wait_for(child, kUntraced), i32(Signal::kStop) << 8 | 0x7f);
  kill(child, Signal::kCont);
  EXPECT_EQ(wait_for(child, kContinued), 0xffff);
  EXPECT_EQ(wait_for(child, kNoHang), 0);
  kill(child, Signal::kKill);
  EXPECT_EQ(wait_for(child), killed_by(Signal::kKill));
}

TEST_F(SignalTest, StopAndContinueCancelEachOther) {
  block(signal_set(Signal::kTstp, Signal::kCont));
  kill(own_pid(), Signal::kTstp);
  EXPECT_TRUE(is_pending(Signal::kTstp));
  kill(own_pid(), Signal::kCont);
  EXPECT_FALSE(is_pending(Signal::kTstp));
  EXPECT_TRUE(is_pending(Signal::kCont));
  kill(own_pid(), Signal::kTtin);
  EXPECT_FALSE(is_pending(Signal::kCont));
}

TEST_F(SignalTest, AStoppedProcessCanBeKilled) {
  const i32 child = fork([] { raise(Signal::kStop); });
  EXPECT_EQ(wait_for(child, kUntraced), i32(Signal::kStop) << 8 | 0x7f);
  kill(child, Signal::kKill);
  EXPECT_EQ(wait_for(child), killed_by(Signal::kKill));
}

}  // namespace
}  // namespace narwhal
