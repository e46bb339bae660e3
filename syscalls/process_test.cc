// Processes as programs see them: making, waiting, ending, groups and sessions.
#include <gtest/gtest.h>

#include "kernel/abi/resource.h"
#include "process/family.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kPause = 34,
  kGetPid = 39,
  kClone = 56,
  kExit = 60,
  kWait4 = 61,
  kKill = 62,
  kSetPgid = 109,
  kSetSid = 112,
  kGetPgid = 121,
  kGetSid = 124,
  kPrctl = 157,
  kGetTid = 186,
  kExitGroup = 231,
  kWaitId = 247,
  kClone3 = 435,
};
constexpr u64 kNoHang = 1, kUntraced = 2, kExited = 4, kContinued = 8;
constexpr u64 kNoWait = 0x0100'0000, kWclone = 0x8000'0000, kWall = 0x4000'0000;
constexpr u64 kAll = 0, kPid = 1, kGroup = 2;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
i64 own_pid() {
  return call(kGetPid);
}
i64 wait4(i64 pid, u64 options = 0) {
  return call(kWait4, u64(pid), 0, options, 0);
}
struct WaitInfo {
  i32 number, error, code, untouched, pid;
  u32 uid;
  i32 status;
};

// --- ends and waits

TEST(ProcessTest, StatusesOfTheEnd) {
  EXPECT_EQ(wait_for(fork([] { call(kExit, 300); })), (300 & 0xff) << 8);
  EXPECT_EQ(wait_for(fork([] { call(kExitGroup, 7); })), 7 << 8);
  EXPECT_EQ(wait_for(fork([] { call(kKill, u64(own_pid()), u64(Signal::kKill)); })), 9);
  EXPECT_EQ(wait4(-1), failure(Errno::kChild));
}

TEST(ProcessTest, WaitRefusesWhatLinuxRefuses) {
  EXPECT_EQ(wait4(-1, 0x40), failure(Errno::kInval));
  EXPECT_EQ(wait4(INT32_MIN), failure(Errno::kSrch));
  EXPECT_EQ(call(kWaitId, kPid, 0, 0, kExited, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kWaitId, kGroup, u64(-1), 0, kExited, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kWaitId, kAll, 0, 0, kNoHang, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kWaitId, 9, 0, 0, kExited, 0), failure(Errno::kInval));
}

TEST(ProcessTest, WaitSelectsByPidAndGroup) {
  const i32 a = fork([] { call(kPause); });
  const i32 b = fork([] { call(kExit, 2); });
  EXPECT_EQ(call(kSetPgid, u64(a), 0), 0);
  EXPECT_EQ(wait4(a, kNoHang), 0);
  EXPECT_EQ(wait4(-a, kNoHang), 0);
  EXPECT_EQ(wait4(0), b);
  EXPECT_EQ(wait4(0, kNoHang), failure(Errno::kChild));
  EXPECT_EQ(call(kKill, u64(a), u64(Signal::kTerm)), 0);
  EXPECT_EQ(wait4(-a), a);
}

TEST(ProcessTest, TheFirstGroupCanBeWaitedFor) {
  const i32 child = fork([] { call(kExit, 1); });
  EXPECT_EQ(call(kGetPgid, u64(child)), 1);
  EXPECT_EQ(call(kWaitId, kGroup, 1, 0, kExited, 0), 0);
  EXPECT_EQ(wait4(-1), failure(Errno::kChild));
}

TEST(ProcessTest, WaitIdTellsAndMayKeep) {
  const i32 child = fork([] { call(kExit, 5); });
  const UserAddr at = put(WaitInfo{-1, -1, -1, -1, -1, ~0u, -1});
  EXPECT_EQ(call(kWaitId, kPid, u64(child), at.value, kExited | kNoWait, 0), 0);
  const auto info = look<WaitInfo>(at);
  EXPECT_EQ(info.number, i32(Signal::kChld));
  EXPECT_EQ(info.error, 0);
  EXPECT_EQ(info.code, abi::kChildExited);
  EXPECT_EQ(info.untouched, -1);
  EXPECT_EQ(info.pid, child);
  EXPECT_EQ(info.uid, 0u);
  EXPECT_EQ(info.status, 5);
  EXPECT_EQ(wait4(child), child);
  // Nothing to tell is told as zeros, even with an error.
  EXPECT_EQ(call(kWaitId, kPid, u64(child), at.value, kExited, 0), failure(Errno::kChild));
  EXPECT_EQ(look<WaitInfo>(at).number, 0);
}

