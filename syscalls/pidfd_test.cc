// Descriptors of processes: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), CLONE_PIDFD,
// waitid(2) with P_PIDFD.
#include "process/pidfd.h"

#include <gtest/gtest.h>

#include "kernel/abi/fcntl.h"
#include "kernel/abi/poll.h"
#include "kernel/base/format.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kPoll = 7,
  kPause = 34,
  kGetPid = 39,
  kClone = 56,
  kExit = 60,
  kWait4 = 61,
  kKill = 62,
  kFcntl = 72,
  kSetUid = 105,
  kWaitId = 247,
  kEventFd = 290,
  kPidFdSendSignal = 424,
  kPidFdOpen = 434,
  kPidFdGetFd = 438,
};
constexpr u64 kNonBlock = 04000, kExited = 4, kNoHang = 1, kPidFdType = 3;
constexpr u64 kClonePidFd = 0x1000, kSigChld = 17;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
i32 sleeper() {
  return fork([] { call(kPause); });
}
void end(i32 child) {
  call(kKill, u64(child), u64(Signal::kKill));
  wait_for(child);
}
i64 open_process(i32 pid, u64 flags = 0) {
  return call(kPidFdOpen, u64(pid), flags);
}
i64 poll_now(i64 fd) {
  const UserAddr at = put(abi::PollFd{i32(fd), 0x1, 0});
  const i64 ready = call(kPoll, at.value, 1, 0);
  return ready <= 0 ? ready : look<abi::PollFd>(at).revents;
}
i64 wait_for_descriptor(i64 fd, u64 options = kExited, UserAddr info = {}) {
  return call(kWaitId, kPidFdType, u64(fd), info.value, options, 0);
}

TEST(PidFdTest, OpenChecksItsArguments) {
  EXPECT_EQ(open_process(0), failure(Errno::kInval));
  EXPECT_EQ(open_process(-1), failure(Errno::kInval));
  EXPECT_EQ(open_process(1, 1), failure(Errno::kInval));
  EXPECT_EQ(open_process(399'999), failure(Errno::kSrch));
  const i32 thread = start_thread([] { call(kPause); });
  EXPECT_EQ(open_process(thread), failure(Errno::kInval));
  EXPECT_EQ(open_process(i32(call(kGetPid)), kNonBlock) >= 0, true);
}

TEST(PidFdTest, ItClosesOnExecution) {
  const i64 fd = open_process(1);
  EXPECT_EQ(call(kFcntl, u64(fd), 1), 1);        // F_GETFD
  EXPECT_EQ(call(kFcntl, u64(fd), 3) & 03, 02);  // F_GETFL: O_RDWR
}

TEST(PidFdTest, ReadableFromTheEndOn) {
  const i32 child = sleeper();
  const i64 fd = open_process(child);
  EXPECT_EQ(poll_now(fd), 0);
  call(kKill, u64(child), u64(Signal::kKill));
  let_others_run();
  EXPECT_EQ(poll_now(fd), 1);
  wait_for(child);
  EXPECT_EQ(poll_now(fd), 0x1 | 0x10);  // POLLIN, POLLHUP
}

TEST(PidFdTest, APollSleepsUntilTheEnd) {
  const i64 fd = open_process(fork([] { let_others_run(); }));
  const UserAddr at = put(abi::PollFd{i32(fd), 0x1, 0});
  EXPECT_EQ(call(kPoll, at.value, 1, u64(-1)), 1);
  EXPECT_EQ(wait_for_descriptor(fd), 0);
}

TEST(PidFdTest, SignalsGoToTheProcess) {
  const i32 child = sleeper();
  const i64 fd = open_process(child);
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), 0, 0, 0), 0);
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), u64(Signal::kTerm), 0, 0), 0);
  EXPECT_EQ(wait_for(child), i64(Signal::kTerm));
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), 0, 0, 0), failure(Errno::kSrch));
}

TEST(PidFdTest, SignalsCarryInformation) {
  i64 value = 0;
  i32 code = 0;
  handle(Signal::kUsr1, [&](Caught& caught) {
    value = i64(caught.info.queued.value);
    code = caught.info.code;
  });
  const i64 fd = open_process(1);
  abi::SignalInfo info{};
  info.number = i32(Signal::kUsr1);
  info.code = abi::kCodeQueue;
  info.queued.value = 77;
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), u64(Signal::kUsr1), put(info).value, 0), 0);
  EXPECT_EQ(value, 77);
  EXPECT_EQ(code, abi::kCodeQueue);
  // The number must be the same, and nobody feigns to be kill(2).
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), u64(Signal::kUsr2), put(info).value, 0),
            failure(Errno::kInval));
  const i32 child = sleeper();
  const i64 other = open_process(child);
  info.code = abi::kCodeUser;
  EXPECT_EQ(call(kPidFdSendSignal, u64(other), u64(Signal::kUsr1), put(info).value, 0),
            failure(Errno::kPerm));
  end(child);
}

