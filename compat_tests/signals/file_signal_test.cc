// Signals about files: O_ASYNC, F_SETOWN, F_SETSIG (fcntl(2)).
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

const int kQueued = SIGRTMIN + 3;
constexpr int kFioSetOwner = 0x8901, kSiocSetGroup = 0x8902;
constexpr int kFioGetOwner = 0x8903, kSiocGetGroup = 0x8904;

class FileSignal : public testing::Test {
 protected:
  FileSignal() {
    int ends[2];
    EXPECT_OK(pipe(ends));
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
  }
  // Whatever was not waited for, and the news that the ends are closed.
  ~FileSignal() override {
    writer_.reset();
    reader_.reset();
    while (next_or_none().si_signo != 0) {
    }
  }
  static siginfo_t wait_at_most(timespec time) {
    const sigset_t set = set_of({SIGIO, SIGCHLD, kQueued});
    siginfo_t info = {};
    if (sigtimedwait(&set, &info, &time) < 0) info.si_signo = 0;
    return info;
  }
  static siginfo_t next() { return wait_at_most({20, 0}); }
  static siginfo_t next_or_none() { return wait_at_most({0, 0}); }

  // From now on, this process gets `signal` (0: SIGIO, and nothing about it).
  static void watch(int fd, int signal) {
    EXPECT_OK(fcntl(fd, F_SETOWN, getpid()));
    EXPECT_OK(fcntl(fd, F_SETSIG, signal));
    EXPECT_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
  }
  void put(char byte = 'x') { EXPECT_EQ(1, write(writer_, &byte, 1)); }
  void take() {
    char byte;
    EXPECT_EQ(1, read(reader_, &byte, 1));
  }
  static void expect(int signal, int code, long band, int fd, const siginfo_t& info) {
    EXPECT_EQ(signal, info.si_signo);
    EXPECT_EQ(code, info.si_code);
    EXPECT_EQ(band, info.si_band);
    EXPECT_EQ(fd, info.si_fd);
  }
  static void expect_input(int fd, const siginfo_t& info) {
    expect(kQueued, POLL_IN, POLLIN | POLLRDNORM, fd, info);
  }
  static void expect_output(int fd, const siginfo_t& info) {
    expect(kQueued, POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND, fd, info);
  }

  Blocked blocked_{SIGIO, SIGCHLD, kQueued};
  Fd reader_, writer_;
};

TEST_F(FileSignal, SigioTellsNothingByDefault) {
  watch(reader_, 0);
  put();
  const siginfo_t info = next_or_none();
  EXPECT_EQ(SIGIO, info.si_signo);
  EXPECT_EQ(SI_KERNEL, info.si_code);
  EXPECT_EQ(0, info.si_fd);
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, SigioThatWasAskedForTells) {
  watch(reader_, SIGIO);
  put();
  expect(SIGIO, POLL_IN, POLLIN | POLLRDNORM, reader_, next_or_none());
}

TEST_F(FileSignal, EachWriteIsQueued) {
  watch(reader_, kQueued);
  put();
  put();
  expect_input(reader_, next_or_none());
  expect_input(reader_, next_or_none());
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, WritersLearnOfRoom) {
  put();
  watch(writer_, kQueued);
  EXPECT_EQ(0, next_or_none().si_signo);
  take();
  expect_output(writer_, next_or_none());
}

TEST_F(FileSignal, ReadersLearnOfTheEnd) {
  watch(reader_, kQueued);
  writer_.reset();
  expect_input(reader_, next_or_none());
}

TEST_F(FileSignal, WritersLearnOfTheEnd) {
  watch(writer_, kQueued);
  reader_.reset();
  expect_output(writer_, next_or_none());
}

TEST_F(FileSignal, SignalsWithCodesOfTheirOwnSaySo) {
  watch(reader_, SIGCHLD);
  put();
  expect(SIGCHLD, SI_SIGIO, POLLIN | POLLRDNORM, reader_, next_or_none());
}

TEST_F(FileSignal, ComesWhileTheOwnerSleeps) {
  watch(reader_, kQueued);
  const pid_t child = fork();
  if (child == 0) {
    put();
    _exit(0);
  }
  siginfo_t info = next();
  if (info.si_signo == SIGCHLD) info = next();  // the child may be faster
  expect_input(reader_, info);
  EXPECT_OK(waitpid(child, nullptr, 0));
}

