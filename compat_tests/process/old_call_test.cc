// Settings and calls of Linux's older days that are still there: sysfs(2), syslog(2),
// personality(2) with STICKY_TIMEOUTS, PR_SET_TIMERSLACK, and what sched_setscheduler(2) leaves to
// children.
#include <fcntl.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "compat_tests/process/child.h"

namespace compat {
namespace {

long sysfs(int option, const void* first = nullptr, void* second = nullptr) {
  return syscall(SYS_sysfs, option, first, second);
}
#define NEEDS_SYSFS() \
  if (sysfs(3) < 0 && errno == ENOSYS) GTEST_SKIP() << "a kernel without CONFIG_SYSFS_SYSCALL"

TEST(SysFs, NumbersTheFileSystems) {
  NEEDS_SYSFS();
  const long count = sysfs(3), proc = sysfs(1, "proc");
  ASSERT_GE(proc, 0);
  EXPECT_LT(proc, count);
  char name[64] = {};
  ASSERT_OK(syscall(SYS_sysfs, 2, proc, name));
  EXPECT_STREQ("proc", name);
}

TEST(SysFs, Errors) {
  NEEDS_SYSFS();
  char name[64];
  EXPECT_ERRNO(EINVAL, sysfs(1, "nosuchfilesystem"));
  EXPECT_ERRNO(EFAULT, sysfs(1, bad_pointer<char>()));
  EXPECT_ERRNO(EINVAL, syscall(SYS_sysfs, 2, 1000, name));
  EXPECT_ERRNO(EFAULT, syscall(SYS_sysfs, 2, 0, bad_pointer<char>()));
  EXPECT_ERRNO(EINVAL, sysfs(4));
}

TEST(SysLog, ArgumentsAreChecked) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  char buffer[16];
  EXPECT_ERRNO(EINVAL, klogctl(100, buffer, 0));
  EXPECT_ERRNO(EINVAL, klogctl(3, nullptr, 0));
  EXPECT_ERRNO(EINVAL, klogctl(3, buffer, -1));
  EXPECT_ERRNO(EINVAL, klogctl(8, nullptr, 0));
  EXPECT_ERRNO(EINVAL, klogctl(8, nullptr, 9));
  EXPECT_EQ(0, klogctl(2, buffer, 0));
  EXPECT_GE(klogctl(3, buffer, sizeof buffer), 0);
  EXPECT_GT(klogctl(10, nullptr, 0), 0) << "the buffer's size";
}

TEST(SysLog, NeedsTheRight) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  EXPECT_EQ(0, result_of([] {
              if (setresuid(12345, 12345, 12345) != 0) return 1;
              char buffer[16];
              if (klogctl(2, buffer, 0) != -1 || errno != EPERM) return 2;
              return klogctl(5, nullptr, 0) == -1 && errno == EPERM ? 0 : 3;
            }));
}

TEST(Personality, TimeoutsMayStick) {
  EXPECT_EQ(0, result_of([] {
              personality(STICKY_TIMEOUTS);
              timeval timeout = {0, 10};
              if (select(0, nullptr, nullptr, nullptr, &timeout) != 0) return 1;
              if (timeout.tv_usec != 10) return 2;
              personality(0);
              if (select(0, nullptr, nullptr, nullptr, &timeout) != 0) return 3;
              return timeout.tv_usec == 0 ? 0 : 4;
            }));
}

TEST(TimerSlack, TheMakersIsTheDefault) {
  in_thread([] {
    ASSERT_OK(prctl(PR_SET_TIMERSLACK, 70000));
    in_thread([] {
      EXPECT_EQ(70000, prctl(PR_GET_TIMERSLACK));
      ASSERT_OK(prctl(PR_SET_TIMERSLACK, 1));
      EXPECT_EQ(1, prctl(PR_GET_TIMERSLACK));
      ASSERT_OK(prctl(PR_SET_TIMERSLACK, 0));
      EXPECT_EQ(70000, prctl(PR_GET_TIMERSLACK));
    });
  });
}

// SCHED_RESET_ON_FORK takes back what was raised, and nothing else.
TEST(ResetOnFork, KeepsWhatWasNotRaised) {
  EXPECT_EQ(0, result_of([] {
              const sched_param plain = {};
              if (nice(5) < 0 || sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &plain))
                return 1;
              return result_of([] {
                if (sched_getscheduler(0) != SCHED_BATCH) return 2;
                return nice(0) == 5 ? 0 : 3;
              });
            }));
}

TEST(ResetOnFork, TakesRealTimeBack) {
  EXPECT_EQ(0, result_of([] {
              const sched_param high = {.sched_priority = 3};
              if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &high))
                return errno == EPERM ? 0 : 1;
              return result_of([] {
                sched_param mine;
                sched_getparam(0, &mine);
                if (mine.sched_priority != 0) return 2;
                return sched_getscheduler(0) == SCHED_OTHER ? 0 : 3;
              });
            }));
}

TEST(Numbers, GoOnBehindTheLast) {
  const char* setting = "/proc/sys/kernel/ns_last_pid";
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  if (access(setting, W_OK) != 0) GTEST_SKIP() << "a kernel without CONFIG_CHECKPOINT_RESTORE";
  const int wanted = std::stoi(read_file(setting)) + 1000;
  if (wanted > std::stoi(read_file("/proc/sys/kernel/pid_max")) - 1000) GTEST_SKIP();
  write_file(setting, std::to_string(wanted));
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_GT(child, wanted);
}

}  // namespace
}  // namespace compat
