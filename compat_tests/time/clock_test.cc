// clock_gettime(2) and its relatives: which clocks there are, and what may be relied on.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

int64_t now(clockid_t clock) {
  timespec time = {};
  EXPECT_OK(clock_gettime(clock, &time));
  EXPECT_GE(time.tv_nsec, 0);
  EXPECT_LT(time.tv_nsec, 1'000'000'000);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

// The system call, where clock_gettime() reads the clock without one.
int64_t now_by_system_call(clockid_t clock) {
  timespec time = {};
  EXPECT_OK(syscall(SYS_clock_gettime, clock, &time));
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

constexpr int64_t kSecond = 1'000'000'000;
constexpr clockid_t kClocks[] = {
    CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI};

void burn(milliseconds processor_time) {
  const int64_t end = now(CLOCK_THREAD_CPUTIME_ID) + processor_time.count() * 1'000'000;
  while (now(CLOCK_THREAD_CPUTIME_ID) < end) {
  }
}

TEST(Clocks, AllAreThere) {
  for (const clockid_t clock : kClocks) {
    timespec time;
    EXPECT_OK(clock_gettime(clock, &time)) << clock;
    EXPECT_OK(syscall(SYS_clock_gettime, clock, &time)) << clock;
  }
}

TEST(Clocks, Resolutions) {
  for (const clockid_t clock : kClocks) {
    timespec resolution = {};
    EXPECT_OK(clock_getres(clock, &resolution)) << clock;
    EXPECT_EQ(0, resolution.tv_sec);
    EXPECT_GT(resolution.tv_nsec, 0);
    EXPECT_LE(resolution.tv_nsec, 10'000'000);
  }
  EXPECT_OK(clock_getres(CLOCK_MONOTONIC, nullptr));
  timespec fine;
  ASSERT_OK(clock_getres(CLOCK_MONOTONIC, &fine));
  EXPECT_EQ(1, fine.tv_nsec);
}

TEST(Clocks, UnknownOnes) {
  timespec time;
  EXPECT_ERRNO(EINVAL, clock_gettime(77, &time));
  EXPECT_ERRNO(EINVAL, clock_getres(77, &time));
  EXPECT_ERRNO(EINVAL, syscall(SYS_clock_gettime, 77, &time));
}

TEST(Clocks, BadPointers) {
  EXPECT_ERRNO(EFAULT, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad_pointer<timespec>()));
  EXPECT_ERRNO(EFAULT, syscall(SYS_clock_getres, CLOCK_MONOTONIC, bad_pointer<timespec>()));
  EXPECT_ERRNO(EFAULT, syscall(SYS_gettimeofday, bad_pointer<timeval>(), nullptr));
  EXPECT_ERRNO(EFAULT, syscall(SYS_time, bad_pointer<time_t>()));
}

TEST(Clocks, MonotonicNeverGoesBack) {
  int64_t last = now(CLOCK_MONOTONIC);
  for (int i = 0; i < 20000; ++i) {
    const int64_t next = now(CLOCK_MONOTONIC);
    ASSERT_GE(next, last);
    last = next;
  }
}

TEST(Clocks, BothWaysToReadAgree) {
  for (const clockid_t clock :
       {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW}) {
    for (int i = 0; i < 200; ++i) {
      const int64_t first = now(clock), second = now_by_system_call(clock), third = now(clock);
      ASSERT_LE(first, second) << clock;
      ASSERT_LE(second, third) << clock;
    }
  }
}

TEST(Clocks, MonotonicAcrossThreads) {
  std::atomic<int64_t> latest = 0;
  std::atomic<bool> wrong = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 3000; ++n) {
        const int64_t seen = latest;
        const int64_t time = now(CLOCK_MONOTONIC);
        if (time < seen) wrong = true;
        latest = time;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
}

TEST(Clocks, MonotonicAdvances) {
  const int64_t start = now(CLOCK_MONOTONIC);
  EXPECT_TRUE(eventually([&] { return now(CLOCK_MONOTONIC) > start + 1'000'000; }));
}

TEST(Clocks, RealTimeIsPlausible) {
  // After this was written, and before the century ends.
  EXPECT_GT(now(CLOCK_REALTIME) / kSecond, 1'735'689'600);
  EXPECT_LT(now(CLOCK_REALTIME) / kSecond, 4'102'444'800);
}

TEST(Clocks, WallClocksAgree) {
  const int64_t before = now(CLOCK_REALTIME);
  timeval day_time = {};
  struct timezone zone = {.tz_minuteswest = 77, .tz_dsttime = 77};
  ASSERT_OK(gettimeofday(&day_time, &zone));
  const int64_t middle = now(CLOCK_REALTIME);
  EXPECT_GE(day_time.tv_sec * 1'000'000 + day_time.tv_usec, before / 1000);
  EXPECT_LE(day_time.tv_sec * 1'000'000 + day_time.tv_usec, middle / 1000);
  EXPECT_EQ(0, zone.tz_minuteswest);
  time_t stored = 0;
  const time_t returned = time(&stored);
  EXPECT_EQ(stored, returned);
  // time(2) reads a clock that advances with the timer's tick.
  EXPECT_GE(returned, before / kSecond - 1);
  EXPECT_LE(returned, now(CLOCK_REALTIME) / kSecond);
}

TEST(Clocks, CoarseOnesLagBehind) {
  for (const auto& [coarse, fine] : {std::pair(CLOCK_REALTIME_COARSE, CLOCK_REALTIME),
                                     std::pair(CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC)}) {
    const int64_t early = now(coarse);
    const int64_t late = now(fine);
    EXPECT_LE(early, late);
    EXPECT_GT(early, late - 2 * kSecond);
  }
}

TEST(Clocks, BootTimeIncludesMonotonic) {
  const int64_t monotonic = now(CLOCK_MONOTONIC);
  EXPECT_GE(now(CLOCK_BOOTTIME), monotonic);
}

TEST(Clocks, InternationalAtomicTimeIsAhead) {
  const int64_t difference = now(CLOCK_TAI) - now(CLOCK_REALTIME);
  EXPECT_GE(difference, -kSecond);
  EXPECT_LT(difference, 100 * kSecond);
}

TEST(Clocks, UptimeIsBootTime) {
  struct sysinfo info;
  ASSERT_OK(sysinfo(&info));
  EXPECT_NEAR(static_cast<double>(now(CLOCK_BOOTTIME)) / kSecond, static_cast<double>(info.uptime),
              3);
  const std::string text = read_file("/proc/uptime");
  EXPECT_NEAR(static_cast<double>(now(CLOCK_BOOTTIME)) / kSecond, std::stod(text), 3);
}

TEST(ProcessorTime, PassesWhileWorking) {
  const int64_t thread_start = now(CLOCK_THREAD_CPUTIME_ID);
  const int64_t process_start = now(CLOCK_PROCESS_CPUTIME_ID);
  burn(milliseconds(30));
  EXPECT_GE(now(CLOCK_THREAD_CPUTIME_ID) - thread_start, 30'000'000);
  EXPECT_GE(now(CLOCK_PROCESS_CPUTIME_ID) - process_start, 30'000'000);
}

TEST(ProcessorTime, StandsStillWhileSleeping) {
  const int64_t start = now(CLOCK_THREAD_CPUTIME_ID);
  sleep_for(milliseconds(300));
  EXPECT_LT(now(CLOCK_THREAD_CPUTIME_ID) - start, 200'000'000);
}

TEST(ProcessorTime, OfOneThreadAndOfAll) {
  const int64_t process_start = now(CLOCK_PROCESS_CPUTIME_ID);
  const int64_t own_start = now(CLOCK_THREAD_CPUTIME_ID);
  in_thread([] {
    EXPECT_LT(now(CLOCK_THREAD_CPUTIME_ID), 5 * kSecond);
    burn(milliseconds(50));
  });
  EXPECT_GE(now(CLOCK_PROCESS_CPUTIME_ID) - process_start, 50'000'000);
  EXPECT_LT(now(CLOCK_THREAD_CPUTIME_ID) - own_start, 50'000'000);
}

TEST(ProcessorTime, OfAnotherThread) {
  std::atomic<bool> burnt = false, stop = false;
  std::thread other([&] {
    burn(milliseconds(20));
    burnt = true;
    while (!stop) sleep_for(milliseconds(1));
  });
  EXPECT_TRUE(eventually([&] { return burnt.load(); }));
  clockid_t clock;
  ASSERT_EQ(0, pthread_getcpuclockid(other.native_handle(), &clock));
  EXPECT_GE(now(clock), 20'000'000);
  stop = true;
  other.join();
  clockid_t own;
  ASSERT_EQ(0, clock_getcpuclockid(0, &own));
  EXPECT_GE(now(own), 20'000'000);
  EXPECT_EQ(ESRCH, clock_getcpuclockid(4194303, &own));
}

TEST(ProcessorTime, ResourceUsage) {
  const auto used = [](int who) {
    rusage usage = {};
    EXPECT_OK(getrusage(who, &usage));
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  };
  const int64_t start = used(RUSAGE_SELF), thread_start = used(RUSAGE_THREAD);
  burn(milliseconds(100));
  EXPECT_GE(used(RUSAGE_SELF) - start, 50'000);
  EXPECT_GE(used(RUSAGE_THREAD) - thread_start, 50'000);
  EXPECT_OK(used(RUSAGE_CHILDREN));
  rusage usage;
  EXPECT_ERRNO(EINVAL, getrusage(77, &usage));
  EXPECT_ERRNO(EFAULT, getrusage(RUSAGE_SELF, bad_pointer<rusage>()));
}

TEST(ProcessorTime, Times) {
  tms start = {}, end = {};
  const clock_t first = times(&start);
  burn(milliseconds(100));
  const clock_t second = times(&end);
  EXPECT_GT(second, first);
  EXPECT_GE(end.tms_utime + end.tms_stime, start.tms_utime + start.tms_stime + 5);
  EXPECT_EQ(100, sysconf(_SC_CLK_TCK));
}

TEST(SettingClocks, SomeCannotBeSet) {
  const timespec time = {.tv_sec = 1, .tv_nsec = 0};
  EXPECT_ERRNO(EINVAL, clock_settime(CLOCK_MONOTONIC, &time));
  EXPECT_ERRNO(EINVAL, clock_settime(77, &time));
  const timespec wrong = {.tv_sec = 1, .tv_nsec = 1'000'000'000};
  EXPECT_ERRNO(EINVAL, clock_settime(CLOCK_REALTIME, &wrong));
  EXPECT_ERRNO(EFAULT, syscall(SYS_clock_settime, CLOCK_REALTIME, bad_pointer<timespec>()));
}

TEST(SettingClocks, NeedsARight) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  in_thread([] {
    ASSERT_OK(syscall(SYS_setresuid, 12345, 12345, 12345));
    timespec time;
    ASSERT_OK(clock_gettime(CLOCK_REALTIME, &time));
    EXPECT_ERRNO(EPERM, syscall(SYS_clock_settime, CLOCK_REALTIME, &time));
    timex settings = {};
    settings.modes = ADJ_OFFSET;
    EXPECT_ERRNO(EPERM, syscall(SYS_adjtimex, &settings));
  });
}

TEST(SettingClocks, SettingsCanBeRead) {
  timex settings = {};
  EXPECT_OK(adjtimex(&settings));
  EXPECT_GE(settings.tick, 9000);
  EXPECT_LE(settings.tick, 11000);
}

}  // namespace
}  // namespace compat