TEST_F(FileSignal, HandlersRunBeforeTheCallReturns) {
  record.count = 0;
  ScopedAction action(kQueued, record_signal);
  watch(reader_, kQueued);
  const sigset_t set = set_of({kQueued});
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  put();
  EXPECT_EQ(1u, record.count);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

TEST_F(FileSignal, EndsWithTheFlag) {
  watch(reader_, kQueued);
  EXPECT_OK(fcntl(reader_, F_SETFL, 0));
  put();
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, EndsWithTheOwner) {
  watch(reader_, kQueued);
  EXPECT_OK(fcntl(reader_, F_SETOWN, 0));
  put();
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, EndsWithTheFile) {
  watch(reader_, kQueued);
  reader_.reset();
  signal(SIGPIPE, SIG_IGN);
  EXPECT_ERRNO(EPIPE, write(writer_, "x", 1));
  signal(SIGPIPE, SIG_DFL);
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, OutlivesTheDescriptor) {
  watch(reader_, kQueued);
  const int number = reader_;
  Fd copy = dup(reader_);
  reader_.reset();
  put();
  expect_input(number, next_or_none());
}

TEST_F(FileSignal, TellsTheDescriptorThatTurnedItOn) {
  Fd copy = dup(reader_);
  EXPECT_OK(fcntl(reader_, F_SETOWN, getpid()));
  EXPECT_OK(fcntl(reader_, F_SETSIG, kQueued));
  EXPECT_OK(fcntl(copy, F_SETFL, O_ASYNC));
  put();
  expect_input(copy, next_or_none());
}

TEST_F(FileSignal, IoctlTurnsItOnAndOff) {
  EXPECT_OK(fcntl(reader_, F_SETOWN, getpid()));
  int on = 1, off = 0;
  ASSERT_OK(ioctl(reader_, FIOASYNC, &on));
  EXPECT_TRUE(fcntl(reader_, F_GETFL) & O_ASYNC);
  put();
  EXPECT_EQ(SIGIO, next_or_none().si_signo);
  ASSERT_OK(ioctl(reader_, FIOASYNC, &off));
  EXPECT_FALSE(fcntl(reader_, F_GETFL) & O_ASYNC);
  put();
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, OtherFilesCannot) {
  int on = 1;
  TempDir dir;
  const Fd file = open((dir / "file").c_str(), O_RDWR | O_CREAT, 0600);
  EXPECT_ERRNO(ENOTTY, ioctl(file, FIOASYNC, &on));
  EXPECT_OK(fcntl(file, F_SETFL, O_ASYNC));
  const Fd counter = eventfd(0, 0);
  EXPECT_ERRNO(ENOTTY, ioctl(counter, FIOASYNC, &on));
  EXPECT_OK(fcntl(counter, F_SETOWN, getpid()));
  EXPECT_EQ(getpid(), fcntl(counter, F_GETOWN));
}

TEST_F(FileSignal, OpeningWithTheFlagDoesNothing) {
  TempDir dir;
  const std::string path = dir / "fifo";
  ASSERT_OK(mkfifo(path.c_str(), 0600));
  const Fd fifo = open(path.c_str(), O_RDWR | O_ASYNC);
  EXPECT_OK(fcntl(fifo, F_SETOWN, getpid()));
  EXPECT_EQ(1, write(fifo, "x", 1));
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, BothEndsOfAFifoInOne) {
  TempDir dir;
  const std::string path = dir / "fifo";
  ASSERT_OK(mkfifo(path.c_str(), 0600));
  const Fd fifo = open(path.c_str(), O_RDWR);
  watch(fifo, kQueued);
  EXPECT_EQ(1, write(fifo, "x", 1));
  expect_input(fifo, next_or_none());
  char byte;
  EXPECT_EQ(1, read(fifo, &byte, 1));
  expect_output(fifo, next_or_none());
}

TEST_F(FileSignal, OpeningAFifoIsNoNews) {
  TempDir dir;
  const std::string path = dir / "fifo";
  ASSERT_OK(mkfifo(path.c_str(), 0600));
  const Fd fifo = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  watch(fifo, kQueued);
  Fd other = open(path.c_str(), O_WRONLY);
  EXPECT_EQ(0, next_or_none().si_signo);
  other.reset();
  expect_input(fifo, next_or_none());
}

TEST_F(FileSignal, FullQueuesFallBackToSigio) {
  rlimit old;
  ASSERT_OK(getrlimit(RLIMIT_SIGPENDING, &old));
  const rlimit none{0, old.rlim_max};
  watch(reader_, kQueued);
  ASSERT_OK(setrlimit(RLIMIT_SIGPENDING, &none));
  put();
  EXPECT_OK(setrlimit(RLIMIT_SIGPENDING, &old));
  const siginfo_t info = next_or_none();
  EXPECT_EQ(SIGIO, info.si_signo);
}

// --- owners

TEST_F(FileSignal, AThreadCanOwn) {
  const f_owner_ex owner = {F_OWNER_TID, gettid()};
  EXPECT_OK(fcntl(reader_, F_SETOWN_EX, &owner));
  EXPECT_OK(fcntl(reader_, F_SETSIG, kQueued));
  EXPECT_OK(fcntl(reader_, F_SETFL, O_ASYNC));
  in_thread([&] {
    put();
    EXPECT_EQ(0, next_or_none().si_signo) << "another thread's";
  });
  expect_input(reader_, next_or_none());
}

TEST_F(FileSignal, AGroupCanOwn) {
  int answers[2];
  ASSERT_OK(pipe(answers));
  const pid_t child = fork();
  if (child == 0) {
    if (setpgid(0, 0) != 0 || write(answers[1], "r", 1) != 1) _exit(1);
    _exit(next().si_signo == kQueued ? 0 : 2);
  }
  char byte;
  EXPECT_EQ(1, read(answers[0], &byte, 1));
  EXPECT_OK(fcntl(reader_, F_SETOWN, -child));
  EXPECT_EQ(-child, fcntl(reader_, F_GETOWN));
  EXPECT_OK(fcntl(reader_, F_SETSIG, kQueued));
  EXPECT_OK(fcntl(reader_, F_SETFL, O_ASYNC));
  put();
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_EQ(SIGCHLD, next_or_none().si_signo) << "only of the child";
  close(answers[0]);
  close(answers[1]);
}

TEST_F(FileSignal, OwnersThatAreGoneAreNotTold) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  EXPECT_OK(fcntl(reader_, F_SETOWN, child));
  EXPECT_EQ(child, fcntl(reader_, F_GETOWN));
  kill(child, SIGKILL);
  EXPECT_OK(waitpid(child, nullptr, 0));
  EXPECT_EQ(0, fcntl(reader_, F_GETOWN));
  f_owner_ex owner = {};
  EXPECT_OK(fcntl(reader_, F_GETOWN_EX, &owner));
  EXPECT_EQ(F_OWNER_PID, owner.type);
  EXPECT_EQ(0, owner.pid);
}

