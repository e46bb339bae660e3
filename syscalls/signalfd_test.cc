// signalfd(2), by itself, with epoll(7), and over fork(2).
#include <gtest/gtest.h>

#include "kernel/abi/epoll.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kRead = 0,
  kClose = 3,
  kPoll = 7,
  kGetPid = 39,
  kKill = 62,
  kEpollCtl = 233,
  kExitGroup = 231,
  kSignalFd4 = 289,
  kEpollCreate1 = 291,
  kEpollWait = 232,
};
constexpr u64 kNonBlock = 04000;
constexpr usize kRecordSize = 128;
constexpr i64 failure(Errno error) {
  return -i64(error);
}
void send(i64 pid, Signal signal) {
  EXPECT_EQ(call(kKill, u64(pid), u64(signal)), 0);
}
i64 make(SignalSet set, u64 flags = kNonBlock, i64 old = -1) {
  return call(kSignalFd4, u64(old), put(set).value, 8, flags);
}

class SignalFdTest : public testing::Test {
 protected:
  SignalFdTest() {
    block(kSet);
    fd = make(signal_set(Signal::kUsr1));
    EXPECT_GE(fd, 0);
    buffer = memory(4 * kRecordSize);
  }
  ~SignalFdTest() override {
    call(kClose, u64(fd));
    set_action(Signal::kUsr1, abi::kSignalIgnore);
    set_action(Signal::kUsr2, abi::kSignalIgnore);
    set_action(Signal::kUsr1, abi::kSignalDefault);
    set_action(Signal::kUsr2, abi::kSignalDefault);
    unblock(kSet);
  }
  i64 read() { return call(kRead, u64(fd), buffer.value, 4 * kRecordSize); }
  i64 poll() {
    struct {
      i32 fd;
      i16 events, ready;
    } const entry{i32(fd), 1, 0};
    return call(kPoll, put(entry).value, 1, 0);
  }
  i64 watch() {
    const i64 epoll = call(kEpollCreate1, 0);
    EXPECT_EQ(call(kEpollCtl, u64(epoll), 1, u64(fd), put(abi::EpollEvent{1, 42}).value), 0);
    return epoll;
  }
  i64 wait(i64 epoll, i64 timeout_ms) {
    return call(kEpollWait, u64(epoll), memory(sizeof(abi::EpollEvent)).value, 1, u64(timeout_ms));
  }

  static constexpr SignalSet kSet = signal_set(Signal::kUsr1, Signal::kUsr2);
  i64 fd = -1;
  UserAddr buffer;
};

TEST_F(SignalFdTest, ReadsWhatIsPending) {
  EXPECT_EQ(read(), failure(Errno::kAgain));
  EXPECT_EQ(poll(), 0);
  const i64 self = call(kGetPid);
  send(self, Signal::kUsr1);
  send(self, Signal::kUsr2);
  EXPECT_EQ(poll(), 1);
  EXPECT_EQ(read(), i64(kRecordSize)) << "the other signal is not asked for";
  EXPECT_EQ(look<u32>(buffer), u32(Signal::kUsr1));
  EXPECT_EQ(look<i32>(buffer + 8), abi::kCodeUser);
  EXPECT_EQ(look<u32>(buffer + 12), u32(self));
  EXPECT_EQ(poll(), 0);
  // Its set may change.
  EXPECT_EQ(make(signal_set(Signal::kUsr2), 0, fd), fd);
  EXPECT_EQ(read(), i64(kRecordSize));
  EXPECT_EQ(look<u32>(buffer), u32(Signal::kUsr2));
}

TEST_F(SignalFdTest, Errors) {
  EXPECT_EQ(call(kRead, u64(fd), buffer.value, kRecordSize - 1), failure(Errno::kInval));
  EXPECT_EQ(make(kSet, 0x40), failure(Errno::kInval));
  EXPECT_EQ(make(kSet, 0, 999), failure(Errno::kBadF));
  EXPECT_EQ(call(kSignalFd4, ~u64{0}, put(kSet).value, 4, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kSignalFd4, ~u64{0}, kNowhere.value, 8, 0), failure(Errno::kFault));
}

TEST_F(SignalFdTest, WakesAnEpoll) {
  const i64 self = call(kGetPid);
  const i64 epoll = watch();
  EXPECT_EQ(wait(epoll, 0), 0);
  start_thread([&] {
    let_others_run();
    send(self, Signal::kUsr1);
  });
  EXPECT_EQ(wait(epoll, -1), 1);
  EXPECT_EQ(read(), i64(kRecordSize));
  EXPECT_EQ(wait(epoll, 0), 0);
  call(kClose, u64(epoll));
}

TEST_F(SignalFdTest, AChildReadsItsOwnSignals) {
  send(call(kGetPid), Signal::kUsr1);
  const i32 child = fork([&] {
    const i64 self = call(kGetPid);
    EXPECT_EQ(read(), failure(Errno::kAgain));
    start_thread([&] {
      let_others_run();
      send(self, Signal::kUsr1);
    });
    const i64 epoll = watch();
    EXPECT_EQ(wait(epoll, -1), 1);
    EXPECT_EQ(read(), i64(kRecordSize));
    call(kExitGroup, 5);
  });
  EXPECT_EQ(wait_for(child), 5 << 8);
  EXPECT_EQ(poll(), 1);
}

TEST_F(SignalFdTest, AnEpollOutlivesTheProcessThatFilledIt) {
  // The middle one makes the watch and ends; the last one holds the epoll, and closes it.
  i64 epoll = -1;
  const i32 middle = fork([&] {
    epoll = watch();
    fork([&] {
      let_others_run();
      let_others_run();
      EXPECT_EQ(wait(epoll, 0), 0);
      EXPECT_EQ(call(kClose, u64(epoll)), 0);
    });
  });
  EXPECT_EQ(wait_for(middle), 0);
  let_others_run();
  let_others_run();
  let_others_run();
  EXPECT_EQ(wait_for(-1), 0);
}

}  // namespace
}  // namespace narwhal
