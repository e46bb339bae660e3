// What becomes of children whose parent ends: PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG.
#include <sys/prctl.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

// The check's process adopts the orphans of its descendants.
class Reaper : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(prctl(PR_SET_CHILD_SUBREAPER, 1)); }
  void TearDown() override { prctl(PR_SET_CHILD_SUBREAPER, 0); }

  // A grandchild whose parent has ended; it exits with 3 when the gate opens.
  pid_t make_orphan(Gate& gate) {
    Shared<pid_t> orphan;
    EXPECT_EQ(0, run_child([&] {
                *orphan = spawn([&] {
                  gate.pass();
                  return 3;
                });
                return 0;
              }));
    return *orphan;
  }
};

TEST_F(Reaper, AdoptsOrphans) {
  Shared<pid_t> parent, orphan;
  Gate ready, gate;
  EXPECT_EQ(0, run_child([&] {
              *orphan = spawn([&] {
                ready.pass();
                *parent = getppid();
                return 0;
              });
              return 0;
            }));
  ready.open();
  EXPECT_EQ(0, outcome(*orphan));
  EXPECT_EQ(getpid(), *parent);
}

TEST_F(Reaper, WaitsForOrphans) {
  Gate gate;
  const pid_t orphan = make_orphan(gate);
  EXPECT_EQ(0, waitpid(orphan, nullptr, WNOHANG));
  gate.open();
  EXPECT_EQ(3, outcome(orphan));
}

TEST_F(Reaper, AdoptsZombies) {
  Shared<pid_t> orphan;
  EXPECT_EQ(0, run_child([&] {
              *orphan = spawn([] { return 6; });
              siginfo_t info;
              return waitid(P_PID, *orphan, &info, WEXITED | WNOWAIT);
            }));
  EXPECT_EQ(6, outcome(*orphan));
}

TEST_F(Reaper, IsToldOfOrphansEnds) {
  Blocked blocked({SIGCHLD});
  Gate gate;
  const pid_t orphan = make_orphan(gate);
  const sigset_t set = set_of({SIGCHLD});
  siginfo_t info{};
  EXPECT_EQ(SIGCHLD, sigwaitinfo(&set, &info));
  gate.open();
  EXPECT_EQ(SIGCHLD, sigwaitinfo(&set, &info));
  EXPECT_EQ(orphan, info.si_pid);
  EXPECT_EQ(3, outcome(orphan));
}

TEST_F(Reaper, TheNearestOneAdopts) {
  EXPECT_EQ(4, run_child([] {
              prctl(PR_SET_CHILD_SUBREAPER, 1);
              run_child([] {
                spawn([] {
                  nap(50);
                  return 4;
                });
                return 0;
              });
              return outcome(-1);
            }));
}

TEST_F(Reaper, IsNotInherited) {
  EXPECT_EQ(0, run_child([] {
              int set = 1;
              prctl(PR_GET_CHILD_SUBREAPER, &set);
              return set;
            }));
}

TEST_F(Reaper, SiblingThreadsKeepChildren) {
  pid_t pid = 0;
  std::thread([&] { pid = spawn([] { return nap(50), 5; }); }).join();
  EXPECT_EQ(5, outcome(pid));
}

TEST(Subreaper, MayBeAskedFor) {
  int set = 1;
  EXPECT_OK(prctl(PR_GET_CHILD_SUBREAPER, &set));
  EXPECT_EQ(0, set);
  EXPECT_ERRNO(EFAULT, prctl(PR_GET_CHILD_SUBREAPER, bad_pointer<int>()));
}

// --- the signal of a parent's death

TEST_F(Reaper, DeathSendsTheSignal) {
  Shared<pid_t> child;
  Gate ready;
  EXPECT_EQ(0, run_child([&] {
              *child = spawn([&] {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                ready.open();
                for (;;) pause();
                return 0;
              });
              ready.pass();
              return 0;
            }));
  EXPECT_EQ(-SIGTERM, outcome(*child));
}

TEST_F(Reaper, DeathTellsWhoDied) {
  struct Seen {
    int code;
    pid_t sender;
  };
  Shared<Seen> seen;
  Shared<pid_t> child;
  Gate ready;
  const pid_t middle = spawn([&] {
    *child = spawn([&] {
      const sigset_t set = set_of({SIGUSR1});
      sigprocmask(SIG_BLOCK, &set, nullptr);
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      ready.open();
      siginfo_t info{};
      sigwaitinfo(&set, &info);
      *seen = {info.si_code, info.si_pid};
      return 0;
    });
    ready.pass();
    return 0;
  });
  EXPECT_EQ(0, outcome(middle));
  EXPECT_EQ(0, outcome(*child));
  EXPECT_EQ(SI_USER, seen->code);
  EXPECT_EQ(middle, seen->sender);
}

TEST(DeathSignal, ComesWhenTheThreadEndsThatForked) {
  Gate ready;
  pid_t pid = 0;
  std::thread([&] {
    pid = spawn([&] {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      ready.open();
      for (;;) pause();
      return 0;
    });
    ready.pass();
  }).join();
  EXPECT_EQ(-SIGTERM, outcome(pid));
}

TEST(DeathSignal, IsNotInherited) {
  EXPECT_EQ(0, run_child([] {
              prctl(PR_SET_PDEATHSIG, SIGUSR1);
              return run_child([] {
                int signal = -1;
                prctl(PR_GET_PDEATHSIG, &signal);
                return signal;
              });
            }));
}

TEST(DeathSignal, MayBeAskedForAndTakenBack) {
  EXPECT_EQ(0, run_child([] {
              int signal = -1;
              prctl(PR_SET_PDEATHSIG, SIGUSR1);
              if (prctl(PR_GET_PDEATHSIG, &signal) != 0 || signal != SIGUSR1) return 1;
              prctl(PR_SET_PDEATHSIG, 0);
              prctl(PR_GET_PDEATHSIG, &signal);
              return signal;
            }));
  EXPECT_ERRNO(EINVAL, prctl(PR_SET_PDEATHSIG, 65));
}

TEST(DeathSignal, IsForgottenWithTheIdentity) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(0, run_child([] {
              prctl(PR_SET_PDEATHSIG, SIGUSR1);
              if (setuid(1000) != 0) return 9;
              int signal = -1;
              prctl(PR_GET_PDEATHSIG, &signal);
              return signal;
            }));
}

}  // namespace
}  // namespace compat
