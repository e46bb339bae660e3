// Message queues through system calls.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstring>
#include <string>

#include "ipc/messages.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;  // NOLINT: the program's own words

struct Wire {
  i64 type;
  char text[56];
};

class MessageTest : public testing::Test {
 protected:
  void SetUp() override { id_ = u64(call(SYS_msgget, 0, abi::kIpcCreate | 0600)); }
  void TearDown() override { call(SYS_msgctl, id_, u64(abi::kIpcRemove), 0); }
  i64 send(i64 type, std::string_view text, u32 flags = abi::kIpcNoWait) {
    Wire wire{type, {}};
    std::memcpy(wire.text, text.data(), text.size());
    return call(SYS_msgsnd, id_, put(wire).value, text.size(), flags);
  }
  std::string receive(i64 type, u32 flags = abi::kIpcNoWait, usize size = sizeof(Wire::text)) {
    const UserAddr at = memory(sizeof(Wire));
    const i64 got = call(SYS_msgrcv, id_, at.value, size, u64(type), flags);
    if (got < 0) return std::string(errno_name(Errno(-got)));
    const Wire wire = look<Wire>(at);
    return std::to_string(wire.type) + ":" + std::string(wire.text, usize(got));
  }
  u64 id_ = 0;
};

TEST_F(MessageTest, TypesSelect) {
  EXPECT_EQ(send(3, "c"), 0);
  EXPECT_EQ(send(1, "a"), 0);
  EXPECT_EQ(send(2, "b"), 0);
  EXPECT_EQ(receive(-2), "1:a");
  EXPECT_EQ(receive(3, abi::kIpcNoWait | abi::kMsgExcept), "2:b");
  EXPECT_EQ(receive(0), "3:c");
  EXPECT_EQ(receive(0), "ENOMSG");
}

TEST_F(MessageTest, CopiesStayInTheQueue) {
  EXPECT_EQ(send(1, "a"), 0);
  EXPECT_EQ(send(2, "b"), 0);
  EXPECT_EQ(receive(1, abi::kIpcNoWait | abi::kMsgCopy), "2:b");
  EXPECT_EQ(receive(2, abi::kIpcNoWait | abi::kMsgCopy), "ENOMSG");
  EXPECT_EQ(receive(0, abi::kMsgCopy), "EINVAL");
  EXPECT_EQ(receive(0), "1:a");
}

TEST_F(MessageTest, ReadersSleepUntilTheirTypeComes) {
  std::string got;
  start_thread([&] { got = receive(2, 0); });
  let_others_run();
  EXPECT_EQ(send(1, "no"), 0);
  let_others_run();
  EXPECT_EQ(got, "");
  EXPECT_EQ(send(2, "yes"), 0);
  let_others_run();
  EXPECT_EQ(got, "2:yes");
}

TEST_F(MessageTest, RemovalWakesReadersAndWriters) {
  std::string got;
  start_thread([&] { got = receive(0, 0); });
  let_others_run();
  EXPECT_EQ(call(SYS_msgctl, id_, u64(abi::kIpcRemove), 0), 0);
  let_others_run();
  EXPECT_EQ(got, "EIDRM");
}

TEST_F(MessageTest, AReaderIsInterruptedButGoesOnAfterAStop) {
  int handled = 0;
  ASSERT_EQ(
      handle(
          Signal::kUsr1, [&](Caught&) { ++handled; }, abi::kActionSigInfo | abi::kActionRestart),
      0);
  const i32 child = fork([&] { EXPECT_EQ(receive(0, 0), "EINTR"); });
  let_others_run();
  EXPECT_EQ(call(SYS_kill, u64(child), u64(Signal::kUsr1)), 0);
  EXPECT_EQ(wait_for(child), 0);
}

}  // namespace
}  // namespace narwhal
