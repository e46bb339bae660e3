// setitimer(2), alarm(2), and the timers of timer_create(2).
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include <atomic>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

std::atomic<int> calls;
void count_call(int, siginfo_t*, void*) {
  ++calls;
}

itimerval after(milliseconds first, milliseconds interval = milliseconds(0)) {
  const auto part = [](milliseconds time) {
    return timeval{.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
  };
  return {.it_interval = part(interval), .it_value = part(first)};
}

itimerspec spec_after(milliseconds first, milliseconds interval = milliseconds(0)) {
  return {.it_interval = timespec_of(interval), .it_value = timespec_of(first)};
}

void burn_until(const std::function<bool()>& condition) {
  const auto limit = Clock::now() + std::chrono::seconds(20);
  while (!condition() && Clock::now() < limit) {
  }
}

class IntervalTimer : public testing::Test {
 protected:
  IntervalTimer() { calls = 0; }
  ~IntervalTimer() override {
    const itimerval off = {};
    setitimer(ITIMER_REAL, &off, nullptr);
    setitimer(ITIMER_VIRTUAL, &off, nullptr);
    setitimer(ITIMER_PROF, &off, nullptr);
  }

  ScopedAction real{SIGALRM, count_call}, user{SIGVTALRM, count_call}, profile{SIGPROF, count_call};
};

TEST_F(IntervalTimer, FiresOnce) {
  const itimerval once = after(milliseconds(20));
  const auto start = Clock::now();
  ASSERT_OK(setitimer(ITIMER_REAL, &once, nullptr));
  EXPECT_TRUE(eventually([] { return calls == 1; }));
  EXPECT_GE(Clock::now() - start, milliseconds(20));
  sleep_for(milliseconds(60));
  EXPECT_EQ(1, calls);
  itimerval now;
  ASSERT_OK(getitimer(ITIMER_REAL, &now));
  EXPECT_EQ(0, now.it_value.tv_sec);
  EXPECT_EQ(0, now.it_value.tv_usec);
}

TEST_F(IntervalTimer, FiresAgainAndAgain) {
  const itimerval often = after(milliseconds(10), milliseconds(10));
  ASSERT_OK(setitimer(ITIMER_REAL, &often, nullptr));
  EXPECT_TRUE(eventually([] { return calls >= 5; }));
  const itimerval off = {};
  itimerval old;
  ASSERT_OK(setitimer(ITIMER_REAL, &off, &old));
  EXPECT_EQ(10'000, old.it_interval.tv_usec);
  const int count = calls;
  sleep_for(milliseconds(50));
  EXPECT_EQ(count, calls);
}

TEST_F(IntervalTimer, SaysWhatIsLeft) {
  const itimerval once = after(milliseconds(100'000), milliseconds(7'000));
  ASSERT_OK(setitimer(ITIMER_REAL, &once, nullptr));
  itimerval now;
  ASSERT_OK(getitimer(ITIMER_REAL, &now));
  EXPECT_GE(now.it_value.tv_sec, 60);
  EXPECT_LE(now.it_value.tv_sec, 100);
  EXPECT_EQ(7, now.it_interval.tv_sec);
}

TEST_F(IntervalTimer, CountsProcessorTime) {
  const itimerval once = after(milliseconds(20));
  ASSERT_OK(setitimer(ITIMER_VIRTUAL, &once, nullptr));
  burn_until([] { return calls == 1; });
  EXPECT_EQ(1, calls);
  ASSERT_OK(setitimer(ITIMER_PROF, &once, nullptr));
  burn_until([] { return calls == 2; });
  EXPECT_EQ(2, calls);
}

TEST_F(IntervalTimer, Errors) {
  itimerval timer = after(milliseconds(1));
  EXPECT_ERRNO(EINVAL, setitimer(77, &timer, nullptr));
  EXPECT_ERRNO(EINVAL, getitimer(77, &timer));
  timer.it_value.tv_usec = 1'000'000;
  EXPECT_ERRNO(EINVAL, setitimer(ITIMER_REAL, &timer, nullptr));
  timer = after(milliseconds(1));
  timer.it_interval.tv_usec = -1;
  EXPECT_ERRNO(EINVAL, setitimer(ITIMER_REAL, &timer, nullptr));
  EXPECT_ERRNO(EFAULT, setitimer(ITIMER_REAL, bad_pointer<itimerval>(), nullptr));
  EXPECT_ERRNO(EFAULT, getitimer(ITIMER_REAL, bad_pointer<itimerval>()));
}

TEST_F(IntervalTimer, Alarm) {
  EXPECT_EQ(0u, alarm(100));
  const unsigned left = alarm(200);
  EXPECT_GE(left, 60u);
  EXPECT_LE(left, 100u);
  itimerval now;
  ASSERT_OK(getitimer(ITIMER_REAL, &now));
  EXPECT_GE(now.it_value.tv_sec, 160);
  EXPECT_GT(alarm(0), 0u);
  EXPECT_EQ(0u, alarm(0));
}

class Timer : public testing::Test {
 protected:
  Timer() {
    calls = 0;
    record.count = 0;
  }
  ~Timer() override {
    if (created_) timer_delete(timer);
  }

  void create(clockid_t clock, int notify, int signal = 0, int value = 0) {
    sigevent event = {};
    event.sigev_notify = notify;
    event.sigev_signo = signal;
    event.sigev_value.sival_int = value;
    ASSERT_OK(timer_create(clock, &event, &timer));
    created_ = true;
  }
  void destroy() {
    EXPECT_OK(timer_delete(timer));
    created_ = false;
  }

  timer_t timer = nullptr;

 private:
  bool created_ = false;
};

TEST_F(Timer, SendsItsSignalWithItsValue) {
  ScopedAction action(SIGRTMIN, record_signal);
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 4711);
  const itimerspec once = spec_after(milliseconds(20));
  const auto start = Clock::now();
  ASSERT_OK(timer_settime(timer, 0, &once, nullptr));
  EXPECT_TRUE(eventually([] { return record.count == 1; }));
  EXPECT_GE(Clock::now() - start, milliseconds(20));
  EXPECT_EQ(SI_TIMER, record.entries[0].code);
  EXPECT_EQ(4711, record.entries[0].value);
  sleep_for(milliseconds(40));
  EXPECT_EQ(1u, record.count);
}

TEST_F(Timer, Repeats) {
  ScopedAction action(SIGRTMIN, count_call);
  create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN);
  const itimerspec often = spec_after(milliseconds(5), milliseconds(5));
  ASSERT_OK(timer_settime(timer, 0, &often, nullptr));
  EXPECT_TRUE(eventually([] { return calls >= 5; }));
  const itimerspec off = {};
  itimerspec old;
  ASSERT_OK(timer_settime(timer, 0, &off, &old));
  EXPECT_EQ(5'000'000, old.it_interval.tv_nsec);
}

