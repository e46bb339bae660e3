// Blocking calls that are interrupted: with and without SA_RESTART (signal(7)).
#include "compat_tests/signals/interrupt.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

namespace compat {
namespace {

TEST_F(Interrupt, ReadingAPipe) {
  expect_interrupted(0, [&] { return read(reader, &byte, 1); });
}

TEST_F(Interrupt, ReadingAPipeIsRestarted) {
  expect_restarted([&] { EXPECT_EQ(1, read(reader, &byte, 1)); },
                   [&] { EXPECT_EQ(1, write(writer, "y", 1)); });
  EXPECT_EQ('y', byte);
}

TEST_F(Interrupt, WritingAPipe) {
  fill_pipe();
  expect_interrupted(0, [&] { return write(writer, &byte, 1); });
}

TEST_F(Interrupt, WritingAPipeIsRestarted) {
  fill_pipe();
  expect_restarted([&] { EXPECT_EQ(1, write(writer, &byte, 1)); },
                   [&] { EXPECT_EQ(65536u, read_exactly(reader, 65536).size()); });
}

TEST_F(Interrupt, PartOfAWriteCounts) {
  // What has been transferred is returned instead of EINTR.
  ScopedAction action(SIGUSR1, do_nothing);
  std::atomic<bool> done = false;
  std::atomic<ssize_t> written = 0;
  std::thread blocked([&] {
    const std::string data(100 << 10, 'x');
    written = write(writer, data.data(), data.size());
    done = true;
  });
  let_others_block();
  EXPECT_TRUE(eventually([&] {
    if (!done) pthread_kill(blocked.native_handle(), SIGUSR1);
    return done.load();
  }));
  blocked.join();
  EXPECT_EQ(65536, written);
}

TEST_F(Interrupt, Receiving) {
  expect_interrupted(0, [&] { return recv(left, &byte, 1, 0); });
}

TEST_F(Interrupt, ReceivingIsRestarted) {
  expect_restarted([&] { EXPECT_EQ(1, recv(left, &byte, 1, 0)); },
                   [&] { EXPECT_EQ(1, send(right, "y", 1, 0)); });
}

TEST_F(Interrupt, ReceivingWithATimeLimitIsNotRestarted) {
  const timeval limit = {.tv_sec = 20, .tv_usec = 0};
  ASSERT_OK(setsockopt(left, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  expect_interrupted(SA_RESTART, [&] { return recv(left, &byte, 1, 0); });
}

TEST_F(Interrupt, Accepting) {
  Fd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  ASSERT_OK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)));
  ASSERT_OK(listen(listener, 1));
  expect_interrupted(0, [&] { return accept(listener, nullptr, nullptr); });
}

TEST_F(Interrupt, PollIsNeverRestarted) {
  pollfd entry = {.fd = reader, .events = POLLIN, .revents = 0};
  expect_interrupted(SA_RESTART, [&] { return poll(&entry, 1, -1); });
}

TEST_F(Interrupt, SelectIsNeverRestarted) {
  expect_interrupted(SA_RESTART, [&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(reader, &set);
    return select(reader + 1, &set, nullptr, nullptr, nullptr);
  });
}

TEST_F(Interrupt, EpollIsNeverRestarted) {
  Fd epoll(epoll_create1(0));
  epoll_event event;
  expect_interrupted(SA_RESTART, [&] { return epoll_wait(epoll, &event, 1, -1); });
}

TEST_F(Interrupt, SleepIsNeverRestartedAndSaysWhatIsLeft) {
  timespec left_over = {};
  expect_interrupted(SA_RESTART, [&] {
    const timespec long_time = {.tv_sec = 100, .tv_nsec = 0};
    return nanosleep(&long_time, &left_over);
  });
  EXPECT_LE(left_over.tv_sec, 99);
  EXPECT_GE(left_over.tv_sec, 60);
}

TEST_F(Interrupt, ClockSleepReturnsItsError) {
  ScopedAction action(SIGUSR1, do_nothing, SA_RESTART);
  std::atomic<bool> done = false;
  std::thread blocked([&] {
    timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 100;
    EXPECT_EQ(EINTR, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr));
    done = true;
  });
  EXPECT_TRUE(eventually([&] {
    if (!done) pthread_kill(blocked.native_handle(), SIGUSR1);
    return done.load();
  }));
  blocked.join();
}

TEST_F(Interrupt, Pause) {
  expect_interrupted(SA_RESTART, [] { return pause(); });
}