TEST(ProcessTest, StopsAndContinuations) {
  const i32 child = fork([] {
    call(kKill, u64(own_pid()), u64(Signal::kStop));
    call(kExit, 3);
  });
  const UserAddr at = memory(sizeof(WaitInfo));
  EXPECT_EQ(wait_for(child, kUntraced), i64(Signal::kStop) << 8 | 0x7f);
  EXPECT_EQ(wait4(child, kUntraced | kNoHang), 0);
  EXPECT_EQ(call(kKill, u64(child), u64(Signal::kCont)), 0);
  EXPECT_EQ(call(kWaitId, kPid, u64(child), at.value, kContinued, 0), 0);
  EXPECT_EQ(look<WaitInfo>(at).code, abi::kChildContinued);
  EXPECT_EQ(look<WaitInfo>(at).status, i32(Signal::kCont));
  EXPECT_EQ(wait_for(child), 3 << 8);
}

TEST(ProcessTest, OrdinaryChildrenAreNoClones) {
  const i32 child = fork([] { call(kExit, 0); });
  EXPECT_EQ(wait4(child, kWclone), failure(Errno::kChild));
  EXPECT_EQ(wait4(child, kWall), child);
}

TEST(ProcessTest, IgnoredChildrenEndByThemselves) {
  set_action(Signal::kChld, abi::kSignalIgnore);
  fork([] { call(kExit, 1); });
  EXPECT_EQ(wait4(-1), failure(Errno::kChild));
  set_action(Signal::kChld, abi::kSignalDefault);
}

TEST(ProcessTest, OrphansComeToTheFirstProcess) {
  i64 orphan = 0;
  const i32 child = fork([&] { orphan = fork([] { call(kPause); }); });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(find_process(u32(orphan))->parent_pid(), 1u);
  EXPECT_EQ(call(kKill, u64(orphan), u64(Signal::kKill)), 0);
  EXPECT_EQ(wait4(orphan), orphan);
}

