// Signals from one process to another.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

constexpr pid_t kNobody = 4'000'000;

// A child that waits for one of `signals` and exits with what `judge` makes of it.
template <class Judge>
pid_t spawn_receiver(std::initializer_list<int> signals, Gate& ready, Judge judge) {
  const sigset_t set = set_of(signals);
  return spawn([&] {
    sigprocmask(SIG_BLOCK, &set, nullptr);
    ready.open();
    siginfo_t info{};
    while (sigwaitinfo(&set, &info) == -1) {
    }
    return static_cast<int>(judge(info));
  });
}

TEST(Kill, TellsTheSender) {
  Gate ready;
  const pid_t self = getpid();
  const pid_t pid = spawn_receiver({SIGUSR1}, ready, [=](const siginfo_t& info) {
    return info.si_code == SI_USER && info.si_pid == self && info.si_uid == getuid();
  });
  ready.pass();
  EXPECT_OK(kill(pid, SIGUSR1));
  EXPECT_EQ(1, outcome(pid));
}

TEST(Kill, ToNobody) {
  EXPECT_ERRNO(ESRCH, kill(kNobody, 0));
  EXPECT_ERRNO(ESRCH, kill(-kNobody, 0));
  EXPECT_ERRNO(EINVAL, kill(getpid(), 65));
  EXPECT_ERRNO(EINVAL, kill(getpid(), -1));
}

TEST(Kill, ToAZombie) {
  const pid_t pid = spawn([] { return 0; });
  EXPECT_TRUE(eventually([&] { return state_of(pid) == 'Z'; }));
  EXPECT_OK(kill(pid, 0));
  EXPECT_OK(kill(pid, SIGKILL));
  EXPECT_EQ(0, outcome(pid));
  EXPECT_ERRNO(ESRCH, kill(pid, 0));
}

TEST(Kill, NeedsTheRight) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t self = getpid();
  EXPECT_EQ(EPERM, run_child([=] {
              if (setuid(1000) != 0) return 0;
              return kill(self, 0) == -1 ? errno : 0;
            }));
  // The sender's real user is the receiver's.
  const pid_t pid = spawn([] { return setuid(1000) == 0 ? (pause(), 0) : 1; });
  EXPECT_TRUE(eventually([&] {
    return run_child([=] { return setuid(1000) == 0 && kill(pid, 0) == 0 ? 0 : 1; }) == 0;
  }));
  end_child(pid);
}

TEST(Kill, ContinuingIsAllowedInTheSession) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t self = getpid();
  EXPECT_EQ(0, run_child([=] {
              if (setuid(1000) != 0) return 9;
              return kill(self, SIGCONT) == -1 ? errno : 0;
            }));
  EXPECT_EQ(EPERM, run_child([=] {
              setsid();
              if (setuid(1000) != 0) return 9;
              return kill(self, SIGCONT) == -1 ? errno : 0;
            }));
}

