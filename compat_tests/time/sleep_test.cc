// nanosleep(2), clock_nanosleep(2), and the time limits of other calls.
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include <thread>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

timespec later(clockid_t clock, milliseconds time) {
  timespec limit;
  clock_gettime(clock, &limit);
  limit.tv_nsec += time.count() * 1'000'000;
  limit.tv_sec += limit.tv_nsec / 1'000'000'000;
  limit.tv_nsec %= 1'000'000'000;
  return limit;
}

bool has_passed(clockid_t clock, const timespec& limit) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec != limit.tv_sec ? now.tv_sec > limit.tv_sec : now.tv_nsec >= limit.tv_nsec;
}

TEST(Sleep, NeverTooShort) {
  for (const int time : {1, 5, 20, 50}) {
    const timespec request = timespec_of(milliseconds(time));
    const timespec end = later(CLOCK_MONOTONIC, milliseconds(time));
    EXPECT_OK(nanosleep(&request, nullptr));
    EXPECT_TRUE(has_passed(CLOCK_MONOTONIC, end)) << time;
  }
}

TEST(Sleep, NotForEver) {
  const milliseconds taken = duration_of([] { sleep_for(milliseconds(10)); });
  EXPECT_LT(taken, milliseconds(5000));
}

TEST(Sleep, NoTimeAtAll) {
  const timespec none = {};
  EXPECT_OK(nanosleep(&none, nullptr));
  EXPECT_OK(usleep(0));
  const timespec one_nanosecond = {.tv_sec = 0, .tv_nsec = 1};
  EXPECT_OK(nanosleep(&one_nanosecond, nullptr));
}

TEST(Sleep, Errors) {
  const timespec negative = {.tv_sec = -1, .tv_nsec = 0};
  const timespec too_many = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  const timespec too_few = {.tv_sec = 0, .tv_nsec = -1};
  EXPECT_ERRNO(EINVAL, nanosleep(&negative, nullptr));
  EXPECT_ERRNO(EINVAL, nanosleep(&too_many, nullptr));
  EXPECT_ERRNO(EINVAL, nanosleep(&too_few, nullptr));
  EXPECT_ERRNO(EFAULT, nanosleep(bad_pointer<timespec>(), nullptr));
}

TEST(Sleep, UntilAnAbsoluteTime) {
  for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI}) {
    const timespec end = later(clock, milliseconds(20));
    EXPECT_EQ(0, clock_nanosleep(clock, TIMER_ABSTIME, &end, nullptr)) << clock;
    EXPECT_TRUE(has_passed(clock, end)) << clock;
  }
}

TEST(Sleep, UntilAPastTime) {
  const timespec past = {.tv_sec = 1, .tv_nsec = 0};
  EXPECT_EQ(0, clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, nullptr));
  const timespec zero = {};
  EXPECT_EQ(0, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &zero, nullptr));
}

TEST(Sleep, RelativeOnAClock) {
  const timespec request = timespec_of(milliseconds(20));
  const timespec end = later(CLOCK_MONOTONIC, milliseconds(20));
  EXPECT_EQ(0, clock_nanosleep(CLOCK_MONOTONIC, 0, &request, nullptr));
  EXPECT_TRUE(has_passed(CLOCK_MONOTONIC, end));
}

TEST(Sleep, ClockErrors) {
  const timespec request = {};
  const timespec too_many = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_EQ(EINVAL, clock_nanosleep(77, 0, &request, nullptr));
  EXPECT_EQ(EINVAL, clock_nanosleep(CLOCK_MONOTONIC, 0, &too_many, nullptr));
  EXPECT_EQ(EINVAL, clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &request, nullptr));
  EXPECT_EQ(EFAULT, clock_nanosleep(CLOCK_MONOTONIC, 0, bad_pointer<timespec>(), nullptr));
}

TEST(Sleep, ManyThreadsSleepAtTheSameTime) {
  const milliseconds taken = duration_of([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i) threads.emplace_back([] { sleep_for(milliseconds(400)); });
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_GE(taken, milliseconds(400));
  EXPECT_LT(taken, milliseconds(20 * 400));
}

TEST(Sleep, EarlierSleepersWakeFirst) {
  std::atomic<int> order = 0;
  int positions[3] = {};
  std::vector<std::thread> threads;
  for (const int i : {2, 0, 1}) {
    threads.emplace_back([&, i] {
      sleep_for(milliseconds(100 + 300 * i));
      positions[i] = order++;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(i, positions[i]);
}

TEST(Sleep, OthersRunMeanwhile) {
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> work = 0;
  std::thread worker([&] {
    while (!stop) ++work;
  });
  // A busy thread does not keep a sleeper from waking.
  sleep_for(milliseconds(50));
  // On a busy machine its first turn may come late.
  EXPECT_TRUE(eventually([&] { return work > 0; }));
  stop = true;
  worker.join();
}

TEST(TimeLimit, Poll) {
  EXPECT_GE(duration_of([] { EXPECT_EQ(0, poll(nullptr, 0, 30)); }), milliseconds(30));
  EXPECT_EQ(0, poll(nullptr, 0, 0));
}

TEST(TimeLimit, PpollLeavesItsTimeAlone) {
  // The system call writes back what is left of the time; the C library's function does not.
  timespec limit = timespec_of(milliseconds(10));
  EXPECT_EQ(0, ppoll(nullptr, 0, &limit, nullptr));
  EXPECT_EQ(10'000'000, limit.tv_nsec);
  EXPECT_EQ(0, syscall(SYS_ppoll, nullptr, 0, &limit, nullptr, 8));
  EXPECT_EQ(0, limit.tv_nsec);
}

TEST(TimeLimit, SelectCountsDown) {
  // select(2): on Linux the time is changed to what was not slept.
  timeval limit = {.tv_sec = 0, .tv_usec = 20'000};
  EXPECT_EQ(0, select(0, nullptr, nullptr, nullptr, &limit));
  EXPECT_EQ(0, limit.tv_sec);
  EXPECT_EQ(0, limit.tv_usec);
}

TEST(TimeLimit, Pselect) {
  const timespec limit = timespec_of(milliseconds(20));
  EXPECT_GE(
      duration_of([&] { EXPECT_EQ(0, pselect(0, nullptr, nullptr, nullptr, &limit, nullptr)); }),
      milliseconds(20));
}

TEST(TimeLimit, ImpossibleTimes) {
  const timespec too_many = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_ERRNO(EINVAL, ppoll(nullptr, 0, &too_many, nullptr));
  EXPECT_ERRNO(EINVAL, pselect(0, nullptr, nullptr, nullptr, &too_many, nullptr));
  timeval negative = {.tv_sec = -1, .tv_usec = 0};
  EXPECT_ERRNO(EINVAL, select(0, nullptr, nullptr, nullptr, &negative));
}

}  // namespace
}  // namespace compat
