// msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
#include <limits.h>

#include "compat_tests/ipc/ipc.h"

namespace compat {
namespace {

struct Buffer {
  long type;
  char text[9000];
};

int send(int id, long type, const std::string& text, int flags = IPC_NOWAIT) {
  Buffer buffer = {};
  buffer.type = type;
  memcpy(buffer.text, text.data(), text.size());
  return msgsnd(id, &buffer, text.size(), flags);
}
struct Received {
  long type;
  std::string text;
  bool operator==(const Received&) const = default;
};
void PrintTo(const Received& received, std::ostream* out) {
  *out << received.type << " " << received.text;
}
// Type -1 and the error's name when there is none.
Received receive(int id, long type = 0, int flags = IPC_NOWAIT, size_t size = 9000) {
  Buffer buffer = {};
  const ssize_t got = msgrcv(id, &buffer, size, type, flags);
  if (got < 0) return {-1, error_name(errno)};
  return {buffer.type, std::string(buffer.text, size_t(got))};
}
msqid_ds status_of(int id) {
  msqid_ds status = {};
  EXPECT_OK(msgctl(id, IPC_STAT, &status));
  return status;
}
int make(int mode = 0600) {
  return msgget(IPC_PRIVATE, mode);
}
using R = Received;

TEST(Msg, FirstInFirstOut) {
  const Msg id(make());
  ASSERT_GE(id, 0);
  ASSERT_OK(send(id, 1, "one"));
  ASSERT_OK(send(id, 2, "two"));
  EXPECT_EQ(receive(id), (R{1, "one"}));
  EXPECT_EQ(receive(id), (R{2, "two"}));
  EXPECT_EQ(receive(id), (R{-1, "ENOMSG"}));
}

TEST(Msg, EmptyMessages) {
  const Msg id(make());
  ASSERT_OK(send(id, 7, ""));
  EXPECT_EQ(receive(id, 0, IPC_NOWAIT, 0), (R{7, ""}));
}

TEST(Msg, ByType) {
  const Msg id(make());
  for (const long type : {3, 1, 2, 1}) ASSERT_OK(send(id, type, "t"));
  EXPECT_EQ(receive(id, 2).type, 2);
  EXPECT_EQ(receive(id, 4).text, "ENOMSG");
  EXPECT_EQ(receive(id, 1).type, 1);
  EXPECT_EQ(receive(id).type, 3);
  EXPECT_EQ(receive(id).type, 1);
}

TEST(Msg, LowestTypeFirst) {
  const Msg id(make());
  for (const long type : {5, 3, 9, 3}) ASSERT_OK(send(id, type, std::to_string(type)));
  EXPECT_EQ(receive(id, -2).text, "ENOMSG");
  EXPECT_EQ(receive(id, -5).type, 3);
  EXPECT_EQ(receive(id, -5).type, 3);
  EXPECT_EQ(receive(id, -5).type, 5);
  EXPECT_EQ(receive(id, -5).text, "ENOMSG");
  EXPECT_EQ(receive(id, LONG_MIN).type, 9);
}

TEST(Msg, AnyTypeExcept) {
  const Msg id(make());
  ASSERT_OK(send(id, 1, "a"));
  ASSERT_OK(send(id, 2, "b"));
  EXPECT_EQ(receive(id, 1, IPC_NOWAIT | MSG_EXCEPT), (R{2, "b"}));
  EXPECT_EQ(receive(id, 1, IPC_NOWAIT | MSG_EXCEPT), (R{-1, "ENOMSG"}));
}

TEST(Msg, TooLongForTheReader) {
  const Msg id(make());
  ASSERT_OK(send(id, 1, "twelve bytes"));
  EXPECT_EQ(receive(id, 0, IPC_NOWAIT, 11), (R{-1, "E2BIG"}));
  EXPECT_EQ(receive(id, 0, IPC_NOWAIT | MSG_NOERROR, 6), (R{1, "twelve"}));
  EXPECT_EQ(receive(id).text, "ENOMSG");
}

TEST(Msg, SendErrors) {
  const Msg id(make());
  EXPECT_ERRNO(EINVAL, send(id, 0, "x"));
  EXPECT_ERRNO(EINVAL, send(id, -1, "x"));
  EXPECT_ERRNO(EINVAL, send(-1, 1, "x"));
  EXPECT_ERRNO(EINVAL, send(id, 1, std::string(8193, 'x')));
  EXPECT_ERRNO(EFAULT, msgsnd(id, bad_pointer<Buffer>(), 1, 0));
  EXPECT_OK(send(id, 1, std::string(8192, 'x')));
  EXPECT_ERRNO(EINVAL, msgrcv(id, bad_pointer<Buffer>(), size_t(-1), 0, 0));
}

TEST(Msg, AQueueHoldsSoMuch) {
  const Msg id(make());
  ASSERT_OK(send(id, 1, std::string(8192, 'x')));
  ASSERT_OK(send(id, 1, std::string(8192, 'x')));
  EXPECT_ERRNO(EAGAIN, send(id, 1, "x"));
  EXPECT_OK(send(id, 1, ""));
  EXPECT_EQ(receive(id).text.size(), 8192u);
  EXPECT_OK(send(id, 1, "x"));
}

TEST(Msg, KeysNameQueues) {
  const key_t key = unused_key();
  EXPECT_ERRNO(ENOENT, msgget(key, 0600));
  const Msg id(msgget(key, IPC_CREAT | 0600));
  EXPECT_EQ(msgget(key, 0600), id);
  EXPECT_EQ(msgget(key, IPC_CREAT), id);
  EXPECT_ERRNO(EEXIST, msgget(key, IPC_CREAT | IPC_EXCL | 0600));
}

TEST(Msg, Status) {
  const time_t before = time(nullptr);
  const Msg id(msgget(unused_key(2), IPC_CREAT | 0620));
  msqid_ds status = status_of(id);
  EXPECT_EQ(status.msg_perm.__key, unused_key(2));
  EXPECT_EQ(status.msg_perm.mode, 0620);
  EXPECT_EQ(status.msg_qbytes, 16384u);
  EXPECT_EQ(status.msg_qnum, 0u);
  EXPECT_EQ(status.msg_stime, 0);
  EXPECT_EQ(status.msg_lspid, 0);
  EXPECT_GE(status.msg_ctime, before);
  ASSERT_OK(send(id, 1, "12345"));
  ASSERT_OK(send(id, 1, "678"));
  status = status_of(id);
  EXPECT_EQ(status.msg_qnum, 2u);
  EXPECT_EQ(status.__msg_cbytes, 8u);
  EXPECT_EQ(status.msg_lspid, getpid());
  EXPECT_GE(status.msg_stime, before);
  EXPECT_EQ(status.msg_rtime, 0);
  receive(id);
  status = status_of(id);
  EXPECT_EQ(status.msg_qnum, 1u);
  EXPECT_EQ(status.__msg_cbytes, 3u);
  EXPECT_EQ(status.msg_lrpid, getpid());
  EXPECT_GE(status.msg_rtime, before);
}

TEST(Msg, Set) {
  const Msg id(make());
  msqid_ds status = status_of(id);
  status.msg_qbytes = 10;
  status.msg_perm.mode = 0666;
  ASSERT_OK(msgctl(id, IPC_SET, &status));
  EXPECT_EQ(status_of(id).msg_perm.mode, 0666);
  EXPECT_OK(send(id, 1, "0123456789"));
  EXPECT_ERRNO(EAGAIN, send(id, 1, "x"));
}

TEST(Msg, OnlyRootMakesQueuesLarger) {
  NEEDS_ROOT();
  as_other_user([&] {
    const Msg id(make());
    msqid_ds status = status_of(id);
    status.msg_qbytes = 16385;
    EXPECT_ERRNO(EPERM, msgctl(id, IPC_SET, &status));
    status.msg_qbytes = 5;
    EXPECT_OK(msgctl(id, IPC_SET, &status));
  });
}

TEST(Msg, ReceivingWaits) {
  const Msg id(make());
  std::thread reader([&] { EXPECT_EQ(receive(id, 2, 0), (R{2, "for you"})); });
  let_others_block();
  ASSERT_OK(send(id, 1, "not for you"));
  ASSERT_OK(send(id, 2, "for you"));
  reader.join();
  EXPECT_EQ(receive(id), (R{1, "not for you"}));
}

TEST(Msg, SendingWaits) {
  const Msg id(make());
  msqid_ds status = status_of(id);
  status.msg_qbytes = 5;
  ASSERT_OK(msgctl(id, IPC_SET, &status));
  ASSERT_OK(send(id, 1, "12345"));
  std::thread writer([&] { EXPECT_OK(send(id, 2, "later", 0)); });
  let_others_block();
  EXPECT_EQ(receive(id), (R{1, "12345"}));
  writer.join();
  EXPECT_EQ(receive(id), (R{2, "later"}));
}

TEST(Msg, AWaitingReaderMayFindAMessageTooLong) {
  const Msg id(make());
  std::thread reader([&] { EXPECT_EQ(receive(id, 0, 0, 3), (R{-1, "E2BIG"})); });
  let_others_block();
  ASSERT_OK(send(id, 1, "long"));
  reader.join();
  EXPECT_EQ(receive(id), (R{1, "long"}));
}

TEST(Msg, RemovalEndsSleep) {
  Msg id(make());
  std::atomic<bool> started = false;
  std::thread reader([&] {
    started = true;
    const Received got = receive(id, 0, 0);
    // EINVAL when the removal was faster.
    EXPECT_TRUE(got == (R{-1, "EIDRM"}) || got == (R{-1, "EINVAL"}));
  });
  EXPECT_TRUE(eventually([&] { return started.load(); }));
  let_others_block();
  ASSERT_OK(msgctl(id, IPC_RMID, nullptr));
  reader.join();
  EXPECT_ERRNO(EINVAL, msgctl(id.release(), IPC_RMID, nullptr));
}

TEST(Msg, SignalsEndSleep) {
  static std::atomic<bool> handled;
  handled = false;
  const ScopedAction action(SIGUSR1, +[](int, siginfo_t*, void*) { handled = true; }, SA_RESTART);
  const Msg id(make());
  std::atomic<bool> ended = false;
  std::thread reader([&] {
    EXPECT_EQ(receive(id, 0, 0), (R{-1, "EINTR"}));
    ended = true;
  });
  let_others_block();
  // Until it was in the call when the signal came.
  EXPECT_TRUE(eventually([&] {
    pthread_kill(reader.native_handle(), SIGUSR1);
    sleep_for(milliseconds(5));
    return ended.load();
  }));
  reader.join();
}

TEST(Msg, Copy) {
  const Msg id(make());
  ASSERT_OK(send(id, 5, "first"));
  ASSERT_OK(send(id, 6, "second"));
  const Received copy = receive(id, 1, IPC_NOWAIT | MSG_COPY);
  if (copy.text == "ENOSYS") GTEST_SKIP() << "a kernel without CONFIG_CHECKPOINT_RESTORE";
  EXPECT_EQ(copy, (R{6, "second"}));
  EXPECT_EQ(receive(id, 0, IPC_NOWAIT | MSG_COPY), (R{5, "first"}));
  EXPECT_EQ(receive(id, 2, IPC_NOWAIT | MSG_COPY), (R{-1, "ENOMSG"}));
  EXPECT_EQ(receive(id, 0, MSG_COPY), (R{-1, "EINVAL"}));
  EXPECT_EQ(receive(id, 0, IPC_NOWAIT | MSG_COPY | MSG_EXCEPT), (R{-1, "EINVAL"}));
  EXPECT_EQ(status_of(id).msg_qnum, 2u);
}

TEST(Msg, AMessageThatCannotBeCopiedOutIsGone) {
  const Msg id(make());
  ASSERT_OK(send(id, 1, "lost"));
  EXPECT_ERRNO(EFAULT, msgrcv(id, bad_pointer<Buffer>(), 100, 0, IPC_NOWAIT));
  EXPECT_EQ(receive(id).text, "ENOMSG");
}

TEST(Msg, BetweenProcesses) {
  const Msg id(make());
  const pid_t child = start_child([&] {
    for (int i = 0; i < 100; ++i) {
      const Received got = receive(id, 1, 0);
      if (got.type != 1 || send(id, 2, got.text + "!", 0) != 0) return 1;
    }
    return 0;
  });
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(send(id, 1, std::to_string(i), 0));
    EXPECT_EQ(receive(id, 2, 0), (R{2, std::to_string(i) + "!"}));
  }
  EXPECT_EQ(0, end_of(child));
  EXPECT_EQ(status_of(id).msg_lspid, child);
}

TEST(Msg, Permissions) {
  NEEDS_ROOT();
  const key_t key = unused_key(3);
  const Msg id(msgget(key, IPC_CREAT | 0602));
  ASSERT_OK(send(id, 1, "secret"));
  as_other_user([&] {
    EXPECT_OK(msgget(key, 0));
    EXPECT_ERRNO(EACCES, msgget(key, 0400));
    EXPECT_OK(send(id, 1, "x"));
    EXPECT_EQ(receive(id), (R{-1, "EACCES"}));
    msqid_ds status;
    EXPECT_ERRNO(EACCES, msgctl(id, IPC_STAT, &status));
    EXPECT_ERRNO(EPERM, msgctl(id, IPC_RMID, nullptr));
  });
}

TEST(Msg, Limits) {
  msginfo limits = {};
  EXPECT_GE(msgctl(0, IPC_INFO, reinterpret_cast<msqid_ds*>(&limits)), 0);
  EXPECT_EQ(limits.msgmax, 8192);
  EXPECT_EQ(limits.msgmnb, 16384);
  EXPECT_EQ(limits.msgmni, 32000);
  EXPECT_EQ(limits.msgssz, 16);
}

// A name space of its own where there are any: other programs' queues stay as they are. The queue
// that was refused must leave nothing behind, a held lock least of all.
TEST(Msg, AFullTable) {
  NEEDS_ROOT();
  const auto body = [] {
    unshare(CLONE_NEWIPC);
    const char* setting = "/proc/sys/kernel/msgmni";
    const std::string before = read_file(setting);
    const Msg first(make()), second(make());
    msginfo usage = {};
    if (msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&usage)) < 0) return 1;
    write_file(setting, std::to_string(usage.msgpool));
    const int refused = make();
    const int error = errno;
    const bool works = send(first, 1, "one") == 0 && receive(first) == R{1, "one"};
    write_file(setting, before);
    if (refused >= 0 || error != ENOSPC) return 2;
    return works ? 0 : 3;
  };
  EXPECT_EQ(in_child(body), 0);
}

