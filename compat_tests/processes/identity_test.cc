// Users, groups and capabilities as processes hand them on: credentials(7), capabilities(7).
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

struct Capabilities {
  uint64_t effective, permitted, inheritable;
};

Capabilities capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  syscall(SYS_capget, &header, data);
  const auto joined = [](uint32_t low, uint32_t high) { return low | uint64_t{high} << 32; };
  return {joined(data[0].effective, data[1].effective),
          joined(data[0].permitted, data[1].permitted),
          joined(data[0].inheritable, data[1].inheritable)};
}

bool set_capabilities(const Capabilities& c) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct data[2] = {
      {uint32_t(c.effective), uint32_t(c.permitted), uint32_t(c.inheritable)},
      {uint32_t(c.effective >> 32), uint32_t(c.permitted >> 32), uint32_t(c.inheritable >> 32)}};
  return syscall(SYS_capset, &header, data) == 0;
}

class Identity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(Identity, RootHasCapabilities) {
  EXPECT_EQ(0, run_child([] {
              const Capabilities c = capabilities();
              return c.effective != 0 && c.effective == c.permitted ? 0 : 1;
            }));
}

TEST_F(Identity, AreInherited) {
  EXPECT_EQ(0, run_child([] {
              if (setresgid(11, 12, 13) != 0 || setresuid(21, 22, 23) != 0) return 9;
              return run_child([] {
                uid_t r, e, s;
                gid_t gr, ge, gs;
                getresuid(&r, &e, &s);
                getresgid(&gr, &ge, &gs);
                return r == 21 && e == 22 && s == 23 && gr == 11 && ge == 12 && gs == 13 ? 0 : 1;
              });
            }));
}

TEST_F(Identity, ChangesOfAChildAreItsOwn) {
  EXPECT_EQ(0, run_child([] { return setuid(1000); }));
  EXPECT_EQ(0u, geteuid());
}

TEST_F(Identity, GivingRootUpDropsCapabilities) {
  EXPECT_EQ(0, run_child([] {
              if (setuid(1000) != 0) return 9;
              const Capabilities c = capabilities();
              return c.effective == 0 && c.permitted == 0 ? 0 : 1;
            }));
}

TEST_F(Identity, ForATimeOnly) {
  EXPECT_EQ(0, run_child([] {
              const Capabilities before = capabilities();
              if (seteuid(1000) != 0) return 9;
              const Capabilities lowered = capabilities();
              if (lowered.effective != 0 || lowered.permitted != before.permitted) return 1;
              if (seteuid(0) != 0) return 2;
              return capabilities().effective == before.effective ? 0 : 3;
            }));
}

TEST_F(Identity, CapabilitiesMayBeKept) {
  EXPECT_EQ(0, run_child([] {
              const Capabilities before = capabilities();
              prctl(PR_SET_KEEPCAPS, 1);
              if (setuid(1000) != 0) return 9;
              const Capabilities kept = capabilities();
              return kept.effective == 0 && kept.permitted == before.permitted ? 0 : 1;
            }));
}

TEST_F(Identity, CannotBeTakenBack) {
  EXPECT_EQ(EPERM, run_child([] {
              if (setuid(1000) != 0) return 9;
              return setuid(0) == -1 ? errno : 0;
            }));
  EXPECT_EQ(EPERM, run_child([] {
              if (setgid(1000) != 0 || setuid(1000) != 0) return 9;
              return setgid(0) == -1 ? errno : 0;
            }));
}

TEST_F(Identity, TheSavedOneCan) {
  EXPECT_EQ(0, run_child([] {
              if (setresuid(1000, 1000, 2000) != 0) return 9;
              return seteuid(2000) == 0 && geteuid() == 2000 && setuid(2000) == 0 ? 0 : 1;
            }));
}

TEST_F(Identity, DroppedCapabilitiesStayDropped) {
  EXPECT_EQ(EPERM, run_child([] {
              Capabilities c = capabilities();
              c.effective &= ~(uint64_t{1} << CAP_KILL);
              c.permitted &= ~(uint64_t{1} << CAP_KILL);
              if (!set_capabilities(c)) return 9;
              c.permitted |= uint64_t{1} << CAP_KILL;
              return set_capabilities(c) ? 0 : errno;
            }));
}

TEST_F(Identity, WithoutTheCapabilityRootMayNotKill) {
  const pid_t pid = spawn([] { return setuid(1000) == 0 ? (pause(), 0) : 1; });
  EXPECT_TRUE(eventually([&] {
    return run_child([=] {
             Capabilities c = capabilities();
             c.effective &= ~(uint64_t{1} << CAP_KILL);
             if (!set_capabilities(c)) return 9;
             return kill(pid, 0) == -1 ? errno : 0;
           }) == EPERM;
  }));
  end_child(pid);
}

