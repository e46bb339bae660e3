// fork(2), vfork(2), clone(2), clone3(2): what a child has, and what it has not.
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>

#include <thread>
#include <vector>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

TEST(Fork, GivesAChildItsParent) {
  const pid_t self = getpid();
  EXPECT_EQ(1, run_child([&] { return getppid() == self && getpid() != self; }));
}

TEST(Fork, ReturnsTheChildsNumber) {
  Shared<pid_t> number;
  const pid_t pid = spawn([&] {
    *number = getpid();
    return 0;
  });
  EXPECT_EQ(0, outcome(pid));
  EXPECT_EQ(pid, *number);
}

TEST(Fork, CopiesMemory) {
  static volatile int value;
  value = 1;
  EXPECT_EQ(1, run_child([] {
              const int seen = value;
              value = 2;
              return seen;
            }));
  EXPECT_EQ(1, value);
}

TEST(Fork, CopiesWhatTheParentWroteLast) {
  std::vector<char> large(1 << 20, 'a');
  const pid_t pid = spawn([&] {
    nap(50);
    for (const char c : large)
      if (c != 'a') return 1;
    return 0;
  });
  for (char& c : large) c = 'b';
  EXPECT_EQ(0, outcome(pid));
}

TEST(Fork, SharesSharedMappings) {
  Shared<std::atomic<int>> value;
  EXPECT_EQ(0, run_child([&] {
              *value = 7;
              return 0;
            }));
  EXPECT_EQ(7, value->load());
}

TEST(Fork, LeavesOutWhatAdviceSays) {
  char* at = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  at[0] = at[kPage] = 'x';
  ASSERT_OK(madvise(at, kPage, MADV_DONTFORK));
  ASSERT_OK(madvise(at + kPage, kPage, MADV_WIPEONFORK));
  EXPECT_EQ(0, run_child([&] { return at[kPage]; }));
  EXPECT_EQ(-SIGSEGV, run_child([&] { return at[0]; }));
  EXPECT_EQ('x', at[kPage]);
  munmap(at, 2 * kPage);
}

TEST(Fork, SharesOpenFiles) {
  TempDir dir;
  write_file(dir / "f", "0123456789");
  Fd fd = open((dir / "f").c_str(), O_RDONLY);
  EXPECT_EQ(0, run_child([&] { return lseek(fd, 4, SEEK_SET) == 4 ? 0 : 1; }));
  EXPECT_EQ(4, position(fd));
}

TEST(Fork, CopiesTheTableOfDescriptors) {
  Fd fd = open("/dev/null", O_RDONLY);
  EXPECT_EQ(0, run_child([&] { return close(fd); }));
  EXPECT_OK(fcntl(fd, F_GETFD));
}

TEST(Fork, KeepsCloseOnExec) {
  Fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(FD_CLOEXEC, run_child([&] { return fcntl(fd, F_GETFD); }));
}

TEST(Fork, KeepsMaskAndActions) {
  Blocked blocked({SIGUSR1});
  ScopedAction ignore(SIGUSR2, SIG_IGN);
  ScopedAction handle(SIGHUP, record_signal);
  record.count = 0;
  EXPECT_EQ(7, run_child([] {
              struct sigaction action;
              sigaction(SIGUSR2, nullptr, &action);
              raise(SIGHUP);
              return is_blocked(SIGUSR1) + 2 * (action.sa_handler == SIG_IGN) +
                     4 * (record.count == 1);
            }));
  EXPECT_EQ(0u, record.count);
}

TEST(Fork, StartsWithoutPendingSignals) {
  Blocked blocked({SIGUSR1});
  raise(SIGUSR1);
  EXPECT_EQ(0, run_child([] { return is_pending(SIGUSR1); }));
  EXPECT_TRUE(is_pending(SIGUSR1));
  const sigset_t set = set_of({SIGUSR1});
  EXPECT_EQ(SIGUSR1, sigwaitinfo(&set, nullptr));
}

TEST(Fork, StartsWithoutAnAlarm) {
  alarm(100);
  EXPECT_EQ(0, run_child([] { return alarm(0); }));
  EXPECT_LT(90u, alarm(0));
}

TEST(Fork, StartsWithoutTimers) {
  const itimerval value{{0, 0}, {100, 0}};
  ASSERT_OK(setitimer(ITIMER_VIRTUAL, &value, nullptr));
  EXPECT_EQ(0, run_child([] {
              itimerval left;
              getitimer(ITIMER_VIRTUAL, &left);
              return left.it_value.tv_sec;
            }));
  const itimerval none{};
  setitimer(ITIMER_VIRTUAL, &none, nullptr);
}

