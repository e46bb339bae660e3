// POSIX message queues through system calls.
#include "fs/mqueue/mqueue.h"

#include <fcntl.h>

#include "kernel/abi/timer.h"
#include "syscalls/testing/file_program.h"

namespace narwhal::testing {
namespace {

using test_program::fork;
using test_program::handle;
using test_program::let_others_run;
using test_program::start_thread;
using test_program::wait_for;

struct Attributes {
  i64 flags, max_messages, max_size, messages, reserved[4];
};

class MqueueTest : public FileProgram {
 protected:
  static void SetUpTestSuite() {
    FileProgram::SetUpTestSuite();
    ASSERT_TRUE(mqueue::init().ok());
  }
  void TearDown() override {
    current_task().set_credentials(make_ref<Credentials>().take());
    call(SYS_mq_unlink, "queue");
    FileProgram::TearDown();
  }
  i64 make(int flags = O_RDWR | O_NONBLOCK, i64 count = 3, i64 size = 16) {
    return call(SYS_mq_open, "queue", flags | O_CREAT, 0600,
                put(Attributes{0, count, size, 0, {}}));
  }
  i64 send(i64 queue, std::string_view text, u32 priority = 0) {
    return call(SYS_mq_timedsend, queue, text, text.size(), priority, nullptr);
  }
  std::string receive(i64 queue) {
    const UserAddr text = allocate(16), priority = allocate(4);
    const i64 got = call(SYS_mq_timedreceive, queue, text, 16, priority, nullptr);
    if (got < 0) return std::string(errno_name(Errno(-got)));
    return std::to_string(get<u32>(priority)) + ":" + get_bytes(text, usize(got));
  }
  i64 ask_for_signal(i64 queue) {
    abi::SignalEvent event{};
    event.signal = i32(Signal::kUsr1);
    return call(SYS_mq_notify, queue, put(event));
  }
};

TEST_F(MqueueTest, OrdersByPriorityAndAge) {
  const i64 queue = make(O_RDWR | O_NONBLOCK, 6);
  ASSERT_GE(queue, 0);
  for (const auto& [text, priority] :
       {std::pair{"a", 1u}, {"b", 3u}, {"c", 2u}, {"d", 3u}, {"e", 1u}, {"f", 9u}})
    EXPECT_EQ(send(queue, text, priority), 0);
  for (const char* expected : {"9:f", "3:b", "3:d", "2:c", "1:a", "1:e"})
    EXPECT_EQ(receive(queue), expected);
  EXPECT_EQ(receive(queue), "EAGAIN");
}

TEST_F(MqueueTest, SleepersAreWokenByRoomAndByMessages) {
  const i64 queue = make(O_RDWR, 1);
  std::string got;
  start_thread([&] { got = receive(queue); });
  let_others_run();
  EXPECT_EQ(send(queue, "one"), 0);
  let_others_run();
  EXPECT_EQ(got, "0:one");
  EXPECT_EQ(send(queue, "two"), 0);
  bool sent = false;
  start_thread([&] {
    EXPECT_EQ(send(queue, "three"), 0);
    sent = true;
  });
  let_others_run();
  EXPECT_FALSE(sent);
  EXPECT_EQ(receive(queue), "0:two");
  let_others_run();
  EXPECT_TRUE(sent);
}

TEST_F(MqueueTest, NobodyIsNotifiedOfAMessageThatSomebodyWaitsFor) {
  const i64 queue = make(O_RDWR);
  int signals = 0;
  ASSERT_EQ(handle(Signal::kUsr1, [&](test_program::Caught&) { ++signals; }), 0);
  EXPECT_EQ(ask_for_signal(queue), 0);
  EXPECT_EQ(ask_for_signal(queue), -EBUSY);
  start_thread([&] { EXPECT_EQ(receive(queue), "0:taken"); });
  let_others_run();
  EXPECT_EQ(send(queue, "taken"), 0);
  let_others_run();
  EXPECT_EQ(signals, 0);
  EXPECT_EQ(send(queue, "seen"), 0);
  EXPECT_EQ(signals, 1);
  EXPECT_EQ(ask_for_signal(queue), 0);
}

TEST_F(MqueueTest, AProcessTakesItsNotificationAlong) {
  const i64 queue = make();
  const i32 child = fork([&] { EXPECT_EQ(ask_for_signal(queue), 0); });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(ask_for_signal(queue), 0);
  // Closing any descriptor of it counts.
  EXPECT_CALL_IS(0, SYS_close, call(SYS_dup, queue));
  EXPECT_EQ(ask_for_signal(queue), 0);
}

TEST_F(MqueueTest, AQueueCannotBeLeased) {
  const i64 queue = make();
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, queue, F_SETLEASE, F_RDLCK);
}

TEST_F(MqueueTest, BytesAreCountedByUser) {
  const i64 queue = make(O_RDWR, 10, 1000);
  ASSERT_GE(queue, 0);
  // 10 messages of 1000 bytes, and what Linux takes for each besides.
  constexpr u64 kCost = 10 * (1000 + 48 + 48);
  EXPECT_TRUE(mqueue::charge(0, {1, 1}, kCost + 97).ok());
  EXPECT_TRUE(mqueue::charge(0, {1, 1}, kCost + 97).failed(Errno::kMFile));
  mqueue::release(0, {1, 1});
  EXPECT_TRUE(mqueue::charge(1, {10, 1000}, kCost).ok());
  mqueue::release(1, {10, 1000});
  EXPECT_CALL_IS(0, SYS_mq_unlink, "queue");
  EXPECT_CALL_IS(0, SYS_close, queue);
  EXPECT_TRUE(mqueue::charge(0, {1, 1}, 97).ok());
  mqueue::release(0, {1, 1});
}

TEST_F(MqueueTest, WithoutPrivilegesTheSettingsCount) {
  become(1000, 1000);
  EXPECT_EQ(make(O_RDWR, 11, 10), -EINVAL);
  EXPECT_EQ(make(O_RDWR, 10, 8193), -EINVAL);
  const u32 before = mqueue::settings.max_queues.load();
  mqueue::settings.max_queues.store(0);
  EXPECT_EQ(make(), -ENOSPC);
  mqueue::settings.max_queues.store(before);
  EXPECT_GE(make(O_RDWR, 10, 8192), 0);
}

TEST_F(MqueueTest, OpeningTheFileMakesNoQueueOfItsOwn) {
  EXPECT_CALL_IS(0, SYS_mkdir, "mnt", 0755);
  EXPECT_CALL_IS(0, SYS_mount, "none", "mnt", "mqueue", 0, nullptr);
  const i64 queue = make();
  EXPECT_EQ(send(queue, "12345"), 0);
  const i64 file = call(SYS_open, "mnt/queue", O_RDWR);
  EXPECT_EQ(receive(file), "0:12345");
  EXPECT_EQ(read(file), "QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n");
  EXPECT_CALL_IS(0, SYS_unlink, "mnt/queue");
  EXPECT_CALL_IS(-ENOENT, SYS_mq_unlink, "queue");
  // Made by open(2), with what is usual.
  const i64 made = call(SYS_open, "mnt/queue", O_RDWR | O_CREAT, 0600);
  const UserAddr attributes = allocate(sizeof(Attributes));
  EXPECT_CALL_IS(0, SYS_mq_getsetattr, made, nullptr, attributes);
  EXPECT_EQ(get<Attributes>(attributes).max_messages, 10);
  EXPECT_EQ(get<Attributes>(attributes).max_size, 8192);
  EXPECT_CALL_IS(-EPERM, SYS_mkdir, "mnt/directory", 0755);
  EXPECT_CALL_IS(0, SYS_close, file);
  EXPECT_CALL_IS(0, SYS_close, made);
  EXPECT_CALL_IS(0, SYS_unlink, "mnt/queue");
  EXPECT_CALL_IS(0, SYS_umount2, "mnt", 0);
}

}  // namespace
}  // namespace narwhal::testing
