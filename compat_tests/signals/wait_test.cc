// sigwaitinfo(2), sigtimedwait(2), sigwait(3), signalfd(2): signals that are fetched instead of
// handled.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

constexpr timespec kNow = {};

class Wait : public testing::Test {
 protected:
  ~Wait() override {
    // Whatever a failed test has left.
    const sigset_t set = set_of({SIGUSR1, SIGUSR2, SIGRTMIN});
    while (sigtimedwait(&set, nullptr, &kNow) > 0) {
    }
  }

  Blocked blocked{SIGUSR1, SIGUSR2, SIGRTMIN};
};

TEST_F(Wait, FetchesAPendingSignal) {
  ASSERT_OK(kill(getpid(), SIGUSR1));
  const sigset_t set = set_of({SIGUSR1, SIGUSR2});
  siginfo_t info = {};
  EXPECT_EQ(SIGUSR1, sigwaitinfo(&set, &info));
  EXPECT_EQ(SIGUSR1, info.si_signo);
  EXPECT_EQ(SI_USER, info.si_code);
  EXPECT_EQ(getpid(), info.si_pid);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

TEST_F(Wait, WaitsForOne) {
  std::thread sender([] {
    let_others_block();
    kill(getpid(), SIGUSR2);
  });
  const sigset_t set = set_of({SIGUSR2});
  EXPECT_EQ(SIGUSR2, sigwaitinfo(&set, nullptr));
  sender.join();
}

TEST_F(Wait, Values) {
  for (int i = 1; i <= 3; ++i) ASSERT_OK(sigqueue(getpid(), SIGRTMIN, {.sival_int = i}));
  const sigset_t set = set_of({SIGRTMIN});
  for (int i = 1; i <= 3; ++i) {
    siginfo_t info;
    EXPECT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &kNow));
    EXPECT_EQ(i, info.si_value.sival_int);
    EXPECT_EQ(SI_QUEUE, info.si_code);
  }
  EXPECT_ERRNO(EAGAIN, sigtimedwait(&set, nullptr, &kNow));
}

TEST_F(Wait, TimesOut) {
  const sigset_t set = set_of({SIGUSR1});
  const timespec timeout = timespec_of(milliseconds(30));
  const milliseconds taken =
      duration_of([&] { EXPECT_ERRNO(EAGAIN, sigtimedwait(&set, nullptr, &timeout)); });
  EXPECT_GE(taken, milliseconds(30));
}

TEST_F(Wait, Errors) {
  const sigset_t set = set_of({SIGUSR1});
  const timespec negative = {.tv_sec = -1, .tv_nsec = 0};
  const timespec too_many = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_ERRNO(EINVAL, sigtimedwait(&set, nullptr, &negative));
  EXPECT_ERRNO(EINVAL, sigtimedwait(&set, nullptr, &too_many));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rt_sigtimedwait, &set, nullptr, nullptr, 4));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigtimedwait, bad_pointer<char>(), nullptr, nullptr, 8));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigtimedwait, &set, nullptr, bad_pointer<char>(), 8));
}

TEST_F(Wait, SigwaitReturnsTheNumber) {
  ASSERT_OK(raise(SIGUSR2));
  const sigset_t set = set_of({SIGUSR2});
  int signal = 0;
  EXPECT_EQ(0, sigwait(&set, &signal));
  EXPECT_EQ(SIGUSR2, signal);
}

TEST_F(Wait, TheThreadsOwnComeBeforeTheProcesses) {
  ASSERT_OK(kill(getpid(), SIGUSR1));
  ASSERT_OK(tgkill(getpid(), gettid(), SIGUSR1));
  const sigset_t set = set_of({SIGUSR1});
  // The system call itself: the C library shows SI_TKILL as SI_USER here.
  siginfo_t info;
  EXPECT_EQ(SIGUSR1, syscall(SYS_rt_sigtimedwait, &set, &info, &kNow, 8));
  EXPECT_EQ(SI_TKILL, info.si_code);
  EXPECT_EQ(SIGUSR1, syscall(SYS_rt_sigtimedwait, &set, &info, &kNow, 8));
  EXPECT_EQ(SI_USER, info.si_code);
}

