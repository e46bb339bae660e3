// sched(7): processors, policies, priorities; getcpu(2), membarrier(2), rseq(2).
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

TEST(Scheduling, Yield) {
  for (int i = 0; i < 10; ++i) EXPECT_OK(sched_yield());
}

TEST(Scheduling, Affinity) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_OK(sched_getaffinity(0, sizeof set, &set));
  EXPECT_GE(CPU_COUNT(&set), 1);
  EXPECT_TRUE(CPU_ISSET(static_cast<unsigned>(sched_getcpu()), &set));
  EXPECT_OK(sched_setaffinity(0, sizeof set, &set));
}

TEST(Scheduling, AffinityOfOneThread) {
  in_thread([] {
    cpu_set_t one, now;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
    ASSERT_OK(sched_setaffinity(0, sizeof one, &one));
    ASSERT_OK(sched_getaffinity(0, sizeof now, &now));
    EXPECT_TRUE(CPU_EQUAL(&one, &now));
  });
}

TEST(Scheduling, AffinityOfTheSystemCall) {
  // The system call returns how many bytes it has written, which is a multiple of eight.
  unsigned long words[128] = {};
  const long size = syscall(SYS_sched_getaffinity, 0, sizeof words, words);
  EXPECT_GT(size, 0);
  EXPECT_EQ(0, size % 8);
  EXPECT_NE(0u, words[0]);
}

TEST(Scheduling, AffinityErrors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_ERRNO(EINVAL, sched_setaffinity(0, sizeof set, &set));
  EXPECT_ERRNO(EINVAL, syscall(SYS_sched_getaffinity, 0, 3, &set));
  EXPECT_ERRNO(ESRCH, sched_getaffinity(0x3fffffff, sizeof set, &set));
  EXPECT_ERRNO(EFAULT, sched_getaffinity(0, sizeof set, bad_pointer<cpu_set_t>()));
}

TEST(Scheduling, PolicyOfAZombie) {
  const pid_t pid = fork();
  if (pid == 0) {
    sched_param none = {};
    _exit(sched_setscheduler(0, SCHED_BATCH, &none));
  }
  siginfo_t info;
  ASSERT_OK(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT));
  EXPECT_EQ(0, info.si_status);
  EXPECT_EQ(SCHED_BATCH, sched_getscheduler(pid));
  sched_param param = {.sched_priority = 5};
  EXPECT_OK(sched_getparam(pid, &param));
  EXPECT_EQ(0, param.sched_priority);
  ASSERT_EQ(pid, waitpid(pid, nullptr, 0));
  EXPECT_ERRNO(ESRCH, sched_getscheduler(pid));
}

TEST(Scheduling, GetCpu) {
  unsigned cpu = ~0u, node = ~0u;
  ASSERT_OK(getcpu(&cpu, &node));
  EXPECT_LT(cpu, static_cast<unsigned>(CPU_SETSIZE));
  unsigned direct = ~0u;
  ASSERT_OK(syscall(SYS_getcpu, &direct, nullptr, nullptr));
  EXPECT_LT(direct, static_cast<unsigned>(CPU_SETSIZE));
  EXPECT_OK(syscall(SYS_getcpu, nullptr, nullptr, nullptr));
  EXPECT_ERRNO(EFAULT, syscall(SYS_getcpu, bad_pointer<unsigned>(), nullptr, nullptr));
}

TEST(Scheduling, PriorityRanges) {
  EXPECT_EQ(99, sched_get_priority_max(SCHED_FIFO));
  EXPECT_EQ(1, sched_get_priority_min(SCHED_FIFO));
  EXPECT_EQ(99, sched_get_priority_max(SCHED_RR));
  EXPECT_EQ(0, sched_get_priority_max(SCHED_OTHER));
  EXPECT_EQ(0, sched_get_priority_min(SCHED_OTHER));
  EXPECT_EQ(0, sched_get_priority_max(SCHED_BATCH));
  EXPECT_EQ(0, sched_get_priority_max(SCHED_IDLE));
  EXPECT_ERRNO(EINVAL, sched_get_priority_max(77));
  EXPECT_ERRNO(EINVAL, sched_get_priority_min(-1));
}

