// PR_SET_TSC of prctl(2): who may read the processor's time stamp counter.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <x86intrin.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"
#include "compat_tests/processes/again.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

int rule() {
  int value = 0;
  return prctl(PR_GET_TSC, &value) == 0 ? value : -1;
}
int set_rule(int value) {
  return prctl(PR_SET_TSC, value);
}
uint64_t read_counter() {
  unsigned last;
  return __rdtsc() + __rdtscp(&last);
}

TEST(TimeStampRule, IsCheckedAndTold) {
  EXPECT_EQ(PR_TSC_ENABLE, rule());
  EXPECT_OK(set_rule(PR_TSC_ENABLE));
  EXPECT_ERRNO(EINVAL, set_rule(0));
  EXPECT_ERRNO(EINVAL, set_rule(3));
  EXPECT_ERRNO(EFAULT, prctl(PR_GET_TSC, 64));
}

TEST(TimeStamp, ReadingIsASegmentationFault) {
  EXPECT_EQ(-SIGSEGV, run_child([] {
    if (set_rule(PR_TSC_SIGSEGV) != 0 || rule() != PR_TSC_SIGSEGV) return 1;
    return read_counter() != 0 ? 2 : 3;
  }));
  EXPECT_NE(0u, read_counter());
}

TEST(TimeStamp, TheSignalIsTheKernels) {
  EXPECT_EQ(0, run_child([] {
              ScopedAction handle(SIGSEGV, [](int, siginfo_t* info, void*) {
                _exit(info->si_code == SI_KERNEL && info->si_addr == nullptr ? 0 : 1);
              });
              set_rule(PR_TSC_SIGSEGV);
              return read_counter() != 0 ? 2 : 3;
            }));
}

TEST(TimeStamp, MayBeReadAgain) {
  EXPECT_EQ(0, run_child([] {
              if (set_rule(PR_TSC_SIGSEGV) != 0 || set_rule(PR_TSC_ENABLE) != 0) return 1;
              return read_counter() != 0 && rule() == PR_TSC_ENABLE ? 0 : 2;
            }));
}

TEST(TimeStamp, ChildrenHaveTheRule) {
  EXPECT_EQ(0, run_child([] {
              set_rule(PR_TSC_SIGSEGV);
              const int child = run_child([] {
                if (rule() != PR_TSC_SIGSEGV) return 1;
                return read_counter() != 0 ? 2 : 3;
              });
              return child == -SIGSEGV ? 0 : 1;
            }));
}

// What the kernel does for such a thread does not change it, and the kernel's clock goes on.
TEST(TimeStamp, StaysWhateverTheKernelDoes) {
  EXPECT_EQ(-SIGSEGV, run_child([] {
    set_rule(PR_TSC_SIGSEGV);
    timespec before = {}, after = {};
    for (int i = 0; i < 50; ++i) {
      syscall(SYS_clock_gettime, CLOCK_MONOTONIC, i == 0 ? &before : &after);
      getppid();
      sched_yield();
    }
    nap(1);
    if (after.tv_sec == before.tv_sec && after.tv_nsec <= before.tv_nsec) return 1;
    if (rule() != PR_TSC_SIGSEGV) return 2;
    return read_counter() != 0 ? 3 : 4;
  }));
}

// Where it is a dynamic one, its loader may read the counter before it gets to ask for the rule.
TEST(TimeStamp, ProgramsAreExecutedWithTheRule) {
  const int outcome = run_child([] {
    set_rule(PR_TSC_SIGSEGV);
    return become("time_stamp_rule");
  });
  EXPECT_TRUE(outcome == 0 || outcome == -SIGSEGV) << outcome;
}

TEST(TimeStamp, IsOfOneThread) {
  EXPECT_EQ(0, run_child([] {
              std::atomic<bool> hidden = false, seen = false;
              std::thread other([&] {
                while (!hidden) nap(1);
                seen = read_counter() != 0 && rule() == PR_TSC_ENABLE;
              });
              set_rule(PR_TSC_SIGSEGV);
              hidden = true;
              // join() may not look at the clock.
              while (!seen) sched_yield();
              set_rule(PR_TSC_ENABLE);
              other.join();
              return read_counter() != 0 ? 0 : 1;
            }));
}

}  // namespace
}  // namespace compat