TEST(ProcessTest, SubreapersTakeOrphans) {
  constexpr u64 kSetSubreaper = 36;
  i64 parent_of_orphan = 0, reaper = 0;
  const i32 child = fork([&] {
    reaper = own_pid();
    ASSERT_EQ(call(kPrctl, kSetSubreaper, 1), 0);
    i64 orphan = 0;
    const i32 middle = fork([&] { orphan = fork([] { call(kPause); }); });
    EXPECT_EQ(wait4(middle), middle);
    parent_of_orphan = find_process(u32(orphan))->parent_pid();
    call(kKill, u64(orphan), u64(Signal::kKill));
    EXPECT_EQ(wait4(orphan), orphan);
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(parent_of_orphan, reaper);
}

TEST(ProcessTest, OrphansOfAFirstProcessThatNeverWaitsDoNotPileUp) {
  constexpr usize kMany = 40, kKept = 32;
  const i32 child = fork([&] {
    for (usize i = 0; i < kMany; ++i) fork([] { call(kPause); });
  });
  EXPECT_EQ(wait_for(child), 0);
  std::vector<u32> orphans;
  {
    SpinGuard guard(thread_list_lock);
    Family::for_each_child(current_process(), [&](Process& p) { orphans.push_back(p.pid()); });
  }
  EXPECT_EQ(orphans.size(), kMany);
  for (const u32 orphan : orphans) call(kKill, orphan, u64(Signal::kKill));
  let_others_run();
  usize left = 0;
  while (wait4(-1) > 0) ++left;
  EXPECT_EQ(left, kKept);
}

TEST(ProcessTest, TheFirstProcessesOwnZombiesWaitForIt) {
  constexpr usize kMany = 40;
  for (usize i = 0; i < kMany; ++i) fork([] {});
  let_others_run();
  usize waited = 0;
  while (wait4(-1) > 0) ++waited;
  EXPECT_EQ(waited, kMany);
}

TEST(ProcessTest, ADeathSignalTellsWhoDied) {
  constexpr u64 kSetDeathSignal = 1;
  abi::SignalInfo seen{};
  i64 grandchild = 0;
  const i32 child = fork([&] {
    grandchild = fork([&] {
      handle(Signal::kUsr1, [&](Caught& caught) { seen = caught.info; });
      call(kPrctl, kSetDeathSignal, u64(Signal::kUsr1));
      call(kPause);
    });
    let_others_run();
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(wait_for(i32(grandchild)), 0);
  EXPECT_EQ(seen.code, abi::kCodeUser);
  EXPECT_EQ(seen.queued.pid, child);
}

TEST(ProcessTest, TheParentIsTheThreadThatForked) {
  constexpr u64 kSetDeathSignal = 1, kNoThread = 0x2000'0000;
  i32 child = 0;
  i64 inside = 0, outside = 0;
  start_thread([&] {
    child = fork([] {
      call(kPrctl, kSetDeathSignal, u64(Signal::kTerm));
      call(kPause);
    });
    let_others_run();
    inside = wait4(child, kNoHang | kNoThread);
    let_others_run();
  });
  while (inside == 0 && child == 0) let_others_run();
  outside = wait4(child, kNoHang | kNoThread);
  EXPECT_EQ(inside, 0);
  EXPECT_EQ(outside, failure(Errno::kChild));
  // The thread ends, and with it, for the child, its parent; the next thread takes its place.
  while (current_process().task_count() > 1) let_others_run();
  EXPECT_EQ(wait_for(child, i32(kNoThread)), i64(Signal::kTerm));
}

TEST(ProcessTest, StopsAreToldWithTheUser) {
  abi::SignalInfo seen{};
  handle(Signal::kChld, [&](Caught& caught) { seen = caught.info; });
  const i32 child = fork([] {
    constexpr u64 kSetUid = 105;
    call(kSetUid, 1234);
    call(kKill, u64(own_pid()), u64(Signal::kStop));
  });
  EXPECT_EQ(wait_for(child, kUntraced), i64(Signal::kStop) << 8 | 0x7f);
  EXPECT_EQ(seen.code, abi::kChildStopped);
  EXPECT_EQ(seen.child.uid, 1234u);
  set_action(Signal::kChld, abi::kSignalDefault);
  call(kKill, u64(child), u64(Signal::kCont));
  EXPECT_EQ(wait_for(child), 0);
}

TEST(ProcessTest, ClearedHandlersLeaveIgnoredSignals) {
  SignalHandlers& own = current_process().handlers();
  set_action(Signal::kUsr1, abi::kSignalIgnore);
  handle(Signal::kUsr2, [](Caught&) {});
  auto copy = own.copy().take();
  copy->reset();
  EXPECT_EQ(copy->get(Signal::kUsr1).handler, abi::kSignalIgnore);
  EXPECT_EQ(copy->get(Signal::kUsr2).handler, abi::kSignalDefault);
}

TEST(ProcessTest, StoppedOrphanedJobsAreToldAndGoOn) {
  i64 job = 0;
  const i32 shell = fork([&] {
    ASSERT_GT(call(kSetSid), 0);
    job = fork([] { call(kPause); });
    call(kSetPgid, u64(job), 0);
    call(kKill, u64(job), u64(Signal::kStop));
    EXPECT_EQ(wait4(job, kUntraced), job);
  });
  EXPECT_EQ(wait_for(shell), 0);
  // SIGHUP killed it once SIGCONT let it go on.
  EXPECT_EQ(wait_for(i32(job)), i64(Signal::kHup));
}

TEST(ProcessTest, ThreadsEndWithTheirGroup) {
  const i32 child = fork([] {
    for (int i = 0; i < 3; ++i) start_thread([] { call(kPause); });
    let_others_run();
    EXPECT_EQ(current_process().task_count(), 4u);
    call(kExitGroup, 4);
  });
  EXPECT_EQ(wait_for(child), 4 << 8);
}

TEST(ProcessTest, AProcessOutlivesItsLeader) {
  const i32 child = fork([] {
    start_thread([] {
      let_others_run();
      let_others_run();
      call(kExit, 9);
    });
    call(kExit, 2);
  });
  let_others_run();
  EXPECT_EQ(wait4(child, kNoHang), 0);
  // The status of the last counts, as since Linux 6.0.
  EXPECT_EQ(wait_for(child), 9 << 8);
}

TEST(ProcessTest, TimesOfWaitedChildrenAreAdded) {
  const UserAddr usage = memory(sizeof(abi::ResourceUsage));
  const i32 child = fork([] { call(kExit, 0); });
  EXPECT_EQ(call(kWait4, u64(child), 0, 0, usage.value), child);
  EXPECT_GE(look<abi::ResourceUsage>(usage).voluntary_switches, 0);
}

// --- clone

TEST(ProcessTest, FlagsThatContradictEachOther) {
  constexpr u64 kVm = 0x100, kFs = 0x200, kSigHand = 0x800, kThread = 0x10000, kNewNs = 0x20000,
                kParent = 0x8000, kNewPid = 0x20000000;
  for (const u64 flags : {kThread, kThread | kVm, kSigHand, kFs | kNewNs, kNewPid, kParent})
    EXPECT_EQ(call(kClone, flags, 0, 0, 0, 0), failure(Errno::kInval)) << std::hex << flags;
}

TEST(ProcessTest, Clone3ChecksItsArguments) {
  struct Arguments {
    u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup, newer;
  };
  const auto clone3 = [](const Arguments& a, usize size) {
    return call(kClone3, put(a).value, size);
  };
  EXPECT_EQ(clone3({}, 63), failure(Errno::kInval));
  EXPECT_EQ(clone3({}, kPageSize + 1), failure(Errno::kTooBig));
  EXPECT_EQ(call(kClone3, kNowhere.value, 64), failure(Errno::kFault));
  EXPECT_EQ(clone3({.newer = 1}, sizeof(Arguments)), failure(Errno::kTooBig));
  EXPECT_EQ(clone3({.exit_signal = 65}, 88), failure(Errno::kInval));
  EXPECT_EQ(clone3({.flags = 0xff}, 88), failure(Errno::kInval));
  EXPECT_EQ(clone3({.flags = u64{1} << 40}, 88), failure(Errno::kInval));
  EXPECT_EQ(clone3({.flags = 0x8000, .exit_signal = 17}, 88), failure(Errno::kInval));
  EXPECT_EQ(clone3({.stack = 0x1000}, 88), failure(Errno::kInval));
  EXPECT_EQ(clone3({.stack_size = 0x1000}, 88), failure(Errno::kInval));
  EXPECT_EQ(clone3({.set_tid_size = 1}, 88), failure(Errno::kInval));
}

TEST(ProcessTest, UsersHaveALimit) {
  const i32 child = fork([] {
    constexpr u64 kSetUid = 105;
    ASSERT_EQ(call(kSetUid, 1000), 0);
    current_process().set_limit(abi::kLimitProcesses, {1, 1});
    EXPECT_EQ(fork([] {}), failure(Errno::kAgain));
    current_process().set_limit(abi::kLimitProcesses, {2, 2});
    const i32 one_more = fork([] {});
    EXPECT_GT(one_more, 0);
    wait4(one_more);
  });
  EXPECT_EQ(wait_for(child), 0);
}

// --- groups and sessions

TEST(ProcessTest, Groups) {
  EXPECT_EQ(call(kSetPgid, 0, u64(-1)), failure(Errno::kInval));
  EXPECT_EQ(call(kSetPgid, 399'999, 0), failure(Errno::kSrch));
  EXPECT_EQ(call(kGetPgid, 399'999), failure(Errno::kSrch));
  EXPECT_EQ(call(kGetSid, 399'999), failure(Errno::kSrch));
  // The first process leads a session.
  EXPECT_EQ(call(kSetPgid, 0, 0), failure(Errno::kPerm));
  EXPECT_EQ(call(kSetSid), failure(Errno::kPerm));
  const i32 child = fork([] { call(kPause); });
  EXPECT_EQ(call(kSetPgid, u64(child), 399'999), failure(Errno::kPerm));
  EXPECT_EQ(call(kSetPgid, u64(child), u64(child)), 0);
  EXPECT_EQ(call(kGetPgid, u64(child)), child);
  EXPECT_EQ(call(kSetPgid, u64(child), 1), 0);
  EXPECT_EQ(call(kGetSid, u64(child)), 1);
  call(kKill, u64(child), u64(Signal::kKill));
  EXPECT_EQ(wait4(child), child);
}

TEST(ProcessTest, Sessions) {
  const i32 child = fork([] {
    EXPECT_EQ(call(kSetSid), own_pid());
    EXPECT_EQ(call(kGetSid, 0), own_pid());
    EXPECT_EQ(call(kGetPgid, 0), own_pid());
    EXPECT_EQ(call(kSetSid), failure(Errno::kPerm));
    EXPECT_EQ(call(kSetPgid, 0, 0), failure(Errno::kPerm));
    const i32 inner = fork([] {
      // In the session, but not in a group outside of it.
      EXPECT_EQ(call(kSetPgid, 0, 1), failure(Errno::kPerm));
      EXPECT_EQ(call(kSetPgid, 0, 0), 0);
    });
    EXPECT_EQ(wait_for(inner), 0);
  });
  EXPECT_EQ(wait_for(child), 0);
}

TEST(ProcessTest, NumbersOfThreads) {
  i64 tid = 0;
  bool refused = false;
  start_thread([&] {
    tid = call(kGetTid);
    refused = call(kSetPgid, u64(tid), 0) == failure(Errno::kInval);
    EXPECT_EQ(own_pid(), 1);
  });
  let_others_run();
  EXPECT_GT(tid, 1);
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace narwhal