TEST(Scheduling, Policies) {
  EXPECT_EQ(SCHED_OTHER, sched_getscheduler(0));
  in_thread([] {
    sched_param parameters = {.sched_priority = 0};
    EXPECT_OK(sched_setscheduler(0, SCHED_BATCH, &parameters));
    EXPECT_EQ(SCHED_BATCH, sched_getscheduler(0));
    EXPECT_OK(sched_setscheduler(0, SCHED_OTHER, &parameters));
    EXPECT_OK(sched_getparam(0, &parameters));
    EXPECT_EQ(0, parameters.sched_priority);
  });
  EXPECT_EQ(SCHED_OTHER, sched_getscheduler(0));
}

TEST(Scheduling, PolicyErrors) {
  sched_param parameters = {.sched_priority = 1};
  EXPECT_ERRNO(EINVAL, sched_setscheduler(0, SCHED_OTHER, &parameters));
  parameters.sched_priority = 0;
  EXPECT_ERRNO(EINVAL, sched_setscheduler(0, SCHED_FIFO, &parameters));
  EXPECT_ERRNO(EINVAL, sched_setscheduler(0, 77, &parameters));
  EXPECT_ERRNO(EINVAL, sched_setscheduler(-1, SCHED_OTHER, &parameters));
  EXPECT_ERRNO(ESRCH, sched_setscheduler(0x3fffffff, SCHED_OTHER, &parameters));
  EXPECT_ERRNO(ESRCH, sched_getscheduler(0x3fffffff));
  EXPECT_ERRNO(EINVAL, sched_getscheduler(-1));
  EXPECT_ERRNO(EINVAL, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, nullptr));
  EXPECT_ERRNO(EFAULT, sched_getparam(0, bad_pointer<sched_param>()));
}

// The kernel's structure as it was at first; <linux/sched/types.h> can't be included together with
// <sched.h>.
struct Attributes {
  uint32_t size;
  uint32_t sched_policy;
  uint64_t sched_flags;
  int32_t sched_nice;
  uint32_t sched_priority;
  uint64_t times[3];
};

TEST(Scheduling, Attributes) {
  Attributes attributes = {};
  ASSERT_OK(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0));
  EXPECT_EQ(static_cast<uint32_t>(SCHED_OTHER), attributes.sched_policy);
  EXPECT_EQ(0u, attributes.sched_priority);
  EXPECT_ERRNO(EINVAL, syscall(SYS_sched_getattr, 0, &attributes, 4, 0));
  EXPECT_ERRNO(EINVAL, syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 1));
  EXPECT_ERRNO(EINVAL, syscall(SYS_sched_setattr, 0, nullptr, 0));
}

constexpr uint32_t kDeadline = 6;  // SCHED_DEADLINE
constexpr uint64_t kMs = 1000000;

TEST(Scheduling, ADeadlineIsKept) {
  in_thread([] {
    Attributes wanted = {sizeof wanted, kDeadline, 0, 0, 0, {1 * kMs, 50 * kMs, 100 * kMs}};
    if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) {
      // Linux also wants the time that is promised to be there, on all CPUs.
      ASSERT_TRUE(errno == EPERM || errno == EBUSY) << error_name(errno);
      return;
    }
    Attributes found = {};
    ASSERT_OK(syscall(SYS_sched_getattr, 0, &found, sizeof found, 0));
    EXPECT_EQ(kDeadline, found.sched_policy);
    EXPECT_EQ(1 * kMs, found.times[0]);
    EXPECT_EQ(50 * kMs, found.times[1]);
    EXPECT_EQ(100 * kMs, found.times[2]);
    EXPECT_EQ(int(kDeadline), sched_getscheduler(0));
    EXPECT_ERRNO(EAGAIN, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) << "its time is promised once";
    const sched_param plain = {};
    ASSERT_OK(sched_setscheduler(0, SCHED_OTHER, &plain));
    ASSERT_OK(syscall(SYS_sched_getattr, 0, &found, sizeof found, 0));
    EXPECT_EQ(0u, found.times[1]);
  });
}

