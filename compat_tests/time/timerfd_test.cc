// timerfd_create(2).
#include <poll.h>
#include <sys/timerfd.h>

#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

itimerspec after(milliseconds first, milliseconds interval = milliseconds(0)) {
  return {.it_interval = timespec_of(interval), .it_value = timespec_of(first)};
}

class TimerFd : public testing::Test {
 protected:
  TimerFd() : fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) { EXPECT_OK(fd); }

  void set(const itimerspec& setting, int flags = 0) {
    EXPECT_OK(timerfd_settime(fd, flags, &setting, nullptr));
  }
  uint64_t expirations() {
    uint64_t count = 0;
    EXPECT_EQ(8, read(fd, &count, sizeof count));
    return count;
  }
  void make_non_blocking() { ASSERT_OK(fcntl(fd, F_SETFL, O_NONBLOCK)); }

  Fd fd;
  uint64_t value = 0;
};

TEST_F(TimerFd, ReadWaitsForTheTime) {
  const auto start = Clock::now();
  set(after(milliseconds(30)));
  EXPECT_EQ(1u, expirations());
  EXPECT_GE(Clock::now() - start, milliseconds(30));
}

TEST_F(TimerFd, CountsExpirations) {
  set(after(milliseconds(5), milliseconds(5)));
  sleep_for(milliseconds(60));
  EXPECT_GE(expirations(), 11u);
  EXPECT_GE(expirations(), 1u);
}

TEST_F(TimerFd, ReadingStartsTheCountAnew) {
  make_non_blocking();
  set(after(milliseconds(5)));
  sleep_for(milliseconds(20));
  EXPECT_EQ(1u, expirations());
  EXPECT_ERRNO(EAGAIN, read(fd, &value, sizeof value));
}

TEST_F(TimerFd, DisarmedNeverFires) {
  make_non_blocking();
  EXPECT_ERRNO(EAGAIN, read(fd, &value, sizeof value));
  set(after(milliseconds(10)));
  set(itimerspec{});
  sleep_for(milliseconds(30));
  EXPECT_ERRNO(EAGAIN, read(fd, &value, sizeof value));
}

TEST_F(TimerFd, SettingDropsOldExpirations) {
  make_non_blocking();
  set(after(milliseconds(1)));
  sleep_for(milliseconds(20));
  set(after(milliseconds(100'000)));
  EXPECT_ERRNO(EAGAIN, read(fd, &value, sizeof value));
}

TEST_F(TimerFd, AbsoluteTimes) {
  itimerspec at = {};
  clock_gettime(CLOCK_MONOTONIC, &at.it_value);
  at.it_value.tv_nsec += 20'000'000;
  if (at.it_value.tv_nsec >= 1'000'000'000) {
    at.it_value.tv_nsec -= 1'000'000'000;
    ++at.it_value.tv_sec;
  }
  set(at, TFD_TIMER_ABSTIME);
  EXPECT_EQ(1u, expirations());
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  EXPECT_TRUE(now.tv_sec > at.it_value.tv_sec ||
              (now.tv_sec == at.it_value.tv_sec && now.tv_nsec >= at.it_value.tv_nsec));
}

TEST_F(TimerFd, PastTimesFireAtOnce) {
  set({.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1}}, TFD_TIMER_ABSTIME);
  EXPECT_EQ(1u, expirations());
}

TEST_F(TimerFd, PastTimesWithAnInterval) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  // One expiration a second since the clock started.
  set({.it_interval = {.tv_sec = 1, .tv_nsec = 0}, .it_value = {.tv_sec = 0, .tv_nsec = 1}},
      TFD_TIMER_ABSTIME);
  const uint64_t count = expirations();
  EXPECT_GE(count, static_cast<uint64_t>(now.tv_sec));
  EXPECT_LE(count, static_cast<uint64_t>(now.tv_sec) + 10);
}

TEST_F(TimerFd, SaysWhatIsLeft) {
  set(after(milliseconds(100'000), milliseconds(7'000)));
  itimerspec now;
  ASSERT_OK(timerfd_gettime(fd, &now));
  EXPECT_GE(now.it_value.tv_sec, 60);
  EXPECT_LE(now.it_value.tv_sec, 100);
  EXPECT_EQ(7, now.it_interval.tv_sec);
  const itimerspec other = after(milliseconds(200'000));
  itimerspec old;
  ASSERT_OK(timerfd_settime(fd, 0, &other, &old));
  EXPECT_EQ(7, old.it_interval.tv_sec);
  EXPECT_GE(old.it_value.tv_sec, 60);
}

TEST_F(TimerFd, Poll) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(0, poll(&entry, 1, 0));
  set(after(milliseconds(20)));
  EXPECT_EQ(1, poll(&entry, 1, 20000));
  EXPECT_EQ(POLLIN, entry.revents);
  EXPECT_EQ(1u, expirations());
  EXPECT_EQ(0, poll(&entry, 1, 0));
}

TEST_F(TimerFd, ArmedByAnotherThread) {
  std::thread other([&] {
    let_others_block();
    set(after(milliseconds(5)));
  });
  EXPECT_EQ(1u, expirations());
  other.join();
}

TEST_F(TimerFd, OtherClocks) {
  for (const int clock : {CLOCK_REALTIME, CLOCK_BOOTTIME}) {
    fd.reset(timerfd_create(clock, 0));
    ASSERT_OK(fd) << clock;
    set(after(milliseconds(5)));
    EXPECT_EQ(1u, expirations());
  }
}

TEST_F(TimerFd, CancelOnSet) {
  fd.reset(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
  itimerspec at = {};
  clock_gettime(CLOCK_REALTIME, &at.it_value);
  at.it_value.tv_sec += 1000;
  set(at, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
  EXPECT_ERRNO(EAGAIN, read(fd, &value, sizeof value));
}

TEST_F(TimerFd, Errors) {
  EXPECT_ERRNO(EINVAL, timerfd_create(77, 0));
  EXPECT_ERRNO(EINVAL, timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0));
  EXPECT_ERRNO(EINVAL, timerfd_create(CLOCK_MONOTONIC, 1));
  EXPECT_ERRNO(EINVAL, read(fd, &value, 4));
  EXPECT_ERRNO(EINVAL, write(fd, &value, 8));
  itimerspec setting = after(milliseconds(1));
  EXPECT_ERRNO(EINVAL, timerfd_settime(fd, 77, &setting, nullptr));
  EXPECT_ERRNO(EBADF, timerfd_settime(-1, 0, &setting, nullptr));
  Fd file(open("/dev/null", O_RDONLY));
  EXPECT_ERRNO(EINVAL, timerfd_settime(file, 0, &setting, nullptr));
  EXPECT_ERRNO(EINVAL, timerfd_gettime(file, &setting));
  EXPECT_ERRNO(EFAULT, timerfd_settime(fd, 0, bad_pointer<itimerspec>(), nullptr));
  setting.it_value.tv_nsec = 1'000'000'000;
  EXPECT_ERRNO(EINVAL, timerfd_settime(fd, 0, &setting, nullptr));
}

}  // namespace
}  // namespace compat
