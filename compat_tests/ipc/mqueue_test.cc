// POSIX message queues: mq_overview(7).
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "compat_tests/ipc/ipc.h"

namespace compat {
namespace {

// A queue of this test's, unlinked at its end.
class Mqueue : public testing::Test {
 protected:
  Mqueue() : name_("/compat." + std::to_string(getpid())) { mq_unlink(name()); }
  ~Mqueue() override { mq_unlink(name()); }
  const char* name() const { return name_.c_str(); }

  Fd make(int flags = O_RDWR, long count = 4, long size = 32, mode_t mode = 0600) {
    mq_attr attributes = {};
    attributes.mq_maxmsg = count;
    attributes.mq_msgsize = size;
    return Fd(mq_open(name(), flags | O_CREAT, mode, &attributes));
  }

 private:
  std::string name_;
};

int send(int queue, const std::string& text, unsigned priority = 0) {
  return mq_send(queue, text.data(), text.size(), priority);
}
// "priority:text", or the error.
std::string receive(int queue, size_t size = 32) {
  char text[9000];
  unsigned priority = 0;
  const ssize_t got = mq_receive(queue, text, size, &priority);
  if (got < 0) return error_name(errno);
  return std::to_string(priority) + ":" + std::string(text, size_t(got));
}
mq_attr attributes_of(int queue) {
  mq_attr attributes = {};
  EXPECT_OK(mq_getattr(queue, &attributes));
  return attributes;
}
timespec in(milliseconds time) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const long ns = now.tv_nsec + time.count() % 1000 * 1'000'000;
  return {now.tv_sec + time.count() / 1000 + ns / 1'000'000'000, ns % 1'000'000'000};
}

TEST_F(Mqueue, HighestPriorityFirstThenOldest) {
  const Fd queue = make();
  ASSERT_GE(queue, 0);
  ASSERT_OK(send(queue, "a", 1));
  ASSERT_OK(send(queue, "b", 5));
  ASSERT_OK(send(queue, "c", 1));
  ASSERT_OK(send(queue, "", 5));
  EXPECT_EQ(receive(queue), "5:b");
  EXPECT_EQ(receive(queue), "5:");
  EXPECT_EQ(receive(queue), "1:a");
  EXPECT_EQ(receive(queue), "1:c");
}

TEST_F(Mqueue, Opening) {
  EXPECT_ERRNO(ENOENT, mq_open(name(), O_RDWR));
  const Fd queue = make();
  EXPECT_OK(Fd(mq_open(name(), O_RDONLY)));
  EXPECT_OK(make());
  EXPECT_ERRNO(EEXIST, make(O_RDWR | O_EXCL).release());
  EXPECT_EQ(FD_CLOEXEC, fcntl(queue, F_GETFD));
}

TEST_F(Mqueue, Names) {
  // The library takes a slash off; the kernel takes none.
  EXPECT_ERRNO(EACCES, syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, nullptr));
  EXPECT_ERRNO(EACCES, syscall(SYS_mq_open, "/a", O_RDWR | O_CREAT, 0600, nullptr));
  EXPECT_ERRNO(EACCES, syscall(SYS_mq_open, "..", O_RDWR | O_CREAT, 0600, nullptr));
  EXPECT_ERRNO(ENOENT, syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, nullptr));
  EXPECT_ERRNO(ENAMETOOLONG, syscall(SYS_mq_open, std::string(256, 'x').c_str(), O_RDWR | O_CREAT,
                                     0600, nullptr));
  EXPECT_ERRNO(EFAULT, syscall(SYS_mq_open, bad_pointer<char>(), O_RDWR, 0, nullptr));
}

TEST_F(Mqueue, Attributes) {
  const Fd queue = make(O_RDWR, 3, 17);
  mq_attr attributes = attributes_of(queue);
  EXPECT_EQ(attributes.mq_maxmsg, 3);
  EXPECT_EQ(attributes.mq_msgsize, 17);
  EXPECT_EQ(attributes.mq_curmsgs, 0);
  EXPECT_EQ(attributes.mq_flags, 0);
  ASSERT_OK(send(queue, "x"));
  EXPECT_EQ(attributes_of(queue).mq_curmsgs, 1);
  attributes.mq_flags = O_NONBLOCK;
  attributes.mq_maxmsg = 100;  // can't be changed, and is not looked at
  EXPECT_OK(mq_setattr(queue, &attributes, nullptr));
  EXPECT_EQ(attributes_of(queue).mq_flags, O_NONBLOCK);
  EXPECT_EQ(attributes_of(queue).mq_maxmsg, 3);
  attributes.mq_flags = O_APPEND;
  EXPECT_ERRNO(EINVAL, mq_setattr(queue, &attributes, nullptr));
}