TEST(Fork, StartsWithoutTimerObjects) {
  sigevent event{};
  event.sigev_notify = SIGEV_NONE;
  timer_t timer;
  ASSERT_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  EXPECT_EQ(EINVAL, run_child([&] {
              itimerspec value;
              return timer_gettime(timer, &value) == -1 ? errno : 0;
            }));
  EXPECT_OK(timer_delete(timer));
}

TEST(Fork, StartsItsTimesAtZero) {
  const clock_t start = clock();
  while (clock() - start < CLOCKS_PER_SEC / 10) {
  }
  EXPECT_EQ(0, run_child([] {
              tms used;
              times(&used);
              return used.tms_utime + used.tms_stime + used.tms_cutime > 5 ? 1 : 0;
            }));
}

TEST(Fork, KeepsDirectoryAndMask) {
  TempDir dir;
  const std::string before = canonicalize_file_name(".");
  EXPECT_EQ(3, run_child([&] {
              const mode_t old = umask(0777);
              const bool same = canonicalize_file_name(".") == before;
              return chdir(dir.path().c_str()) == 0 ? same + 2 * (old != 0777) : 0;
            }));
  EXPECT_EQ(before, canonicalize_file_name("."));
  const mode_t mask = umask(022);
  umask(mask);
  EXPECT_NE(0777u, mask);
}

TEST(Fork, KeepsLimitsAndNiceness) {
  EXPECT_EQ(5, run_child([] {
              const rlimit limit{99, 99};
              setrlimit(RLIMIT_NOFILE, &limit);
              setpriority(PRIO_PROCESS, 0, 5);
              return run_child([] {
                rlimit seen;
                getrlimit(RLIMIT_NOFILE, &seen);
                return seen.rlim_cur == 99 ? getpriority(PRIO_PROCESS, 0) : 0;
              });
            }));
}

TEST(Fork, KeepsGroupAndSession) {
  const pid_t group = getpgrp(), session = getsid(0);
  EXPECT_EQ(1, run_child([&] { return getpgrp() == group && getsid(0) == session; }));
}

TEST(Fork, HasNoRecordLocks) {
  TempDir dir;
  write_file(dir / "f", "x");
  Fd fd = open((dir / "f").c_str(), O_RDWR);
  struct flock lock{F_WRLCK, SEEK_SET, 0, 1, 0};
  ASSERT_OK(fcntl(fd, F_SETLK, &lock));
  EXPECT_EQ(EAGAIN, run_child([&] { return fcntl(fd, F_SETLK, &lock) == -1 ? errno : 0; }));
}

TEST(Fork, SharesLocksOfOpenFiles) {
  TempDir dir;
  write_file(dir / "f", "x");
  Fd fd = open((dir / "f").c_str(), O_RDWR), other = open((dir / "f").c_str(), O_RDWR);
  ASSERT_OK(flock(fd, LOCK_EX));
  EXPECT_EQ(0, run_child([&] { return flock(fd, LOCK_EX | LOCK_NB); }));
  EXPECT_EQ(0, run_child([&] { return flock(fd, LOCK_UN); }));
  EXPECT_OK(flock(other, LOCK_EX | LOCK_NB));
}

TEST(Fork, HasNoLockedMemory) {
  void* at = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_OK(mlock(at, kPage));
  // MADV_DONTNEED refuses locked memory.
  EXPECT_ERRNO(EINVAL, madvise(at, kPage, MADV_DONTNEED));
  EXPECT_EQ(0, run_child([&] { return madvise(at, kPage, MADV_DONTNEED); }));
  munmap(at, kPage);
}

TEST(Fork, CopiesTheCallingThreadOnly) {
  Gate gate;
  std::thread other([&] { gate.pass(); });
  EXPECT_EQ(1, run_child([] {
              int count = 0;
              FILE* file = fopen("/proc/self/status", "re");
              char line[256];
              while (fgets(line, sizeof line, file) != nullptr) sscanf(line, "Threads: %d", &count);
              return count;
            }));
  gate.open();
  other.join();
}

TEST(Fork, FromAThreadMakesItTheOnlyOne) {
  int result = -1;
  std::thread([&] { result = run_child([] { return gettid() == getpid(); }); }).join();
  EXPECT_EQ(1, result);
}

TEST(Fork, ManyTimes) {
  for (int i = 0; i < 200; ++i) ASSERT_EQ(i % 100, run_child([&] { return i % 100; }));
}