TEST_F(Timer, AtAnAbsoluteTime) {
  ScopedAction action(SIGRTMIN, count_call);
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN);
  itimerspec at = {};
  clock_gettime(CLOCK_MONOTONIC, &at.it_value);
  at.it_value.tv_sec -= 1;
  if (at.it_value.tv_sec <= 0) at.it_value = {.tv_sec = 0, .tv_nsec = 1};
  ASSERT_OK(timer_settime(timer, TIMER_ABSTIME, &at, nullptr));
  EXPECT_TRUE(eventually([] { return calls == 1; }));
}

TEST_F(Timer, CountsWhatItCouldNotSend) {
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN);
  Blocked blocked({SIGRTMIN});
  const itimerspec often = spec_after(milliseconds(2), milliseconds(2));
  ASSERT_OK(timer_settime(timer, 0, &often, nullptr));
  sleep_for(milliseconds(50));
  const sigset_t set = set_of({SIGRTMIN});
  siginfo_t info;
  EXPECT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
  EXPECT_GE(info.si_overrun, 5);
  EXPECT_EQ(info.si_overrun, timer_getoverrun(timer));
  destroy();
  const timespec now = {};
  while (sigtimedwait(&set, nullptr, &now) > 0) {
  }
}

TEST_F(Timer, CountsNothingThatIsIgnored) {
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGURG);
  {
    Blocked blocked({SIGURG});
    const itimerspec often = spec_after(milliseconds(2), milliseconds(2));
    ASSERT_OK(timer_settime(timer, 0, &often, nullptr));
    sleep_for(milliseconds(50));
  }
  // The one that waited was the last to reach anybody.
  sleep_for(milliseconds(20));
  EXPECT_GE(timer_getoverrun(timer), 5);
}