class SignalFd : public Wait {
 protected:
  SignalFd() {
    const sigset_t set = set_of({SIGUSR1, SIGRTMIN});
    fd.reset(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    EXPECT_OK(fd);
  }

  Fd fd;
  signalfd_siginfo info[4] = {};
};

TEST_F(SignalFd, Flags) {
  EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
  EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(SignalFd, NothingThere) {
  EXPECT_ERRNO(EAGAIN, read(fd, info, sizeof info));
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(0, poll(&entry, 1, 0));
}

TEST_F(SignalFd, Reads) {
  ASSERT_OK(kill(getpid(), SIGUSR1));
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(1, poll(&entry, 1, 0));
  ASSERT_EQ(static_cast<ssize_t>(sizeof info[0]), read(fd, info, sizeof info));
  EXPECT_EQ(static_cast<uint32_t>(SIGUSR1), info[0].ssi_signo);
  EXPECT_EQ(SI_USER, info[0].ssi_code);
  EXPECT_EQ(static_cast<uint32_t>(getpid()), info[0].ssi_pid);
  EXPECT_EQ(getuid(), info[0].ssi_uid);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

TEST_F(SignalFd, SeveralAtOnce) {
  for (int i = 1; i <= 3; ++i) ASSERT_OK(sigqueue(getpid(), SIGRTMIN, {.sival_int = i}));
  ASSERT_EQ(static_cast<ssize_t>(3 * sizeof info[0]), read(fd, info, sizeof info));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(static_cast<uint32_t>(SIGRTMIN), info[i].ssi_signo);
    EXPECT_EQ(i + 1, info[i].ssi_int);
    EXPECT_EQ(SI_QUEUE, info[i].ssi_code);
  }
}

TEST_F(SignalFd, OnlyItsOwnSignals) {
  ASSERT_OK(kill(getpid(), SIGUSR2));
  EXPECT_ERRNO(EAGAIN, read(fd, info, sizeof info));
  EXPECT_TRUE(is_pending(SIGUSR2));
}

TEST_F(SignalFd, ItsSetCanChange) {
  ASSERT_OK(kill(getpid(), SIGUSR2));
  const sigset_t set = set_of({SIGUSR2});
  EXPECT_EQ(fd, signalfd(fd, &set, 0));
  EXPECT_EQ(static_cast<ssize_t>(sizeof info[0]), read(fd, info, sizeof info));
  EXPECT_EQ(static_cast<uint32_t>(SIGUSR2), info[0].ssi_signo);
}

TEST_F(SignalFd, WakesABlockedReader) {
  ASSERT_OK(fcntl(fd, F_SETFL, 0));
  std::thread sender([] {
    let_others_block();
    kill(getpid(), SIGUSR1);
  });
  EXPECT_EQ(static_cast<ssize_t>(sizeof info[0]), read(fd, info, sizeof info));
  sender.join();
}

TEST_F(SignalFd, WakesPoll) {
  std::thread sender([] {
    let_others_block();
    kill(getpid(), SIGUSR1);
  });
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(1, poll(&entry, 1, 20000));
  EXPECT_EQ(POLLIN, entry.revents);
  sender.join();
}

TEST_F(SignalFd, Errors) {
  const sigset_t set = set_of({SIGUSR1});
  EXPECT_ERRNO(EINVAL, read(fd, info, sizeof info[0] - 1));
  EXPECT_ERRNO(EINVAL, signalfd(-1, &set, 0x40));
  EXPECT_ERRNO(EBADF, signalfd(12345, &set, 0));
  Fd file(open("/dev/null", O_RDONLY));
  EXPECT_ERRNO(EINVAL, signalfd(file, &set, 0));
  EXPECT_ERRNO(EINVAL, syscall(SYS_signalfd4, -1, &set, 4, 0));
  EXPECT_ERRNO(EINVAL, write(fd, info, sizeof info[0]));
}

}  // namespace
}  // namespace compat