TEST_F(Mqueue, DefaultAttributes) {
  const Fd queue(mq_open(name(), O_RDWR | O_CREAT, 0600, nullptr));
  EXPECT_EQ(attributes_of(queue).mq_maxmsg, 10);
  EXPECT_EQ(attributes_of(queue).mq_msgsize, 8192);
}

TEST_F(Mqueue, AttributesMustBePossible) {
  EXPECT_ERRNO(EINVAL, make(O_RDWR, 0, 10).release());
  EXPECT_ERRNO(EINVAL, make(O_RDWR, 10, 0).release());
  EXPECT_ERRNO(EINVAL, make(O_RDWR, -1, 10).release());
  EXPECT_ERRNO(EINVAL, make(O_RDWR, 65537, 1).release());
}

TEST_F(Mqueue, OthersMayAskForLess) {
  NEEDS_ROOT();
  as_other_user([&] {
    EXPECT_ERRNO(EINVAL, make(O_RDWR, 11, 10).release());
    EXPECT_ERRNO(EINVAL, make(O_RDWR, 10, 8193).release());
    EXPECT_OK(make(O_RDWR, 10, 8192));
  });
}

TEST_F(Mqueue, TheLimitIsOfBytes) {
  EXPECT_EQ(0, in_child([&] {
              const rlimit limit = {10000, 10000};
              if (setrlimit(RLIMIT_MSGQUEUE, &limit) != 0) return 1;
              if (make(O_RDWR, 10, 8192) >= 0 || errno != EMFILE) return 2;
              return make(O_RDWR, 10, 100) >= 0 ? 0 : 3;
            }));
}

TEST_F(Mqueue, FullAndEmpty) {
  const Fd queue = make(O_RDWR | O_NONBLOCK, 2);
  EXPECT_EQ(receive(queue), "EAGAIN");
  ASSERT_OK(send(queue, "1"));
  ASSERT_OK(send(queue, "2"));
  EXPECT_ERRNO(EAGAIN, send(queue, "3"));
  EXPECT_EQ(receive(queue), "0:1");
  EXPECT_OK(send(queue, "3"));
}

TEST_F(Mqueue, SendAndReceiveErrors) {
  const Fd queue = make();
  const Fd reader(mq_open(name(), O_RDONLY)), writer(mq_open(name(), O_WRONLY));
  EXPECT_ERRNO(EMSGSIZE, send(queue, std::string(33, 'x')));
  EXPECT_EQ(receive(queue, 31), "EMSGSIZE");
  EXPECT_ERRNO(EINVAL, send(queue, "x", 32768));
  EXPECT_OK(send(queue, "x", 32767));
  EXPECT_ERRNO(EBADF, send(reader, "x"));
  EXPECT_EQ(receive(writer), "EBADF");
  EXPECT_ERRNO(EBADF, send(-1, "x"));
  EXPECT_ERRNO(EBADF, send(STDIN_FILENO, "x"));
  EXPECT_ERRNO(EFAULT, mq_send(queue, bad_pointer<char>(), 1, 0));
  mq_attr attributes;
  EXPECT_ERRNO(EBADF, mq_getattr(STDIN_FILENO, &attributes));
}

TEST_F(Mqueue, ReceivingWaits) {
  const Fd queue = make();
  std::thread reader([&] { EXPECT_EQ(receive(queue), "3:hello"); });
  let_others_block();
  ASSERT_OK(send(queue, "hello", 3));
  reader.join();
}

TEST_F(Mqueue, SendingWaits) {
  const Fd queue = make(O_RDWR, 1);
  ASSERT_OK(send(queue, "first"));
  std::thread writer([&] { EXPECT_OK(send(queue, "second")); });
  let_others_block();
  EXPECT_EQ(receive(queue), "0:first");
  writer.join();
  EXPECT_EQ(receive(queue), "0:second");
}

