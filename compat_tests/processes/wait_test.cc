// wait4(2), waitid(2), SIGCHLD: how a child's end, stop and continuation are told.
#include <sys/resource.h>
#include <sys/times.h>

#include <fstream>
#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

// waitid(2) as the kernel has it.
int wait_id(idtype_t type, int id, siginfo_t* info, int options, rusage* usage = nullptr) {
  return static_cast<int>(syscall(SYS_waitid, type, id, info, options, usage));
}

TEST(Wait, TellsExitCodes) {
  for (const int code : {0, 1, 255, 256 + 7}) {
    const int status = wait_status(spawn([=] { return code; }));
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(code & 0xff, WEXITSTATUS(status));
  }
}

TEST(Wait, TellsSignals) {
  for (const int signal : {SIGKILL, SIGTERM, SIGRTMIN}) {
    const pid_t pid = spawn_sleeper();
    kill(pid, signal);
    const int status = wait_status(pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(signal, WTERMSIG(status));
  }
}

TEST(Wait, WithoutChildren) {
  EXPECT_ERRNO(ECHILD, waitpid(-1, nullptr, 0));
  EXPECT_ERRNO(ECHILD, waitpid(getpid(), nullptr, 0));
  EXPECT_ERRNO(ECHILD, waitpid(1, nullptr, WNOHANG));
  siginfo_t info;
  EXPECT_ERRNO(ECHILD, wait_id(P_ALL, 0, &info, WEXITED));
}

TEST(Wait, DoesNotHangWhenTold) {
  const pid_t pid = spawn_sleeper();
  EXPECT_EQ(0, waitpid(pid, nullptr, WNOHANG));
  EXPECT_EQ(0, waitpid(-1, nullptr, WNOHANG));
  siginfo_t info;
  info.si_pid = 5;
  EXPECT_EQ(0, wait_id(P_PID, pid, &info, WEXITED | WNOHANG));
  EXPECT_EQ(0, info.si_pid);
  end_child(pid);
}

TEST(Wait, OnlyOnce) {
  const pid_t pid = spawn([] { return 0; });
  EXPECT_EQ(0, outcome(pid));
  EXPECT_ERRNO(ECHILD, waitpid(pid, nullptr, 0));
}

TEST(Wait, ForAnyChild) {
  const pid_t one = spawn([] { return 1; }), two = spawn([] { return 2; });
  int first = 0, second = 0;
  const pid_t a = waitpid(-1, &first, 0), b = waitpid(-1, &second, 0);
  EXPECT_TRUE((a == one && b == two) || (a == two && b == one));
  EXPECT_EQ(3, WEXITSTATUS(first) + WEXITSTATUS(second));
}

TEST(Wait, ForAGroup) {
  const pid_t other = spawn_sleeper(), mine = spawn([] { return 3; });
  ASSERT_OK(setpgid(other, other));
  EXPECT_EQ(0, waitpid(-other, nullptr, WNOHANG));
  EXPECT_EQ(mine, waitpid(0, nullptr, 0));
  siginfo_t info;
  EXPECT_EQ(0, wait_id(P_PGID, other, &info, WEXITED | WNOHANG));
  kill(other, SIGTERM);
  EXPECT_EQ(other, waitpid(-other, nullptr, 0));
}

TEST(Wait, RefusesNonsense) {
  siginfo_t info;
  EXPECT_ERRNO(EINVAL, waitpid(-1, nullptr, 0x100));
  EXPECT_ERRNO(ESRCH, waitpid(INT_MIN, nullptr, 0));
  EXPECT_ERRNO(EINVAL, wait_id(P_ALL, 0, &info, 0));
  EXPECT_ERRNO(EINVAL, wait_id(P_ALL, 0, &info, WNOHANG));
  EXPECT_ERRNO(EINVAL, wait_id(P_PID, 0, &info, WEXITED));
  EXPECT_ERRNO(EINVAL, wait_id(P_PID, -1, &info, WEXITED));
  EXPECT_ERRNO(EINVAL, wait_id(static_cast<idtype_t>(9), 1, &info, WEXITED));
  EXPECT_ERRNO(EBADF, wait_id(P_PIDFD, 999, &info, WEXITED));
}

TEST(Wait, StoresOnlyWhatCanBeStored) {
  const pid_t pid = spawn([] { return 0; });
  EXPECT_ERRNO(EFAULT, waitpid(pid, bad_pointer<int>(), 0));
}

TEST(Wait, LeavesTheChildWhenTold) {
  const pid_t pid = spawn([] { return 6; });
  siginfo_t info{};
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(wait_id(P_PID, pid, &info, WEXITED | WNOWAIT));
    EXPECT_EQ(pid, info.si_pid);
  }
  EXPECT_EQ('Z', state_of(pid));
  EXPECT_EQ(6, outcome(pid));
}

