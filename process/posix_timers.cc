// timer_create(2).
#include "process/posix_timers.h"

#include "kernel/abi/resource.h"
#include "process/family.h"
#include "process/posix_timer.h"
#include "process/signals.h"

namespace narwhal {
namespace {

i32 saturated_sum(i32 a, u64 b) {
  constexpr i32 kMost = 0x7fffffff;  // DELAYTIMER_MAX
  return b > u64(kMost - a) ? kMost : a + i32(b);
}

// The entry of this timer's signal that the program has not taken yet.
PendingSignal* pending_entry(SignalQueue& queue, i32 id) {
  for (PendingSignal& entry : queue.entries)
    if (entry.info.code == abi::kCodeTimer && entry.info.timer.timer == id) return &entry;
  return nullptr;
}

}  // namespace

// --- one timer

PosixTimer::PosixTimer(ProcessTimers& o, i32 number, i32 clock, u32 thread,
                       const TimerNotification& n)
    : id(number),
      cpu_thread(thread),
      owner_(o),
      kind(clock_kind(clock)),
      notification_(n),
      timer_(*this) {
  if (clock < 0) measure_ = CpuClock::Measure(clock & 3);
  step_.owner = this;
  step_.stepped = on_step;
  if (kind == ClockKind::kWall || kind == ClockKind::kTai) add_clock_listener(step_);
}

PosixTimer::~PosixTimer() {
  remove_clock_listener(step_);
  timer_.cancel();
}

u64 PosixTimer::now() const {
  if (kind == ClockKind::kCpu) {
    if (cpu_thread == 0)
      return measure_ == CpuClock::Measure::kUser ? owner_.process_.usage().user_ns
                                                  : owner_.process_.cpu_time_ns();
    SpinGuard guard(thread_list_lock);
    const Task* task = pid_table::task(cpu_thread);
    if (!task || &task->process() != &owner_.process_) return 0;
    return measure_ == CpuClock::Measure::kUser ? task->user_time_ns() : task->cpu_time_ns();
  }
  if (!follows_wall_) return platform::monotonic_ns();
  const i64 wall = wall_clock_ns() + offset_from_wall(kind);
  return wall > 0 ? u64(wall) : 0;
}

void PosixTimer::arm(u64 not_before_ns) {
  if (kind == ClockKind::kCpu || notification_.silent || !linked) return;
  if (expires_ns == 0) {
    timer_.arm(platform::kNoDeadline);
    return;
  }
  const u64 deadline = follows_wall_ ? monotonic_when(kind, expires_ns) : expires_ns;
  timer_.arm(deadline > not_before_ns ? deadline : not_before_ns);
}

void PosixTimer::set(bool absolute, u64 value_ns, u64 interval_ns) {
  follows_wall_ = absolute && (kind == ClockKind::kWall || kind == ClockKind::kTai);
  interval_ns_ = value_ns != 0 ? interval_ns : 0;
  overrun_ = previous_overrun_ = 0;
  if (value_ns == 0 || absolute) {
    expires_ns = value_ns;
  } else {
    const u64 from = now();
    expires_ns =
        value_ns < platform::kNoDeadline - 1 - from ? from + value_ns : platform::kNoDeadline - 1;
  }
  arm(0);
}

TimerSetting PosixTimer::get() const {
  if (expires_ns == 0) return {0, interval_ns_};
  const u64 time = now();
  u64 next = expires_ns;
  const u64 missed = advance_timer(next, interval_ns_, time);
  // Due, and its signal on the way: Linux never says 0 of a timer that is armed.
  if (next == 0) return {notification_.silent ? u64{0} : u64{1}, 0};
  static_cast<void>(missed);
  return {next - time, interval_ns_};
}

void PosixTimer::expire(u64 now_ns) {
  const u64 expirations = advance_timer(expires_ns, interval_ns_, now_ns);
  if (expirations != 0 && !notification_.silent) notify(expirations);
}

// A timer has one signal pending at most; what expires meanwhile is counted in it.
void PosixTimer::notify(u64 expirations) {
  Process& process = owner_.process_;
  SpinGuard guard(thread_list_lock);
  Task* target = nullptr;
  if (notification_.thread != 0) {
    target = pid_table::task(notification_.thread);
    if (!target || &target->process() != &process) return;
  }
  {
    SpinGuard queue_guard(process.signal_lock);
    SignalQueue& queue = target ? target->signals.pending : process.pending_signals;
    if (PendingSignal* entry = pending_entry(queue, id)) {
      overrun_ = saturated_sum(overrun_, expirations);
      entry->info.timer.overrun = overrun_;
      return;
    }
  }
  const i32 overrun = saturated_sum(0, expirations - 1);
  abi::SignalInfo info{};
  info.number = i32(notification_.signal);
  info.code = abi::kCodeTimer;
  info.timer.timer = id;
  info.timer.overrun = overrun;
  info.timer.value = notification_.value_is_id ? u64(u32(id)) : notification_.value;
  send_signal_locked(process, target, info).ignore();
  // One that is ignored reaches nobody: the count stays that of the one before.
  SpinGuard queue_guard(process.signal_lock);
  if (!pending_entry(target ? target->signals.pending : process.pending_signals, id)) return;
  previous_overrun_ = overrun_;
  overrun_ = overrun;
}

i32 PosixTimer::last_overrun() const {
  Process& process = owner_.process_;
  SpinGuard guard(thread_list_lock);
  Task* target = notification_.thread != 0 ? pid_table::task(notification_.thread) : nullptr;
  if (target && &target->process() != &process) return overrun_;
  SpinGuard queue_guard(process.signal_lock);
  SignalQueue& queue = target ? target->signals.pending : process.pending_signals;
  // The signal that is still to come has its count for itself.
  return pending_entry(queue, id) ? previous_overrun_ : overrun_;
}

void PosixTimer::on_timer(Timer& timer) {
  PosixTimer& self = static_cast<KernelTimer&>(timer).owner;
  SpinGuard guard(self.owner_.lock_);
  if (!self.linked || self.expires_ns == 0) return;
  self.expire(self.now());
  if (self.expires_ns != 0) self.arm(platform::monotonic_ns() + kLeastTimerGap);
}

void PosixTimer::on_step(ClockStepListener& listener) {
  PosixTimer& self = *static_cast<StepListener&>(listener).owner;
  SpinGuard guard(self.owner_.lock_);
  if (self.follows_wall_ && self.expires_ns != 0) self.arm(0);
}

// --- all of a process

PosixTimer* ProcessTimers::find(i32 id) {
  for (PosixTimer* timer = first_; timer; timer = timer->next)
    if (timer->id == id) return timer;
  return nullptr;
}

Result<i32> ProcessTimers::create(i32 clock, u32 clock_thread,
                                  const TimerNotification& notification) {
  i32 id;
  {
    // Linux counts a timer as a queued signal, for it has room for one.
    SpinGuard guard(lock_);
    if (count_ >= process_.soft_limit(abi::kLimitPendingSignals)) return Errno::kAgain;
    id = next_id_;
    next_id_ = id == 0x7fffffff ? 0 : id + 1;
    while (find(next_id_)) next_id_ = next_id_ == 0x7fffffff ? 0 : next_id_ + 1;
    ++count_;
  }
  auto* timer = new (std::nothrow) PosixTimer(*this, id, clock, clock_thread, notification);
  SpinGuard guard(lock_);
  if (!timer) {
    --count_;
    return Errno::kAgain;
  }
  timer->next = first_;
  first_ = timer;
  return id;
}

Result<> ProcessTimers::remove(i32 id) {
  PosixTimer* found = nullptr;
  {
    SpinGuard guard(lock_);
    PosixTimer** link = &first_;
    while (*link && (*link)->id != id) link = &(*link)->next;
    found = *link;
    if (!found) return Errno::kInval;
    *link = found->next;
    found->unlink();
    --count_;
    update_watch_locked();
  }
  delete found;
  return {};
}

void ProcessTimers::remove_posix_timers() {
  PosixTimer* all;
  {
    SpinGuard guard(lock_);
    all = first_;
    first_ = nullptr;
    count_ = 0;
    next_id_ = 0;
    for (PosixTimer* timer = all; timer; timer = timer->next) timer->unlink();
    update_watch_locked();
  }
  while (PosixTimer* timer = all) {
    all = timer->next;
    delete timer;
  }
}

Result<TimerSetting> ProcessTimers::get(i32 id) {
  SpinGuard guard(lock_);
  const PosixTimer* timer = find(id);
  if (!timer) return Errno::kInval;
  return timer->get();
}

Result<TimerSetting> ProcessTimers::set(i32 id, bool absolute, u64 value_ns, u64 interval_ns) {
  SpinGuard guard(lock_);
  PosixTimer* timer = find(id);
  if (!timer) return Errno::kInval;
  const TimerSetting old = timer->get();
  timer->set(absolute, value_ns, interval_ns);
  if (timer->on_cpu_time()) update_watch_locked();
  return old;
}

Result<i32> ProcessTimers::overrun(i32 id) {
  SpinGuard guard(lock_);
  const PosixTimer* timer = find(id);
  if (!timer) return Errno::kInval;
  return timer->last_overrun();
}

}  // namespace narwhal