TEST(Scheduling, ImpossibleDeadlines) {
  const uint64_t times[][3] = {
      {1 * kMs, 0, 100 * kMs},          // no deadline
      {100, 50 * kMs, 100 * kMs},       // next to no time
      {60 * kMs, 50 * kMs, 100 * kMs},  // cannot be done by then
      {1 * kMs, 200 * kMs, 100 * kMs},  // not before it is due again
      {1 * kMs, 50 * kMs, uint64_t{1} << 63},
  };
  for (const auto& wrong : times) {
    Attributes wanted = {sizeof wanted, kDeadline, 0, 0, 0, {wrong[0], wrong[1], wrong[2]}};
    EXPECT_ERRNO(EINVAL, syscall(SYS_sched_setattr, 0, &wanted, 0)) << wrong[0];
  }
}

TEST(Scheduling, RoundRobinInterval) {
  timespec interval = {.tv_sec = -1, .tv_nsec = -1};
  ASSERT_OK(sched_rr_get_interval(0, &interval));
  EXPECT_GE(interval.tv_sec, 0);
  EXPECT_GE(interval.tv_nsec, 0);
  EXPECT_ERRNO(EINVAL, sched_rr_get_interval(-1, &interval));
}

TEST(Scheduling, NiceValues) {
  in_thread([] {
    errno = 0;
    const auto thread = static_cast<id_t>(gettid());
    EXPECT_OK(setpriority(PRIO_PROCESS, thread, 5));
    EXPECT_EQ(5, getpriority(PRIO_PROCESS, thread));
    // The system call itself counts from 40 down to 1, so that -1 is always an error.
    EXPECT_EQ(15, syscall(SYS_getpriority, PRIO_PROCESS, 0));
    EXPECT_OK(setpriority(PRIO_PROCESS, thread, 100));
    EXPECT_EQ(19, getpriority(PRIO_PROCESS, thread));
  });
  EXPECT_ERRNO(EINVAL, setpriority(77, 0, 0));
  EXPECT_ERRNO(EINVAL, getpriority(77, 0));
  EXPECT_ERRNO(ESRCH, setpriority(PRIO_PROCESS, 0x3fffffff, 0));
}

long membarrier(int command, unsigned flags = 0) {
  return syscall(SYS_membarrier, command, flags, 0);
}

TEST(Membarrier, QueryAndUse) {
  const long commands = membarrier(MEMBARRIER_CMD_QUERY);
  ASSERT_OK(commands);
  EXPECT_TRUE(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  EXPECT_OK(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
  EXPECT_OK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
  if (commands & MEMBARRIER_CMD_GLOBAL) EXPECT_OK(membarrier(MEMBARRIER_CMD_GLOBAL));
}

TEST(Membarrier, Errors) {
  EXPECT_ERRNO(EINVAL, membarrier(1 << 20));
  EXPECT_ERRNO(EINVAL, membarrier(MEMBARRIER_CMD_QUERY, 2));
}

TEST(Rseq, CpuNumberIsKept) {
  // The C library registers the area where the kernel takes it. Where it does not, nothing claims
  // that it does.
  if (__rseq_size == 0) {
    EXPECT_ERRNO(ENOSYS, syscall(SYS_rseq, nullptr, 0, 0, 0));
    return;
  }
  const auto* area = reinterpret_cast<const struct rseq*>(
      static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset);
  EXPECT_EQ(static_cast<uint32_t>(sched_getcpu()), area->cpu_id);
  EXPECT_EQ(area->cpu_id, area->cpu_id_start);
  in_thread([] {
    const auto* own = reinterpret_cast<const struct rseq*>(
        static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset);
    EXPECT_LT(own->cpu_id, static_cast<uint32_t>(CPU_SETSIZE));
  });
}

TEST(Rseq, Errors) {
  if (__rseq_size == 0) {
    EXPECT_ERRNO(ENOSYS, syscall(SYS_rseq, nullptr, 0, 0, 0));
    return;
  }
  alignas(32) static struct rseq other = {};
  // Another area while one is registered; a bad size; a flag that is not there.
  EXPECT_ERRNO(EINVAL, syscall(SYS_rseq, &other, sizeof other, 0, 0x53053053));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rseq, &other, 8, 0, 0x53053053));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rseq, &other, sizeof other, 1 << 10, 0x53053053));
}

}  // namespace
}  // namespace compat