TEST(Wait, InformationOfExits) {
  const pid_t pid = spawn([] { return 6; });
  siginfo_t info{};
  ASSERT_OK(wait_id(P_PID, pid, &info, WEXITED));
  EXPECT_EQ(SIGCHLD, info.si_signo);
  EXPECT_EQ(CLD_EXITED, info.si_code);
  EXPECT_EQ(6, info.si_status);
  EXPECT_EQ(pid, info.si_pid);
  EXPECT_EQ(getuid(), info.si_uid);
}

TEST(Wait, InformationOfKills) {
  const pid_t pid = spawn_sleeper();
  kill(pid, SIGTERM);
  siginfo_t info{};
  ASSERT_OK(wait_id(P_PID, pid, &info, WEXITED));
  EXPECT_EQ(CLD_KILLED, info.si_code);
  EXPECT_EQ(SIGTERM, info.si_status);
}

TEST(Wait, StopsAndContinuations) {
  const pid_t pid = spawn_sleeper();
  int status = 0;
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, &status, WUNTRACED));
  EXPECT_TRUE(WIFSTOPPED(status));
  EXPECT_EQ(SIGSTOP, WSTOPSIG(status));
  EXPECT_EQ('T', state_of(pid));
  EXPECT_EQ(0, waitpid(pid, &status, WUNTRACED | WNOHANG));
  kill(pid, SIGCONT);
  EXPECT_EQ(pid, waitpid(pid, &status, WCONTINUED));
  EXPECT_TRUE(WIFCONTINUED(status));
  EXPECT_EQ(0, waitpid(pid, &status, WCONTINUED | WNOHANG));
  end_child(pid);
}

TEST(Wait, InformationOfStops) {
  const pid_t pid = spawn_sleeper();
  siginfo_t info{};
  setpgid(pid, pid);  // not orphaned: the terminal's stop counts
  kill(pid, SIGTSTP);
  ASSERT_OK(wait_id(P_PID, pid, &info, WSTOPPED));
  EXPECT_EQ(CLD_STOPPED, info.si_code);
  EXPECT_EQ(SIGTSTP, info.si_status);
  kill(pid, SIGCONT);
  ASSERT_OK(wait_id(P_PID, pid, &info, WCONTINUED));
  EXPECT_EQ(CLD_CONTINUED, info.si_code);
  EXPECT_EQ(SIGCONT, info.si_status);
  end_child(pid);
}

TEST(Wait, StopsAreNotToldToWhoDoesNotAsk) {
  const pid_t pid = spawn_sleeper();
  kill(pid, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return state_of(pid) == 'T'; }));
  EXPECT_EQ(0, waitpid(pid, nullptr, WNOHANG));
  end_child(pid);
}

TEST(Wait, AStoppedChildCanBeKilled) {
  const pid_t pid = spawn_sleeper();
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  kill(pid, SIGTERM);
  EXPECT_EQ(0, waitpid(pid, nullptr, WNOHANG));
  kill(pid, SIGKILL);
  EXPECT_EQ(-SIGKILL, outcome(pid));
}

TEST(Wait, IsInterrupted) {
  const pid_t pid = spawn_sleeper(), self = getpid();
  ScopedAction handle(SIGUSR1, record_signal);
  const pid_t sender = spawn([=] {
    nap(100);
    return kill(self, SIGUSR1);
  });
  EXPECT_ERRNO(EINTR, waitpid(pid, nullptr, 0));
  EXPECT_EQ(0, outcome(sender));
  end_child(pid);
}

TEST(Wait, IsRestarted) {
  const pid_t self = getpid();
  ScopedAction handle(SIGUSR1, record_signal, SA_RESTART);
  record.count = 0;
  const pid_t pid = spawn([=] {
    nap(100);
    kill(self, SIGUSR1);
    nap(100);
    return 4;
  });
  int status = 0;
  EXPECT_EQ(pid, waitpid(pid, &status, 0));
  EXPECT_EQ(4, WEXITSTATUS(status));
  EXPECT_EQ(1u, record.count);
}

TEST(Wait, FromAnotherThread) {
  const pid_t pid = spawn([] { return 5; });
  int result = -1;
  std::thread([&] { result = outcome(pid); }).join();
  EXPECT_EQ(5, result);
}