TEST_F(Timer, WithoutNotification) {
  create(CLOCK_MONOTONIC, SIGEV_NONE);
  const itimerspec once = spec_after(milliseconds(100'000));
  ASSERT_OK(timer_settime(timer, 0, &once, nullptr));
  itimerspec now;
  ASSERT_OK(timer_gettime(timer, &now));
  EXPECT_GE(now.it_value.tv_sec, 60);
  EXPECT_LE(now.it_value.tv_sec, 100);
}

TEST_F(Timer, ToOneThread) {
  ScopedAction action(SIGRTMIN, record_signal);
  in_thread([&] {
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event._sigev_un._tid = gettid();
    timer_t own;
    ASSERT_OK(timer_create(CLOCK_MONOTONIC, &event, &own));
    const itimerspec once = spec_after(milliseconds(5));
    ASSERT_OK(timer_settime(own, 0, &once, nullptr));
    EXPECT_TRUE(eventually([] { return record.count == 1; }));
    EXPECT_EQ(gettid(), record.entries[0].thread);
    EXPECT_OK(timer_delete(own));
  });
}

TEST_F(Timer, InAThreadOfItsOwn) {
  static std::atomic<pid_t> tid;
  tid = 0;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) { tid = gettid(); };
  ASSERT_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  const itimerspec once = spec_after(milliseconds(5));
  ASSERT_OK(timer_settime(timer, 0, &once, nullptr));
  EXPECT_TRUE(eventually([] { return tid != 0; }));
  EXPECT_NE(gettid(), tid);
  EXPECT_OK(timer_delete(timer));
}

TEST_F(Timer, OnProcessorTime) {
  ScopedAction action(SIGRTMIN, count_call);
  create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN);
  const itimerspec once = spec_after(milliseconds(20));
  ASSERT_OK(timer_settime(timer, 0, &once, nullptr));
  burn_until([] { return calls == 1; });
  EXPECT_EQ(1, calls);
}

TEST_F(Timer, DefaultNotification) {
  ScopedAction action(SIGALRM, record_signal);
  int number = -1;
  ASSERT_OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, nullptr, &number));
  const itimerspec once = spec_after(milliseconds(5));
  ASSERT_OK(syscall(SYS_timer_settime, number, 0, &once, nullptr));
  EXPECT_TRUE(eventually([] { return record.count == 1; }));
  // The value is the timer's number.
  EXPECT_EQ(number, record.entries[0].value);
  EXPECT_OK(syscall(SYS_timer_delete, number));
}

TEST_F(Timer, DeletedTimersAreSilent) {
  ScopedAction action(SIGRTMIN, count_call);
  create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN);
  const itimerspec once = spec_after(milliseconds(20));
  ASSERT_OK(timer_settime(timer, 0, &once, nullptr));
  destroy();
  sleep_for(milliseconds(60));
  EXPECT_EQ(0, calls);
}

TEST_F(Timer, Errors) {
  int number = -1;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_create, 77, &event, &number));
  event.sigev_signo = 65;
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number));
  event.sigev_signo = SIGRTMIN;
  event.sigev_notify = 77;
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number));
  event.sigev_notify = SIGEV_NONE;
  EXPECT_ERRNO(EFAULT, syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, bad_pointer<int>()));
  itimerspec once = spec_after(milliseconds(5));
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_settime, 12345, 0, &once, nullptr));
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_gettime, 12345, &once));
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_delete, 12345));
  EXPECT_ERRNO(EINVAL, syscall(SYS_timer_getoverrun, 12345));
  create(CLOCK_MONOTONIC, SIGEV_NONE);
  once.it_value.tv_nsec = 1'000'000'000;
  EXPECT_ERRNO(EINVAL, timer_settime(timer, 0, &once, nullptr));
  EXPECT_ERRNO(EINVAL, timer_settime(timer, 0, nullptr, nullptr));
}

}  // namespace
}  // namespace compat