TEST_F(Mqueue, Timeouts) {
  const Fd queue = make(O_RDWR, 1);
  char text[32];
  timespec time = in(milliseconds(50));
  const auto took = duration_of(
      [&] { EXPECT_ERRNO(ETIMEDOUT, mq_timedreceive(queue, text, 32, nullptr, &time)); });
  EXPECT_GE(took, milliseconds(45));
  time = {0, 0};
  EXPECT_ERRNO(ETIMEDOUT, mq_timedreceive(queue, text, 32, nullptr, &time));
  time = {0, 1'000'000'000};
  EXPECT_ERRNO(EINVAL, mq_timedreceive(queue, text, 32, nullptr, &time));
  // Where nobody has to wait nobody looks at the clock.
  time = {0, 0};
  EXPECT_OK(mq_timedsend(queue, "x", 1, 0, &time));
  EXPECT_ERRNO(ETIMEDOUT, mq_timedsend(queue, "x", 1, 0, &time));
  time = {-1, 0};
  EXPECT_ERRNO(EINVAL, mq_timedsend(queue, "x", 1, 0, &time));
}

TEST_F(Mqueue, SignalsEndSleep) {
  const ScopedAction action(SIGUSR1, +[](int, siginfo_t*, void*) {});
  const Fd queue = make();
  std::atomic<bool> ended = false;
  std::thread reader([&] {
    EXPECT_EQ(receive(queue), "EINTR");
    ended = true;
  });
  let_others_block();
  EXPECT_TRUE(eventually([&] {
    pthread_kill(reader.native_handle(), SIGUSR1);
    sleep_for(milliseconds(5));
    return ended.load();
  }));
  reader.join();
}

TEST_F(Mqueue, Poll) {
  const Fd queue = make(O_RDWR, 1);
  pollfd polled = {queue, POLLIN | POLLOUT, 0};
  EXPECT_EQ(1, poll(&polled, 1, 0));
  EXPECT_EQ(polled.revents, POLLOUT);
  ASSERT_OK(send(queue, "x"));
  EXPECT_EQ(1, poll(&polled, 1, 0));
  EXPECT_EQ(polled.revents, POLLIN);
}

TEST_F(Mqueue, UnlinkedQueuesLiveOn) {
  const Fd queue = make();
  ASSERT_OK(mq_unlink(name()));
  EXPECT_ERRNO(ENOENT, mq_unlink(name()));
  EXPECT_ERRNO(ENOENT, mq_open(name(), O_RDWR));
  ASSERT_OK(send(queue, "alive"));
  EXPECT_EQ(receive(queue), "0:alive");
}

TEST_F(Mqueue, MessagesOutliveDescriptors) {
  {
    const Fd queue = make();
    ASSERT_OK(send(queue, "kept", 9));
  }
  const Fd again(mq_open(name(), O_RDONLY));
  EXPECT_EQ(receive(again), "9:kept");
}

TEST_F(Mqueue, BetweenProcesses) {
  const Fd queue = make();
  const pid_t child = start_child([&] {
    const Fd mine(mq_open(name(), O_WRONLY));
    for (int i = 0; i < 50; ++i)
      if (send(mine, std::to_string(i)) != 0) return 1;
    return 0;
  });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(receive(queue), "0:" + std::to_string(i));
  EXPECT_EQ(0, end_of(child));
}

TEST_F(Mqueue, NotifiesBySignalOnce) {
  const Blocked blocked({SIGUSR2});
  const Fd queue = make();
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR2;
  event.sigev_value.sival_int = 4711;
  ASSERT_OK(mq_notify(queue, &event));
  EXPECT_ERRNO(EBUSY, mq_notify(queue, &event));
  ASSERT_OK(send(queue, "first"));
  const sigset_t set = set_of({SIGUSR2});
  const timespec second = {1, 0}, nothing = {0, 0};
  siginfo_t info;
  ASSERT_EQ(SIGUSR2, sigtimedwait(&set, &info, &second));
  EXPECT_EQ(info.si_code, SI_MESGQ);
  EXPECT_EQ(info.si_pid, getpid());
  EXPECT_EQ(info.si_uid, getuid());
  EXPECT_EQ(info.si_value.sival_int, 4711);
  EXPECT_EQ(receive(queue), "0:first");
  ASSERT_OK(send(queue, "second"));
  EXPECT_ERRNO(EAGAIN, sigtimedwait(&set, &info, &nothing));
}

TEST_F(Mqueue, NotifiesOnlyOfTheFirstMessage) {
  const Blocked blocked({SIGUSR2});
  const Fd queue = make();
  ASSERT_OK(send(queue, "there already"));
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR2;
  ASSERT_OK(mq_notify(queue, &event));
  ASSERT_OK(send(queue, "another"));
  const sigset_t set = set_of({SIGUSR2});
  const timespec nothing = {0, 0}, second = {1, 0};
  EXPECT_ERRNO(EAGAIN, sigtimedwait(&set, nullptr, &nothing));
  receive(queue);
  receive(queue);
  ASSERT_OK(send(queue, "first again"));
  EXPECT_EQ(SIGUSR2, sigtimedwait(&set, nullptr, &second));
}

TEST_F(Mqueue, NotificationIsTakenBack) {
  const Blocked blocked({SIGUSR2});
  const Fd queue = make();
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR2;
  EXPECT_OK(mq_notify(queue, nullptr));
  ASSERT_OK(mq_notify(queue, &event));
  ASSERT_OK(mq_notify(queue, nullptr));
  ASSERT_OK(mq_notify(queue, &event));
  // Closing any descriptor of the queue does the same.
  {
    const Fd other(mq_open(name(), O_RDONLY));
  }
  ASSERT_OK(send(queue, "x"));
  const sigset_t set = set_of({SIGUSR2});
  const timespec nothing = {0, 0};
  EXPECT_ERRNO(EAGAIN, sigtimedwait(&set, nullptr, &nothing));
}

TEST_F(Mqueue, NotificationEndsWithItsProcess) {
  const Fd queue = make();
  EXPECT_EQ(0, in_child([&] {
              sigevent event = {};
              event.sigev_notify = SIGEV_NONE;
              return mq_notify(queue, &event) == 0 ? 0 : 1;
            }));
  sigevent event = {};
  event.sigev_notify = SIGEV_NONE;
  EXPECT_OK(mq_notify(queue, &event));
}

TEST_F(Mqueue, NotificationErrors) {
  const Fd queue = make();
  sigevent event = {};
  event.sigev_notify = 99;
  EXPECT_ERRNO(EINVAL, mq_notify(queue, &event));
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = 65;
  EXPECT_ERRNO(EINVAL, mq_notify(queue, &event));
  event.sigev_signo = SIGUSR1;
  EXPECT_ERRNO(EBADF, mq_notify(STDIN_FILENO, &event));
}

TEST_F(Mqueue, NotifiesByThread) {
  static std::atomic<int> told;
  told = 0;
  const Fd queue = make();
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_value.sival_int = 815;
  event.sigev_notify_function = [](sigval value) { told = value.sival_int; };
  ASSERT_OK(mq_notify(queue, &event));
  ASSERT_OK(send(queue, "x"));
  EXPECT_TRUE(eventually([] { return told == 815; }));
}

TEST_F(Mqueue, AQueueIsAFile) {
  const Fd queue = make(O_RDWR, 4, 32, 0640);
  ASSERT_OK(send(queue, "12345"));
  EXPECT_EQ(read_fd(queue), "QSIZE:5          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n");
  struct stat info = {};
  ASSERT_OK(fstat(queue, &info));
  EXPECT_TRUE(S_ISREG(info.st_mode));
  EXPECT_EQ(info.st_size, 80);
  EXPECT_EQ(info.st_nlink, 1u);
  struct statfs fs = {};
  ASSERT_OK(fstatfs(queue, &fs));
  EXPECT_EQ(fs.f_type, 0x19800202);
  EXPECT_ERRNO(EINVAL, write(queue, "x", 1));
}

TEST_F(Mqueue, Permissions) {
  NEEDS_ROOT();
  const Fd queue = make(O_RDWR, 4, 32, 0604);
  as_other_user([&] {
    EXPECT_OK(Fd(mq_open(name(), O_RDONLY)));
    EXPECT_ERRNO(EACCES, mq_open(name(), O_WRONLY));
    EXPECT_ERRNO(EPERM, syscall(SYS_mq_unlink, name() + 1));
  });
}

TEST_F(Mqueue, Settings) {
  EXPECT_EQ("256\n", read_file("/proc/sys/fs/mqueue/queues_max"));
  EXPECT_EQ("10\n", read_file("/proc/sys/fs/mqueue/msg_max"));
  EXPECT_EQ("8192\n", read_file("/proc/sys/fs/mqueue/msgsize_max"));
}

}  // namespace
}  // namespace compat