TEST_F(Interrupt, WaitingForSignals) {
  expect_interrupted(SA_RESTART, [] {
    const sigset_t set = set_of({SIGUSR2});
    return sigwaitinfo(&set, nullptr);
  });
}

TEST_F(Interrupt, EventDescriptor) {
  Fd event(eventfd(0, 0));
  uint64_t value;
  expect_interrupted(0, [&] { return read(event, &value, sizeof value); });
  expect_restarted([&] { EXPECT_EQ(8, read(event, &value, sizeof value)); },
                   [&] { EXPECT_OK(eventfd_write(event, 1)); });
}

TEST_F(Interrupt, TimerDescriptor) {
  Fd timer(timerfd_create(CLOCK_MONOTONIC, 0));
  uint64_t value;
  expect_interrupted(0, [&] { return read(timer, &value, sizeof value); });
}

TEST_F(Interrupt, FileLock) {
  TempDir dir;
  write_file(dir / "file", "");
  Fd one(open((dir / "file").c_str(), O_RDWR)), two(open((dir / "file").c_str(), O_RDWR));
  ASSERT_OK(flock(one, LOCK_EX));
  expect_interrupted(0, [&] { return flock(two, LOCK_EX); });
  expect_restarted([&] { EXPECT_OK(flock(two, LOCK_EX)); },
                   [&] { EXPECT_OK(flock(one, LOCK_UN)); });
}

TEST_F(Interrupt, RecordLock) {
  TempDir dir;
  write_file(dir / "file", "");
  Fd one(open((dir / "file").c_str(), O_RDWR)), two(open((dir / "file").c_str(), O_RDWR));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_OK(fcntl(one, F_OFD_SETLK, &lock));
  expect_interrupted(0, [&] { return fcntl(two, F_OFD_SETLKW, &lock); });
}

TEST_F(Interrupt, OpeningAFifo) {
  TempDir dir;
  ASSERT_OK(mkfifo((dir / "fifo").c_str(), 0600));
  expect_interrupted(0, [&] { return open((dir / "fifo").c_str(), O_RDONLY); });
}

TEST_F(Interrupt, IgnoredSignalsDoNot) {
  ScopedAction ignore(SIGUSR1, SIG_IGN);
  std::atomic<bool> done = false;
  std::thread blocked([&] {
    EXPECT_EQ(1, read(reader, &byte, 1));
    done = true;
  });
  let_others_block();
  for (int i = 0; i < 5; ++i) {
    pthread_kill(blocked.native_handle(), SIGUSR1);
    pthread_kill(blocked.native_handle(), SIGWINCH);
    sleep_for(milliseconds(2));
  }
  EXPECT_FALSE(done);
  EXPECT_EQ(1, write(writer, "y", 1));
  blocked.join();
}

TEST_F(Interrupt, BlockedSignalsDoNot) {
  ScopedAction action(SIGUSR1, do_nothing);
  Blocked blocked_signals({SIGUSR1});
  std::thread blocked([&] {
    EXPECT_EQ(1, read(reader, &byte, 1));
    const sigset_t set = set_of({SIGUSR1});
    const timespec now = {};
    EXPECT_EQ(SIGUSR1, sigtimedwait(&set, nullptr, &now));
  });
  let_others_block();
  pthread_kill(blocked.native_handle(), SIGUSR1);
  sleep_for(milliseconds(10));
  EXPECT_EQ(1, write(writer, "y", 1));
  blocked.join();
}

TEST_F(Interrupt, PollWithAnotherMask) {
  // ppoll(2): the mask changes for the wait only, and a pending signal ends it at once.
  ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  Blocked blocked({SIGUSR1});
  ASSERT_OK(raise(SIGUSR1));
  const sigset_t none = set_of({});
  EXPECT_ERRNO(EINTR, ppoll(nullptr, 0, nullptr, &none));
  EXPECT_EQ(1u, record.count);
  EXPECT_TRUE(is_blocked(SIGUSR1));
}

TEST_F(Interrupt, EpollWithAnotherMask) {
  ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  Fd epoll(epoll_create1(0));
  Blocked blocked({SIGUSR1});
  ASSERT_OK(raise(SIGUSR1));
  const sigset_t none = set_of({});
  epoll_event event;
  EXPECT_ERRNO(EINTR, epoll_pwait(epoll, &event, 1, -1, &none));
  EXPECT_EQ(1u, record.count);
  EXPECT_TRUE(is_blocked(SIGUSR1));
}

}  // namespace
}  // namespace compat