TEST(Wait, ForOnesOwnThreadsChildrenOnly) {
  const pid_t pid = spawn([] { return 5; });
  int error = 0;
  std::thread([&] {
    if (waitpid(pid, nullptr, __WNOTHREAD) == -1) error = errno;
  }).join();
  EXPECT_EQ(ECHILD, error);
  int status = 0;
  EXPECT_EQ(pid, waitpid(pid, &status, __WNOTHREAD));
  EXPECT_EQ(5, WEXITSTATUS(status));
}

TEST(Wait, GrandchildrenAreNotOurs) {
  Shared<pid_t> grandchild;
  Gate gate;
  const pid_t pid = spawn([&] {
    *grandchild = spawn_sleeper();
    gate.open();
    pause();
    return 0;
  });
  gate.pass();
  EXPECT_ERRNO(ECHILD, waitpid(*grandchild, nullptr, WNOHANG));
  end_child(pid);
  end_orphan(*grandchild);
}

// --- what it costs

void burn(int milliseconds) {
  const clock_t start = clock();
  while ((clock() - start) * 1000 / CLOCKS_PER_SEC < milliseconds) {
  }
}

long milliseconds(const timeval& time) {
  return time.tv_sec * 1000 + time.tv_usec / 1000;
}

TEST(Usage, OfTheWaitedChild) {
  const pid_t pid = spawn([] {
    burn(200);
    return 0;
  });
  rusage usage{};
  ASSERT_EQ(pid, wait4(pid, nullptr, 0, &usage));
  EXPECT_LE(150, milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime));
  EXPECT_LT(0, usage.ru_maxrss);
}

TEST(Usage, AddsUpWaitedChildren) {
  rusage before, between, after;
  getrusage(RUSAGE_CHILDREN, &before);
  const pid_t pid = spawn([] {
    burn(200);
    return run_child([] {
      burn(200);
      return 0;
    });
  });
  siginfo_t info;
  ASSERT_OK(wait_id(P_PID, pid, &info, WEXITED | WNOWAIT));
  getrusage(RUSAGE_CHILDREN, &between);
  EXPECT_EQ(milliseconds(before.ru_utime), milliseconds(between.ru_utime));
  EXPECT_EQ(0, outcome(pid));
  getrusage(RUSAGE_CHILDREN, &after);
  EXPECT_LE(300, milliseconds(after.ru_utime) + milliseconds(after.ru_stime) -
                     milliseconds(before.ru_utime) - milliseconds(before.ru_stime));
}

TEST(Usage, TimesOfChildren) {
  tms before, after;
  times(&before);
  EXPECT_EQ(0, run_child([] {
              burn(200);
              return 0;
            }));
  times(&after);
  EXPECT_LE(15, after.tms_cutime + after.tms_cstime - before.tms_cutime - before.tms_cstime);
}

TEST(Usage, OfWaitId) {
  const pid_t pid = spawn([] {
    burn(100);
    return 0;
  });
  rusage usage{};
  siginfo_t info;
  ASSERT_OK(wait_id(P_PID, pid, &info, WEXITED, &usage));
  EXPECT_LE(50, milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime));
}

// --- SIGCHLD

volatile int child_code, child_status, child_pid, child_count;
volatile uid_t child_uid;

void remember_child(int, siginfo_t* info, void*) {
  child_code = info->si_code;
  child_status = info->si_status;
  child_pid = info->si_pid;
  child_uid = info->si_uid;
  child_count = child_count + 1;
}

TEST(ChildSignal, TellsOfExits) {
  ScopedAction handle(SIGCHLD, remember_child);
  child_count = 0;
  const pid_t pid = spawn([] { return 9; });
  EXPECT_TRUE(eventually([] { return child_count == 1; }));
  EXPECT_EQ(CLD_EXITED, child_code);
  EXPECT_EQ(9, child_status);
  EXPECT_EQ(pid, child_pid);
  EXPECT_EQ(getuid(), child_uid);
  EXPECT_EQ(9, outcome(pid));
}

TEST(ChildSignal, TellsTheUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ScopedAction handle(SIGCHLD, remember_child);
  child_count = 0;
  EXPECT_EQ(0, outcome(spawn([] { return setuid(1234); })));
  EXPECT_TRUE(eventually([] { return child_count == 1; }));
  EXPECT_EQ(1234u, child_uid);
}

TEST(ChildSignal, TellsOfKills) {
  ScopedAction handle(SIGCHLD, remember_child);
  child_count = 0;
  const pid_t pid = spawn_sleeper();
  kill(pid, SIGINT);
  EXPECT_EQ(-SIGINT, outcome(pid));
  EXPECT_TRUE(eventually([] { return child_count == 1; }));
  EXPECT_EQ(CLD_KILLED, child_code);
  EXPECT_EQ(SIGINT, child_status);
}