TEST(Fork, Deeply) {
  EXPECT_EQ(
      3, run_child([] {
        return run_child([] { return run_child([] { return run_child([] { return 3; }); }); });
      }));
}

// --- vfork

TEST(Vfork, SharesMemoryAndWaits) {
  static volatile int value;
  value = 0;
  const pid_t pid = vfork();
  if (pid == 0) {
    value = 5;
    _exit(6);
  }
  EXPECT_EQ(5, value);
  EXPECT_EQ(6, outcome(pid));
}

TEST(Vfork, WaitsForAKilledChild) {
  const pid_t pid = vfork();
  if (pid == 0) {
    kill(getpid(), SIGKILL);
    _exit(1);
  }
  EXPECT_EQ(-SIGKILL, outcome(pid));
}

// --- clone

constexpr size_t kStackSize = 64 * 1024;

// clone(3) with a stack of its own.
template <class Body>
pid_t clone_with(int flags, Body& body, void* parent_tid = nullptr, void* child_tid = nullptr) {
  static char* stack = static_cast<char*>(mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
  return clone([](void* argument) { return static_cast<int>((*static_cast<Body*>(argument))()); },
               stack + kStackSize, flags, &body, parent_tid, nullptr, child_tid);
}

TEST(Clone, MayShareMemory) {
  int value = 0;
  auto body = [&] {
    value = 3;
    return 0;
  };
  EXPECT_EQ(0, outcome(clone_with(CLONE_VM | SIGCHLD, body)));
  EXPECT_EQ(3, value);
}

TEST(Clone, MayShareDescriptors) {
  Fd fd = open("/dev/null", O_RDONLY);
  auto body = [&] { return close(fd); };
  EXPECT_EQ(0, outcome(clone_with(CLONE_FILES | SIGCHLD, body)));
  EXPECT_ERRNO(EBADF, fcntl(fd, F_GETFD));
  fd.release();
}

TEST(Clone, MayShareDirectoryAndMask) {
  const mode_t old = umask(022);
  auto body = [&] { return umask(077), 0; };
  EXPECT_EQ(0, outcome(clone_with(CLONE_FS | SIGCHLD, body)));
  EXPECT_EQ(077u, umask(old));
}

TEST(Clone, MayShareHandlers) {
  ScopedAction before(SIGUSR1, SIG_DFL);
  auto body = [&] { return signal(SIGUSR1, SIG_IGN) == SIG_ERR; };
  EXPECT_EQ(0, outcome(clone_with(CLONE_VM | CLONE_SIGHAND | SIGCHLD, body)));
  struct sigaction action;
  sigaction(SIGUSR1, nullptr, &action);
  EXPECT_EQ(SIG_IGN, action.sa_handler);
}

TEST(Clone, StoresNumbers) {
  Shared<pid_t> parent, child;
  *child = -1;
  auto body = [&] { return *child == getpid() ? 0 : 1; };
  const pid_t pid =
      clone_with(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, body, &*parent, &*child);
  EXPECT_EQ(pid, *parent);
  EXPECT_EQ(0, outcome(pid));
}

TEST(Clone, ClearsItsNumberAtTheEnd) {
  pid_t number = 77;
  auto body = [&] { return 0; };
  EXPECT_EQ(0,
            outcome(clone_with(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, body, nullptr, &number)));
  EXPECT_EQ(0, number);
}

TEST(Clone, MayMakeASibling) {
  // Not by a child of ours: the first process, which the check is in the guest, may not.
  EXPECT_EQ(0, run_child([] {
              const pid_t self = getpid();
              Shared<pid_t> sibling, parent;
              const int refused = run_child([&] {
                auto body = [&] { return *parent = getppid(), 0; };
                *sibling = clone_with(CLONE_PARENT | SIGCHLD, body);
                return waitpid(*sibling, nullptr, 0) == -1 && errno == ECHILD ? 0 : 1;
              });
              if (refused != 0) return 1;
              return outcome(*sibling) == 0 && *parent == self ? 0 : 2;
            }));
}

TEST(Clone, EndsWithTheSignalItWasGiven) {
  ScopedAction handle(SIGUSR1, record_signal);
  record.count = 0;
  auto body = [] { return 4; };
  const pid_t pid = clone_with(SIGUSR1, body);
  EXPECT_EQ(-1, waitpid(pid, nullptr, 0));
  EXPECT_EQ(ECHILD, errno);
  int status = 0;
  while (waitpid(pid, &status, __WCLONE) == -1 && errno == EINTR) {
  }
  EXPECT_EQ(4, WEXITSTATUS(status));
  EXPECT_TRUE(eventually([] { return record.count == 1; }));
  EXPECT_EQ(CLD_EXITED, record.entries[0].code);
}

TEST(Clone, MayEndSilently) {
  auto body = [] { return 5; };
  const pid_t pid = clone_with(0, body);
  int status = 0;
  EXPECT_EQ(pid, waitpid(pid, &status, __WALL));
  EXPECT_EQ(5, WEXITSTATUS(status));
}

TEST(Clone, MakesAProcessDescriptor) {
  int pidfd = -1;
  auto body = [] { return 8; };
  const pid_t pid = clone_with(CLONE_PIDFD | SIGCHLD, body, &pidfd);
  ASSERT_GE(pidfd, 0);
  EXPECT_EQ(FD_CLOEXEC, fcntl(pidfd, F_GETFD));
  siginfo_t info{};
  EXPECT_OK(waitid(P_PIDFD, pidfd, &info, WEXITED));
  EXPECT_EQ(pid, info.si_pid);
  close(pidfd);
}

TEST(Clone, RefusesContradictions) {
  auto body = [] { return 0; };
  EXPECT_ERRNO(EINVAL, clone_with(CLONE_SIGHAND | SIGCHLD, body));
  EXPECT_ERRNO(EINVAL, clone_with(CLONE_THREAD | SIGCHLD, body));
  EXPECT_ERRNO(EINVAL, clone_with(CLONE_FS | CLONE_NEWNS | SIGCHLD, body));
  int word;
  EXPECT_ERRNO(EINVAL, clone_with(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, body, &word));
}

TEST(Clone3, ClearsHandlers) {
  ScopedAction handle(SIGUSR1, record_signal);
  ScopedAction ignore(SIGUSR2, SIG_IGN);
  clone_args arguments{};
  arguments.flags = CLONE_CLEAR_SIGHAND;
  arguments.exit_signal = SIGCHLD;
  fflush(stdout);
  const pid_t pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) {
    struct sigaction one, two;
    sigaction(SIGUSR1, nullptr, &one);
    sigaction(SIGUSR2, nullptr, &two);
    _exit((one.sa_handler == SIG_DFL) + 2 * (two.sa_handler == SIG_IGN));
  }
  EXPECT_EQ(3, outcome(pid));
}

