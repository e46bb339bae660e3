// setitimer(2), and all timers of CPU time.
#include "kernel/abi/resource.h"
#include "process/family.h"
#include "process/posix_timer.h"
#include "process/signals.h"

namespace narwhal {
namespace {

constexpr u64 kUnlimited = ~u64{0};
// What is left of a timer that is due but whose tick has not come: Linux says a tick too.
constexpr u64 kTick = 4 * kNanosPerMilli;

u64 later(u64 now_ns, u64 span_ns) {
  constexpr u64 kLast = platform::kNoDeadline - 1;
  return span_ns < kLast - now_ns ? now_ns + span_ns : kLast;
}

}  // namespace

// The last task of the process stopped them: locks can't be taken here.
ProcessTimers::~ProcessTimers() {
  DEBUG_ASSERT(first_ == nullptr);
}

void ProcessTimers::stop_all() {
  remove_posix_timers();
  {
    SpinGuard guard(lock_);
    real_expires_ns_ = 0;
    for (CpuInterval& timer : cpu_) timer = {};
  }
  real_.cancel();
}

// --- real time

void ProcessTimers::on_real_timer(Timer& timer) {
  ProcessTimers& self = static_cast<OwnedTimer&>(timer).owner;
  const u64 now = platform::monotonic_ns();
  SpinGuard guard(self.lock_);
  if (self.real_expires_ns_ == 0) return;
  const bool due = advance_timer(self.real_expires_ns_, self.real_interval_ns_, now) != 0;
  if (due) send_signal(self.process_, kernel_signal(Signal::kAlrm)).ignore();
  if (self.real_expires_ns_ == 0) return;
  const u64 earliest = now + kLeastTimerGap;
  timer.arm(self.real_expires_ns_ > earliest ? self.real_expires_ns_ : earliest);
}

// --- CPU time

u64 ProcessTimers::cpu_time(usize which) const {
  return which == 0 ? process_.usage().user_ns : process_.cpu_time_ns();
}

TimerSetting ProcessTimers::interval(Interval which) {
  SpinGuard guard(lock_);
  if (which == Interval::kReal) {
    if (real_expires_ns_ == 0) return {0, real_interval_ns_};
    const u64 now = platform::monotonic_ns();
    // Due, and its signal on the way: a microsecond is the least that can be said.
    return {real_expires_ns_ > now ? real_expires_ns_ - now : kNanosPerMicro, real_interval_ns_};
  }
  const CpuInterval& timer = cpu_[usize(which) - 1];
  if (timer.expires_ns == 0) return {0, timer.interval_ns};
  const u64 now = cpu_time(usize(which) - 1);
  return {timer.expires_ns > now ? timer.expires_ns - now : kTick, timer.interval_ns};
}

TimerSetting ProcessTimers::set_interval(Interval which, const TimerSetting& setting) {
  const TimerSetting old = interval(which);
  SpinGuard guard(lock_);
  if (which == Interval::kReal) {
    const bool on = setting.remaining_ns != 0;
    real_interval_ns_ = on ? setting.interval_ns : 0;
    real_expires_ns_ = on ? later(platform::monotonic_ns(), setting.remaining_ns) : 0;
    real_.arm(on ? real_expires_ns_ : platform::kNoDeadline);
    return old;
  }
  CpuInterval& timer = cpu_[usize(which) - 1];
  timer.interval_ns = setting.interval_ns;
  timer.expires_ns =
      setting.remaining_ns != 0 ? later(cpu_time(usize(which) - 1), setting.remaining_ns) : 0;
  update_watch_locked();
  return old;
}

void ProcessTimers::check_interval(CpuInterval& timer, u64 now_ns, Signal signal) {
  if (advance_timer(timer.expires_ns, timer.interval_ns, now_ns) != 0)
    send_signal(process_, kernel_signal(signal)).ignore();
}

void ProcessTimers::check_cpu_time(Task& task) {
  {
    constexpr Signal kSignals[kCpuIntervals] = {Signal::kVtalrm, Signal::kProf};
    SpinGuard guard(lock_);
    for (usize i = 0; i < kCpuIntervals; ++i)
      if (cpu_[i].expires_ns != 0) check_interval(cpu_[i], cpu_time(i), kSignals[i]);
    for (PosixTimer* timer = first_; timer; timer = timer->next) {
      if (!timer->on_cpu_time() || timer->expires_ns == 0) continue;
      if (timer->cpu_thread == 0 || timer->cpu_thread == task.tid()) timer->expire(timer->now());
    }
    update_watch_locked();
  }
  check_limit();
}

// RLIMIT_CPU, setrlimit(2): a signal at the soft limit and each second after it, death at the hard
// one. As on Linux the soft limit moves along.
void ProcessTimers::check_limit() {
  const ResourceLimit limit = process_.limit(abi::kLimitCpu);
  if (limit.soft == kUnlimited) return;
  const u64 seconds = process_.cpu_time_ns() / kNanosPerSecond;
  if (limit.hard != kUnlimited && seconds >= limit.hard) {
    send_signal(process_, kernel_signal(Signal::kKill)).ignore();
    return;
  }
  if (seconds < limit.soft) return;
  process_.set_limit(abi::kLimitCpu, {limit.soft + 1, limit.hard});
  send_signal(process_, kernel_signal(Signal::kXcpu)).ignore();
}

// --- who must be watched

bool ProcessTimers::watches_cpu_time() const {
  return cpu_armed_.load(Order::kRelaxed) || process_.soft_limit(abi::kLimitCpu) != kUnlimited;
}

void ProcessTimers::update_watch_locked() {
  bool armed = false;
  for (const CpuInterval& timer : cpu_) armed |= timer.expires_ns != 0;
  for (const PosixTimer* timer = first_; timer; timer = timer->next)
    armed |= timer->on_cpu_time() && timer->expires_ns != 0;
  cpu_armed_.store(armed, Order::kRelaxed);
  const bool watch = watches_cpu_time();
  SpinGuard guard(thread_list_lock);
  Family::for_each_task(process_, [=](Task& task) { task.watch_cpu_time(watch); });
}

void ProcessTimers::update_watch() {
  SpinGuard guard(lock_);
  update_watch_locked();
}

}  // namespace narwhal
