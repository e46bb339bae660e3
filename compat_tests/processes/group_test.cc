// Process groups and sessions: setpgid(2), setsid(2), and what they are for.
#include <fcntl.h>
#include <sys/prctl.h>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

constexpr pid_t kNobody = 4'000'000;

TEST(Group, AChildMayLeadOne) {
  EXPECT_EQ(0, run_child([] { return setpgid(0, 0) == 0 && getpgrp() == getpid() ? 0 : 1; }));
}

TEST(Group, AParentMayPlaceItsChild) {
  const pid_t pid = spawn_sleeper();
  EXPECT_OK(setpgid(pid, 0));
  EXPECT_EQ(pid, getpgid(pid));
  EXPECT_OK(setpgid(pid, getpgrp()));
  EXPECT_EQ(getpgrp(), getpgid(pid));
  end_child(pid);
}

TEST(Group, ButNotAfterExec) {
  Gate gate;
  Fd closes_on_exec = fcntl(gate.writer(), F_DUPFD_CLOEXEC, 0);
  const pid_t pid = spawn([] { return become("sleep"); });
  EXPECT_TRUE(eventually([&] {
    char name[64] = {};
    FILE* file = fopen(("/proc/" + std::to_string(pid) + "/cmdline").c_str(), "re");
    if (file == nullptr) return false;
    const size_t size = fread(name, 1, sizeof name - 1, file);
    fclose(file);
    return std::string(name, size).find("--role=sleep") != std::string::npos;
  }));
  EXPECT_ERRNO(EACCES, setpgid(pid, 0));
  end_child(pid);
}

TEST(Group, OnlyOnesOwnAndOnesChildren) {
  Shared<pid_t> grandchild;
  Gate gate;
  const pid_t pid = spawn([&] {
    *grandchild = spawn_sleeper();
    gate.open();
    pause();
    return 0;
  });
  gate.pass();
  EXPECT_ERRNO(ESRCH, setpgid(*grandchild, 0));
  EXPECT_ERRNO(ESRCH, setpgid(kNobody, 0));
  EXPECT_ERRNO(EINVAL, setpgid(0, -1));
  end_child(pid);
  end_orphan(*grandchild);
}

TEST(Group, MustBeInTheSession) {
  const pid_t pid = spawn_sleeper();
  EXPECT_ERRNO(EPERM, setpgid(pid, kNobody));
  EXPECT_EQ(EPERM, run_child([] {
              const pid_t other = getpgrp();
              setsid();
              return run_child([=] { return setpgid(0, other) == -1 ? errno : 0; });
            }));
  end_child(pid);
}

TEST(Group, MayBeAskedFor) {
  EXPECT_ERRNO(ESRCH, getpgid(kNobody));
  EXPECT_EQ(getpgrp(), getpgid(0));
  EXPECT_EQ(getpgrp(), getpgid(getpid()));
}

TEST(Group, OutlivesItsLeader) {
  Shared<pid_t> member;
  Gate gate;
  const pid_t leader = spawn([&] {
    setpgid(0, 0);
    *member = spawn([&] {
      gate.pass();
      return 0;
    });
    return 0;
  });
  EXPECT_EQ(0, outcome(leader));
  EXPECT_EQ(leader, getpgid(*member));
  EXPECT_OK(kill(-leader, 0));
  gate.open();
  EXPECT_TRUE(eventually([&] {
    waitpid(*member, nullptr, WNOHANG);
    return kill(-leader, 0) == -1 && errno == ESRCH;
  }));
}

TEST(Session, ANewOne) {
  EXPECT_EQ(7, run_child([] {
              const pid_t made = setsid();
              return (made == getpid()) + 2 * (getsid(0) == made) + 4 * (getpgrp() == made);
            }));
}

TEST(Session, NotByALeader) {
  EXPECT_EQ(EPERM, run_child([] {
              setpgid(0, 0);
              return setsid() == -1 ? errno : 0;
            }));
  EXPECT_EQ(EPERM, run_child([] {
              setsid();
              return setpgid(0, 0) == -1 ? errno : 0;
            }));
}

TEST(Session, ALeaderIsNotMoved) {
  Gate gate;
  const pid_t pid = spawn([&] {
    setsid();
    gate.open();
    pause();
    return 0;
  });
  gate.pass();
  EXPECT_ERRNO(EPERM, setpgid(pid, getpgrp()));
  EXPECT_EQ(pid, getsid(pid));
  end_child(pid);
}

TEST(Session, OfNobody) {
  EXPECT_ERRNO(ESRCH, getsid(kNobody));
}

TEST(Session, HasNoTerminalAtFirst) {
  EXPECT_EQ(ENXIO, run_child([] {
              setsid();
              return open("/dev/tty", O_RDWR) == -1 ? errno : 0;
            }));
}

// --- signals to groups

TEST(GroupSignal, ReachesAllMembers) {
  const pid_t one = spawn_sleeper(), two = spawn_sleeper();
  setpgid(one, one);
  setpgid(two, one);
  EXPECT_OK(kill(-one, SIGTERM));
  EXPECT_EQ(-SIGTERM, outcome(one));
  EXPECT_EQ(-SIGTERM, outcome(two));
  EXPECT_ERRNO(ESRCH, kill(-one, 0));
}

TEST(GroupSignal, ZeroMeansOnesOwn) {
  EXPECT_EQ(-SIGTERM, run_child([] {
    setpgid(0, 0);
    const pid_t member = spawn_sleeper();
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return -outcome(member) == SIGTERM ? (signal(SIGTERM, SIG_DFL), raise(SIGTERM)) : 1;
  }));
}

TEST(GroupSignal, StopsAndContinuesAll) {
  const pid_t one = spawn_sleeper(), two = spawn_sleeper();
  setpgid(one, one);
  setpgid(two, one);
  kill(-one, SIGSTOP);
  EXPECT_EQ(one, waitpid(one, nullptr, WUNTRACED));
  EXPECT_EQ(two, waitpid(two, nullptr, WUNTRACED));
  kill(-one, SIGCONT);
  EXPECT_EQ(one, waitpid(one, nullptr, WCONTINUED));
  EXPECT_EQ(two, waitpid(two, nullptr, WCONTINUED));
  kill(-one, SIGKILL);
  outcome(one);
  outcome(two);
}

// A stopped job whose shell ends is told SIGHUP and goes on.
TEST(GroupSignal, OrphanedStoppedJobsAreHungUp) {
  Shared<pid_t> job;
  Gate gate;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t shell = spawn([&] {
    setsid();
    *job = spawn_sleeper();
    setpgid(*job, *job);
    kill(*job, SIGSTOP);
    return waitpid(*job, nullptr, WUNTRACED) == *job ? 0 : 1;
  });
  EXPECT_EQ(0, outcome(shell));
  EXPECT_EQ(-SIGHUP, outcome(*job));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(GroupSignal, OrphanedGroupsAreNotStoppedByTheTerminal) {
  EXPECT_EQ(3, run_child([] {
              setsid();
              return run_child([] {
                raise(SIGTSTP);
                return 3;
              });
            }));
}

}  // namespace
}  // namespace compat