// A child with a number of one's choice; minus the error.
long clone_as(pid_t number, size_t count = 1) {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<uintptr_t>(&number);
  arguments.set_tid_size = count;
  fflush(stdout);
  const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(getpid() == number ? 6 : 7);
  return pid < 0 ? -errno : pid;
}

TEST(Clone3, MayChooseTheNumber) {
  if (geteuid() != 0) GTEST_SKIP() << "needs privileges";
  // One that has just been free.
  const pid_t free = spawn([] { return 0; });
  EXPECT_EQ(-EEXIST, clone_as(free)) << "not before it is waited for";
  EXPECT_EQ(0, outcome(free));
  ASSERT_EQ(free, clone_as(free));
  EXPECT_EQ(6, outcome(free));
  EXPECT_EQ(-EEXIST, clone_as(getpid()));
  EXPECT_EQ(-EINVAL, clone_as(0));
  EXPECT_EQ(-EINVAL, clone_as(-5));
  EXPECT_EQ(-EINVAL, clone_as(free, 33));
  EXPECT_EQ(EPERM, run_child([=] {
              if (setuid(1000) != 0) return 1;
              return int(-clone_as(free));
            }));
  // Numbers that come later go around it. Natively, others of the machine may be faster to take
  // one.
  pid_t ahead = free + 5;
  long made = clone_as(ahead);
  for (int tries = 0; made == -EEXIST && tries < 100; ++tries) made = clone_as(ahead += 5);
  ASSERT_EQ(ahead, made);
  for (int i = 0; i < 10; ++i) {
    const pid_t next = spawn([] { return 0; });
    EXPECT_NE(ahead, next);
    EXPECT_EQ(0, outcome(next));
  }
  EXPECT_EQ(6, outcome(ahead));
}

TEST(Clone3, ChecksItsArguments) {
  clone_args arguments{};
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, 8));
  EXPECT_ERRNO(EFAULT, syscall(SYS_clone3, bad_pointer<void>(), sizeof arguments));
  arguments.exit_signal = 65;
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, sizeof arguments));
  arguments.exit_signal = SIGCHLD;
  arguments.stack_size = 4096;
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, sizeof arguments));
}

}  // namespace
}  // namespace compat