TEST_F(FileSignal, IsSentWithTheRightOfWhoNamedTheOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "needs another user";
  EXPECT_OK(fcntl(reader_, F_SETSIG, kQueued));
  EXPECT_OK(fcntl(reader_, F_SETFL, O_ASYNC));
  in_thread([&] {
    EXPECT_OK(syscall(SYS_setresuid, 4321, 4321, 4321));
    EXPECT_OK(fcntl(reader_, F_SETOWN, getpid()));
  });
  put();
  EXPECT_EQ(0, next_or_none().si_signo);
}

TEST_F(FileSignal, SocketsNameTheirOwnerByIoctl) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  int owner = getpid(), answer = -1;
  ASSERT_OK(ioctl(fd, kSiocSetGroup, &owner));
  EXPECT_OK(ioctl(fd, kSiocGetGroup, &answer));
  EXPECT_EQ(getpid(), answer);
  EXPECT_EQ(getpid(), fcntl(fd, F_GETOWN));
  owner = -getpgrp();
  if (getpgrp() == 0) owner = 0;
  ASSERT_OK(ioctl(fd, kFioSetOwner, &owner));
  EXPECT_OK(ioctl(fd, kFioGetOwner, &answer));
  EXPECT_EQ(owner, answer);
  owner = 0x3fffffff;
  EXPECT_ERRNO(ESRCH, ioctl(fd, kSiocSetGroup, &owner));
  EXPECT_ERRNO(ENOTTY, ioctl(reader_, kSiocSetGroup, &owner));
}

// --- what else tells

TEST_F(FileSignal, Inotify) {
  TempDir dir;
  const Fd events = inotify_init1(IN_NONBLOCK);
  ASSERT_OK(inotify_add_watch(events, dir.path().c_str(), IN_CREATE));
  watch(events, kQueued);
  write_file(dir / "new", "");
  expect_input(events, next_or_none());
}

class Terminal : public FileSignal {
 protected:
  Terminal() {
    int master, slave;
    EXPECT_OK(openpty(&master, &slave, nullptr, nullptr, nullptr));
    master_.reset(master);
    slave_.reset(slave);
  }
  Fd master_, slave_;
};

TEST_F(Terminal, TellsOfWholeLines) {
  watch(slave_, kQueued);
  EXPECT_EQ(3, write(master_, "abc", 3));
  sleep_for(milliseconds(20));
  EXPECT_EQ(0, next_or_none().si_signo);
  EXPECT_EQ(1, write(master_, "\n", 1));
  expect_input(slave_, next());
}

TEST_F(Terminal, TellsTheMasterOfOutput) {
  watch(master_, kQueued);
  EXPECT_EQ(3, write(slave_, "abc", 3));
  expect_input(master_, next());
}

TEST_F(Terminal, IsOwnedByWhoTurnsItOn) {
  EXPECT_EQ(0, fcntl(slave_, F_GETOWN));
  EXPECT_OK(fcntl(slave_, F_SETFL, O_RDWR | O_ASYNC));
  EXPECT_EQ(getpid(), fcntl(slave_, F_GETOWN));
}

TEST_F(Terminal, IsOwnedByItsForegroundGroup) {
  const pid_t child = fork();
  if (child == 0) {
    if (setsid() < 0 || ioctl(slave_, TIOCSCTTY, 0) != 0) _exit(1);
    if (fcntl(slave_, F_SETFL, O_RDWR | O_ASYNC) != 0) _exit(2);
    _exit(fcntl(slave_, F_GETOWN) == -getpid() ? 0 : 3);
  }
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, WEXITSTATUS(status));
}

}  // namespace
}  // namespace compat