TEST(Kill, EndsAllThreads) {
  Gate ready;
  const pid_t pid = spawn([&] {
    for (int i = 0; i < 3; ++i) std::thread([] { pause(); }).detach();
    ready.open();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  kill(pid, SIGTERM);
  EXPECT_EQ(-SIGTERM, outcome(pid));
}

TEST(Kill, CannotBeBlockedOrIgnored) {
  Gate ready;
  const pid_t pid = spawn([&] {
    signal(SIGKILL, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    ready.open();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  kill(pid, SIGKILL);
  EXPECT_EQ(-SIGKILL, outcome(pid));
}

TEST(Kill, EndsABusyProcess) {
  const pid_t pid = spawn([] {
    for (volatile int i = 0;; i = i + 1) {
    }
    return 0;
  });
  nap(20);
  kill(pid, SIGKILL);
  EXPECT_EQ(-SIGKILL, outcome(pid));
}

TEST(Kill, OfAStoppedProcessWaits) {
  Gate ready;
  const pid_t pid = spawn([&] {
    signal(SIGUSR1, [](int) { _exit(3); });
    ready.open();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  kill(pid, SIGUSR1);
  nap(30);
  EXPECT_EQ('T', state_of(pid));
  kill(pid, SIGCONT);
  EXPECT_EQ(3, outcome(pid));
}

TEST(Stop, IsCancelledByAContinuation) {
  Gate ready, gate;
  const pid_t pid = spawn([&] {
    const sigset_t set = set_of({SIGTSTP});
    sigprocmask(SIG_BLOCK, &set, nullptr);
    ready.open();
    gate.pass();
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    return 4;
  });
  ready.pass();
  kill(pid, SIGTSTP);
  kill(pid, SIGCONT);
  gate.open();
  EXPECT_EQ(4, outcome(pid));
}

TEST(Stop, MayBeCaught) {
  Gate ready;
  const pid_t pid = spawn([&] {
    signal(SIGTSTP, [](int) { _exit(5); });
    ready.open();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  kill(pid, SIGTSTP);
  EXPECT_EQ(5, outcome(pid));
}

TEST(Stop, AContinuationRunsItsHandler) {
  Gate ready;
  const pid_t pid = spawn([&] {
    signal(SIGCONT, [](int) { _exit(6); });
    ready.open();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  kill(pid, SIGCONT);
  EXPECT_EQ(6, outcome(pid));
}

TEST(Stop, StopsEveryThread) {
  Shared<std::atomic<int>> count;
  const pid_t pid = spawn([&] {
    for (int i = 0; i < 2; ++i)
      std::thread([&] {
        for (;;) {
          ++*count;
          nap(1);
        }
      }).detach();
    for (;;) pause();
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return *count > 3; }));
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  nap(20);
  const int stopped = *count;
  nap(50);
  EXPECT_EQ(stopped, *count);
  kill(pid, SIGCONT);
  EXPECT_TRUE(eventually([&] { return *count > stopped; }));
  end_child(pid);
}

// restart_syscall(2): the rest of the time is slept after a stop.
TEST(Stop, DoesNotEndASleepEarly) {
  Gate ready;
  const pid_t pid = spawn([&] {
    timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    ready.open();
    const timespec time{0, 300'000'000};
    const int result = nanosleep(&time, nullptr);
    clock_gettime(CLOCK_MONOTONIC, &after);
    const long passed =
        (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1'000'000;
    return result != 0 ? 1 : passed < 300 ? 2 : 0;
  });
  ready.pass();
  nap(30);
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  kill(pid, SIGCONT);
  EXPECT_EQ(0, outcome(pid));
}

TEST(Stop, DoesNotInterruptAPoll) {
  Gate ready;
  const pid_t pid = spawn([&] {
    ready.open();
    return poll(nullptr, 0, 200) == 0 ? 0 : errno;
  });
  ready.pass();
  nap(30);
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  kill(pid, SIGCONT);
  EXPECT_EQ(0, outcome(pid));
}

// --- queues

TEST(Queue, CarriesValues) {
  Gate ready;
  const pid_t pid = spawn_receiver({SIGRTMIN}, ready, [](const siginfo_t& info) {
    return info.si_code == SI_QUEUE ? info.si_value.sival_int : 0;
  });
  ready.pass();
  EXPECT_OK(sigqueue(pid, SIGRTMIN, {.sival_int = 91}));
  EXPECT_EQ(91, outcome(pid));
}

TEST(Queue, KeepsOrderBetweenProcesses) {
  Gate ready, gate;
  const pid_t pid = spawn([&] {
    const sigset_t set = set_of({SIGRTMIN, SIGRTMIN + 1});
    sigprocmask(SIG_BLOCK, &set, nullptr);
    ready.open();
    gate.pass();
    const int expected[][2] = {{SIGRTMIN, 2}, {SIGRTMIN, 4}, {SIGRTMIN + 1, 1}, {SIGRTMIN + 1, 3}};
    for (const auto& [signal, value] : expected) {
      siginfo_t info{};
      if (sigwaitinfo(&set, &info) != signal || info.si_value.sival_int != value) return 1;
    }
    return 0;
  });
  ready.pass();
  sigqueue(pid, SIGRTMIN + 1, {.sival_int = 1});
  sigqueue(pid, SIGRTMIN, {.sival_int = 2});
  sigqueue(pid, SIGRTMIN + 1, {.sival_int = 3});
  sigqueue(pid, SIGRTMIN, {.sival_int = 4});
  gate.open();
  EXPECT_EQ(0, outcome(pid));
}

TEST(Queue, IsLimited) {
  Gate ready, gate;
  const pid_t pid = spawn([&] {
    const sigset_t set = set_of({SIGRTMIN});
    sigprocmask(SIG_BLOCK, &set, nullptr);
    const rlimit limit{3, 3};
    setrlimit(RLIMIT_SIGPENDING, &limit);
    int sent = 0;
    while (sent < 10 && sigqueue(getpid(), SIGRTMIN, {}) == 0) ++sent;
    return sent <= 3 && errno == EAGAIN ? 0 : 1;
  });
  EXPECT_EQ(0, outcome(pid));
}

TEST(Thread, OfAnotherProcessMayBeMeant) {
  Gate ready;
  Shared<pid_t> thread;
  const pid_t pid = spawn([&] {
    static pid_t expected;
    signal(SIGUSR1, [](int) { _exit(gettid() == expected ? 8 : 9); });
    std::thread([&] {
      *thread = expected = gettid();
      ready.open();
      for (;;) pause();
    }).detach();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  EXPECT_ERRNO(ESRCH, syscall(SYS_tgkill, getpid(), *thread, SIGUSR1));
  EXPECT_EQ(0, syscall(SYS_tgkill, pid, *thread, SIGUSR1));
  EXPECT_EQ(8, outcome(pid));
}

// --- pipes

TEST(Pipe, EndsAWriterWithoutReaders) {
  EXPECT_EQ(-SIGPIPE, run_child([] {
    int ends[2];
    if (pipe(ends) != 0) return 9;
    close(ends[0]);
    return write(ends[1], "x", 1) == 1 ? 0 : 1;
  }));
}

TEST(Pipe, BreaksWhenTheReaderEnds) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader = ends[0], writer = ends[1];
  const pid_t pid = spawn([&] {
    char byte;
    return read(reader, &byte, 1) == 1 ? 0 : 1;
  });
  reader.reset();
  EXPECT_EQ(1, write(writer, "x", 1));
  EXPECT_EQ(0, outcome(pid));
  ScopedAction ignore(SIGPIPE, SIG_IGN);
  EXPECT_ERRNO(EPIPE, write(writer, "x", 1));
}

TEST(Pipe, EndsForTheReaderWithTheLastWriter) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader = ends[0], writer = ends[1];
  const pid_t pid = spawn([&] { return nap(50), 0; });
  writer.reset();
  char byte;
  EXPECT_EQ(0, read(reader, &byte, 1));
  EXPECT_EQ(0, outcome(pid));
}

// --- memory that is gone

TEST(Bus, BeyondTheEndOfAFile) {
  TempDir dir;
  write_file(dir / "f", std::string(2 * kPage, 'x'));
  Fd fd = open((dir / "f").c_str(), O_RDWR);
  char* at = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ, MAP_SHARED, fd, 0));
  EXPECT_EQ('x', run_child([&] { return at[kPage]; }));
  ASSERT_OK(ftruncate(fd, kPage));
  EXPECT_EQ(-SIGBUS, run_child([&] { return at[kPage]; }));
  EXPECT_EQ('x', run_child([&] { return at[0]; }));
  munmap(at, 2 * kPage);
}

TEST(Bus, TheFileShrinksUnderAnother) {
  TempDir dir;
  write_file(dir / "f", std::string(kPage, 'x'));
  Fd fd = open((dir / "f").c_str(), O_RDWR);
  Gate ready, gate;
  const pid_t pid = spawn([&] {
    volatile char* at = static_cast<char*>(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 0));
    const char before = at[0];
    ready.open();
    gate.pass();
    return before == 'x' ? at[0] : 1;
  });
  ready.pass();
  ASSERT_OK(ftruncate(fd, 0));
  gate.open();
  EXPECT_EQ(-SIGBUS, outcome(pid));
}

}  // namespace
}  // namespace compat