TEST(ChildSignal, TellsOfStopsAndContinuations) {
  ScopedAction handle(SIGCHLD, remember_child);
  child_count = 0;
  const pid_t pid = spawn_sleeper();
  kill(pid, SIGSTOP);
  EXPECT_TRUE(eventually([] { return child_count == 1; }));
  EXPECT_EQ(CLD_STOPPED, child_code);
  EXPECT_EQ(SIGSTOP, child_status);
  EXPECT_EQ(getuid(), child_uid);
  kill(pid, SIGCONT);
  EXPECT_TRUE(eventually([] { return child_count == 2; }));
  EXPECT_EQ(CLD_CONTINUED, child_code);
  EXPECT_EQ(SIGCONT, child_status);
  end_child(pid);
}

TEST(ChildSignal, MayKeepSilentAboutStops) {
  ScopedAction handle(SIGCHLD, remember_child, SA_NOCLDSTOP);
  child_count = 0;
  const pid_t pid = spawn_sleeper();
  kill(pid, SIGSTOP);
  EXPECT_EQ(pid, waitpid(pid, nullptr, WUNTRACED));
  EXPECT_EQ(0, child_count);
  end_child(pid);
  EXPECT_TRUE(eventually([] { return child_count == 1; }));
}

TEST(ChildSignal, IgnoredMeansNoZombies) {
  ScopedAction ignore(SIGCHLD, SIG_IGN);
  const pid_t pid = spawn([] { return 0; });
  EXPECT_ERRNO(ECHILD, waitpid(pid, nullptr, 0));
  EXPECT_ERRNO(ESRCH, kill(pid, 0));
}

TEST(ChildSignal, WaitingForIgnoredChildrenWaitsForAll) {
  ScopedAction ignore(SIGCHLD, SIG_IGN);
  Gate gate;
  const pid_t pid = spawn([&] {
    gate.pass();
    return 0;
  });
  spawn([&] {
    nap(100);
    gate.open();
    return 0;
  });
  EXPECT_ERRNO(ECHILD, waitpid(-1, nullptr, 0));
  EXPECT_ERRNO(ESRCH, kill(pid, 0));
}

TEST(ChildSignal, HandledWithoutZombies) {
  ScopedAction handle(SIGCHLD, remember_child, SA_NOCLDWAIT);
  child_count = 0;
  const pid_t pid = spawn([] { return 7; });
  EXPECT_TRUE(eventually([] { return child_count == 1; }));
  EXPECT_EQ(7, child_status);
  EXPECT_ERRNO(ECHILD, waitpid(pid, nullptr, 0));
}

TEST(ChildSignal, ComesOnceForSeveral) {
  Blocked blocked({SIGCHLD});
  ScopedAction handle(SIGCHLD, remember_child);
  for (int i = 0; i < 3; ++i) {
    siginfo_t info;
    const pid_t pid = spawn([] { return 0; });
    EXPECT_OK(wait_id(P_PID, pid, &info, WEXITED | WNOWAIT));
  }
  const sigset_t set = set_of({SIGCHLD});
  const timespec now{0, 0};
  EXPECT_EQ(SIGCHLD, sigtimedwait(&set, nullptr, &now));
  EXPECT_ERRNO(EAGAIN, sigtimedwait(&set, nullptr, &now));
  for (int i = 0; i < 3; ++i) EXPECT_LT(0, waitpid(-1, nullptr, 0));
}

// What the process ends with, of two threads of which the leader ends first.
int with_two_threads(int leader_status, int other_status, int other_call) {
  return run_child([=] {
    const pid_t leader = gettid();
    std::thread([=] {
      const auto is_gone = [=] {
        std::ifstream file("/proc/self/task/" + std::to_string(leader) + "/stat");
        std::string state;
        return !std::getline(file, state) || state.find(") Z") != std::string::npos;
      };
      if (!eventually(is_gone)) syscall(SYS_exit_group, 99);
      syscall(other_call, other_status);
    }).detach();
    syscall(SYS_exit, leader_status);
    return 98;
  });
}

TEST(Wait, TheLastThreadsStatusCounts) {
  const int status = with_two_threads(7, 8, SYS_exit);
  EXPECT_TRUE(status == 8 || status == 7) << status << " (the leader's before Linux 6.0)";
}

TEST(Wait, WhoEndsThemAllSaysHow) {
  EXPECT_EQ(8, with_two_threads(7, 8, SYS_exit_group));
  EXPECT_EQ(0, with_two_threads(7, 0, SYS_exit_group));
}

}  // namespace
}  // namespace compat