TEST(PidFdTest, SendingChecksItsArguments) {
  const i64 fd = open_process(1), event = call(kEventFd, 0, 0);
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), 0, 0, 8), failure(Errno::kInval));
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), 65, 0, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kPidFdSendSignal, u64(event), 0, 0, 0), failure(Errno::kBadF));
  EXPECT_EQ(call(kPidFdSendSignal, 999, 0, 0, 0), failure(Errno::kBadF));
  EXPECT_EQ(call(kPidFdSendSignal, u64(fd), 10, kNowhere.value, 0), failure(Errno::kFault));
  const i32 stranger = fork([&] {
    call(kSetUid, 1000);
    EXPECT_EQ(call(kPidFdSendSignal, u64(fd), 0, 0, 0), failure(Errno::kPerm));
  });
  EXPECT_EQ(wait_for(stranger), 0);
}

TEST(PidFdTest, WaitsForItsProcess) {
  const i32 other = fork([] { call(kExit, 1); });
  const i32 child = fork([] { call(kExit, 5); });
  const i64 fd = open_process(child);
  EXPECT_EQ(wait_for_descriptor(fd), 0);
  EXPECT_EQ(wait_for_descriptor(fd), failure(Errno::kChild));
  EXPECT_EQ(wait_for(other), 1 << 8);
  EXPECT_EQ(wait_for_descriptor(-1), failure(Errno::kInval));
  EXPECT_EQ(wait_for_descriptor(999), failure(Errno::kBadF));
  EXPECT_EQ(wait_for_descriptor(call(kEventFd, 0, 0)), failure(Errno::kBadF));
  EXPECT_EQ(wait_for_descriptor(open_process(1)), failure(Errno::kChild));
}

TEST(PidFdTest, NonBlockingWaitsTryOnce) {
  const i32 child = sleeper();
  const i64 fd = open_process(child, kNonBlock);
  EXPECT_EQ(wait_for_descriptor(fd), failure(Errno::kAgain));
  EXPECT_EQ(wait_for_descriptor(fd, kExited | kNoHang), 0);
  call(kKill, u64(child), u64(Signal::kKill));
  let_others_run();
  EXPECT_EQ(wait_for_descriptor(fd), 0);
}

TEST(PidFdTest, TakesDescriptorsOfOthers) {
  i64 theirs = 0;
  const i32 child = fork([&] {
    theirs = call(kEventFd, 5, 0);
    call(kPause);
  });
  let_others_run();
  const i64 fd = open_process(child);
  const i64 copy = call(kPidFdGetFd, u64(fd), u64(theirs), 0);
  ASSERT_GE(copy, 0);
  EXPECT_EQ(call(kFcntl, u64(copy), 1), 1);
  EXPECT_EQ(current_task().files().get(int(copy)).take()->kind(), File::Kind::kEventFd);
  EXPECT_EQ(call(kPidFdGetFd, u64(fd), u64(theirs), 1), failure(Errno::kInval));
  EXPECT_EQ(call(kPidFdGetFd, u64(fd), 999, 0), failure(Errno::kBadF));
  EXPECT_EQ(call(kPidFdGetFd, u64(copy), 0, 0), failure(Errno::kBadF));
  const i32 stranger = fork([&] {
    call(kSetUid, 1000);
    EXPECT_EQ(call(kPidFdGetFd, u64(fd), u64(theirs), 0), failure(Errno::kPerm));
  });
  EXPECT_EQ(wait_for(stranger), 0);
  end(child);
  EXPECT_EQ(call(kPidFdGetFd, u64(fd), u64(theirs), 0), failure(Errno::kSrch));
}

TEST(PidFdTest, DescribesItself) {
  const i32 child = fork([] { call(kExit, 0); });
  const i64 fd = open_process(child);
  auto file = current_task().files().get(int(fd)).take();
  char text[64];
  TextSink before(text, sizeof text);
  file->describe(before);
  EXPECT_EQ(before.view(),
            "Pid:\t" + std::to_string(child) + "\nNSpid:\t" + std::to_string(child) + "\n");
  wait_for(child);
  TextSink after(text, sizeof text);
  file->describe(after);
  EXPECT_EQ(after.view(), "Pid:\t-1\nNSpid:\t-1\n");
}

// --- made by clone

TEST(PidFdTest, CloneGivesOne) {
  const UserAddr at = put(i32{-1});
  bool child_has_it = true;
  const i32 child = fork_with(kClonePidFd, at, [&] {
    child_has_it = look<i32>(at) != -1 && call(kFcntl, u64(look<i32>(at)), 1) >= 0;
    call(kExit, 3);
  });
  ASSERT_GT(child, 0);
  EXPECT_EQ(call(kFcntl, u64(look<i32>(at)), 1), 1);
  EXPECT_EQ(wait_for_descriptor(look<i32>(at)), 0);
  EXPECT_FALSE(child_has_it);
}

TEST(PidFdTest, CloneRefusesWhatContradicts) {
  constexpr u64 kParentSetTid = 0x100000, kDetached = 0x400000;
  const u64 at = put(i32{0}).value;
  EXPECT_EQ(call(kClone, kClonePidFd | kParentSetTid, 0, at), failure(Errno::kInval));
  EXPECT_EQ(call(kClone, kClonePidFd | kDetached, 0, at), failure(Errno::kInval));
  EXPECT_EQ(call(kClone, kClonePidFd | kSigChld, 0, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(call(kWait4, u64(-1), 0, kNoHang, 0), failure(Errno::kChild));
}

}  // namespace
}  // namespace narwhal