// A program that is restored asks for the number that it had.
TEST(Msg, ANumberCanBeAskedFor) {
  NEEDS_ROOT();
  const char* setting = "/proc/sys/kernel/msg_next_id";
  if (access(setting, F_OK) != 0) GTEST_SKIP() << "a kernel without CONFIG_CHECKPOINT_RESTORE";
  const auto body = [setting] {
    unshare(CLONE_NEWIPC);
    constexpr int kWanted = 3 * 32768 + 1234;
    write_file(setting, std::to_string(kWanted));
    const Msg asked(make());
    if (read_file(setting) != "-1\n") return 1;
    write_file(setting, std::to_string(kWanted));
    const Msg next(make());
    if (asked != kWanted) return 2;
    return next == kWanted + 1 ? 0 : 3;
  };
  EXPECT_EQ(in_child(body), 0);
}

TEST(Msg, UsageCountsQueues) {
  in_own_ipc_namespace([] {
    msginfo before = {}, after = {};
    EXPECT_GE(msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&before)), 0);
    const Msg id(make());
    ASSERT_OK(send(id, 1, "hello"));
    const int highest = msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&after));
    EXPECT_EQ(after.msgpool, before.msgpool + 1);
    EXPECT_EQ(after.msgmap, before.msgmap + 1);
    EXPECT_EQ(after.msgtql, before.msgtql + 5);
    bool found = false;
    for (int index = 0; index <= highest; ++index) {
      msqid_ds status = {};
      found |= msgctl(index, MSG_STAT, &status) == id;
    }
    EXPECT_TRUE(found);
  });
}

TEST(Msg, Proc) {
  const Msg id(msgget(unused_key(4), IPC_CREAT | 0640));
  ASSERT_OK(send(id, 1, "hello"));
  const std::string table = read_file("/proc/sysvipc/msg");
  EXPECT_EQ(0u, table.find("       key      msqid perms      cbytes       qnum lspid lrpid"));
  char line[200];
  snprintf(line, sizeof line, "%10d %10d  %4o  %10d %10d %5d %5d", unused_key(4), int(id), 0640, 5,
           1, getpid(), 0);
  EXPECT_NE(std::string::npos, table.find(line)) << table;
}

}  // namespace
}  // namespace compat