TEST_F(Identity, ExecGivesRootItsCapabilitiesBack) {
  EXPECT_EQ(0, run_child([] {
              Capabilities c = capabilities();
              const uint64_t before = c.permitted;
              c.effective = 0;
              if (!set_capabilities(c)) return 9;
              return run_child([=] {
                       return capabilities().permitted == before ? become("code", {"7"}) : 1;
                     }) == 7
                         ? 0
                         : 1;
            }));
}

TEST_F(Identity, ExecTakesThemFromOthers) {
  EXPECT_EQ(1, run_child([] {
              prctl(PR_SET_KEEPCAPS, 1);
              if (setuid(1000) != 0) return 9;
              return become("powerless");
            }));
}

TEST_F(Identity, AmbientCapabilitiesSurviveExec) {
  EXPECT_EQ(0, run_child([] {
              prctl(PR_SET_KEEPCAPS, 1);
              if (setuid(1000) != 0) return 9;
              Capabilities c = capabilities();
              c.effective = c.inheritable = c.permitted;
              if (!set_capabilities(c)) return 8;
              if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) != 0) return 7;
              return become("powerless");
            }));
}

TEST_F(Identity, TheBoundingSetIsInherited) {
  EXPECT_EQ(0, run_child([] {
              if (prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) != 0) return 9;
              return run_child([] { return prctl(PR_CAPBSET_READ, CAP_SYS_TIME); });
            }));
  EXPECT_EQ(1, prctl(PR_CAPBSET_READ, CAP_KILL));
}

TEST_F(Identity, SupplementaryGroupsAreInherited) {
  EXPECT_EQ(0, run_child([] {
              const gid_t groups[] = {7, 8};
              if (setgroups(2, groups) != 0) return 9;
              return run_child([] {
                gid_t seen[4];
                return getgroups(4, seen) == 2 && seen[0] == 7 && seen[1] == 8 ? 0 : 1;
              });
            }));
}

TEST_F(Identity, FileRightsFollowTheFileUser) {
  TempDir dir;
  write_file(dir / "secret", "x", 0600);
  chmod(dir.path().c_str(), 0755);
  EXPECT_EQ(EACCES, run_child([&] {
              setfsuid(1000);
              return open((dir / "secret").c_str(), O_RDONLY) == -1 ? errno : 0;
            }));
}

TEST_F(Identity, OfAThreadIsItsOwn) {
  uid_t inside = 0;
  std::thread([&] {
    syscall(SYS_setresuid, -1, 1000, -1);
    inside = static_cast<uid_t>(syscall(SYS_geteuid));
  }).join();
  EXPECT_EQ(1000u, inside);
  EXPECT_EQ(0u, geteuid());
}

// --- limits of others

TEST_F(Identity, LimitsOfAChildMayBeSet) {
  Gate gate;
  const pid_t pid = spawn([&] {
    gate.pass();
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<int>(limit.rlim_cur);
  });
  const rlimit fresh{66, 66};
  rlimit old;
  EXPECT_OK(prlimit(pid, RLIMIT_NOFILE, &fresh, &old));
  EXPECT_LT(66u, old.rlim_cur);
  gate.open();
  EXPECT_EQ(66, outcome(pid));
  EXPECT_ERRNO(ESRCH, prlimit(4'000'000, RLIMIT_NOFILE, nullptr, &old));
}

TEST_F(Identity, LimitsOfStrangersMayNot) {
  const pid_t self = getpid();
  EXPECT_EQ(EPERM, run_child([=] {
              rlimit old;
              if (setuid(1000) != 0) return 9;
              return prlimit(self, RLIMIT_NOFILE, nullptr, &old) == -1 ? errno : 0;
            }));
}

TEST_F(Identity, HardLimitsOnlyShrink) {
  EXPECT_EQ(EPERM, run_child([] {
              const rlimit small{10, 10}, large{10, 20};
              if (setrlimit(RLIMIT_NOFILE, &small) != 0 || setuid(1000) != 0) return 9;
              return setrlimit(RLIMIT_NOFILE, &large) == -1 ? errno : 0;
            }));
}

TEST_F(Identity, ProcessesAreCountedByUser) {
  EXPECT_EQ(EAGAIN, run_child([] {
              const rlimit one{1, 1};
              setrlimit(RLIMIT_NPROC, &one);
              if (setuid(54321) != 0) return 9;
              const pid_t pid = fork();
              if (pid == 0) _exit(0);
              return pid == -1 ? errno : 0;
            }));
}

}  // namespace
}  // namespace compat
