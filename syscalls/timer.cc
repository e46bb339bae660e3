// setitimer(2), alarm(2), timer_create(2) and their relatives.
#include "kernel/abi/timer.h"

#include "process/clock_id.h"
#include "process/pid_table.h"
#include "syscalls/handlers.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

// --- interval timers

constexpr i32 kIntervalTimers = 3;  // ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF

abi::ITimerVal to_itimerval(const TimerSetting& setting) {
  return {to_timeval(setting.interval_ns), to_timeval(setting.remaining_ns)};
}

Result<TimerSetting> from_itimerval(const abi::ITimerVal& value) {
  const u64 remaining = TRY(to_nanoseconds(value.value));
  return TimerSetting{remaining, TRY(to_nanoseconds(value.interval))};
}

Result<ProcessTimers::Interval> which_interval(i32 which) {
  if (which < 0 || which >= kIntervalTimers) return Errno::kInval;
  return ProcessTimers::Interval(which);
}

// --- POSIX timers

abi::ITimerSpec to_itimerspec(const TimerSetting& setting) {
  return {to_timespec(setting.interval_ns), to_timespec(setting.remaining_ns)};
}

// What kind of clock it is; EINVAL, EOPNOTSUPP for one that can only be read.
Result<> check_clock(Task& task, i32 clock) {
  switch (clock_kind(clock)) {
    case ClockKind::kInvalid:
      return Errno::kInval;
    case ClockKind::kMonotonic:
      if (clock == abi::kClockMonotonic || clock == abi::kClockBoottime) return {};
      return Errno::kOpNotSupp;
    case ClockKind::kWall:
      if (clock == abi::kClockRealtime) return {};
      return Errno::kOpNotSupp;
    case ClockKind::kTai:
      return {};
    case ClockKind::kCpu: {
      const CpuClock found = TRY(find_cpu_clock(task, clock));
      // The CPU time of another process is not watched.
      if (found.process.get() != &task.process()) return Errno::kOpNotSupp;
      return {};
    }
    case ClockKind::kAlarm:
    case ClockKind::kDevice:
      return Errno::kOpNotSupp;
  }
  return Errno::kInval;
}

// The thread whose CPU time the clock is; 0: the process's, or no CPU time at all.
Result<u32> thread_of_clock(Task& task, i32 clock) {
  if (clock_kind(clock) != ClockKind::kCpu) return u32{0};
  const CpuClock found = TRY(find_cpu_clock(task, clock));
  return found.task ? found.task->tid() : u32{0};
}

Result<TimerNotification> load_notification(Task& task, UserIn<abi::SignalEvent> event) {
  constexpr i32 kSignal = 0, kNone = 1, kThread = 2, kThreadId = 4;  // SIGEV_*
  TimerNotification result;
  if (event.null()) {
    result.value_is_id = true;
    return result;
  }
  const abi::SignalEvent given = TRY(event.load());
  result.value = given.value;
  switch (given.notify) {
    case kNone:
      result.silent = true;
      return result;
    case kThreadId: {
      auto target = find_task(u32(given.thread));
      if (!target || &target->process() != &task.process()) return Errno::kInval;
      result.thread = target->tid();
      break;
    }
    case kSignal:
    case kThread:
      break;
    default:
      return Errno::kInval;
  }
  if (!is_signal(given.signal)) return Errno::kInval;
  result.signal = Signal(given.signal);
  return result;
}

}  // namespace

SysResult sys::getitimer(Task& task, i32 which, UserOut<abi::ITimerVal> out) {
  const auto timer = TRY(which_interval(which));
  TRY(out.store(to_itimerval(task.process().timers.interval(timer))));
  return i64{0};
}

SysResult sys::setitimer(Task& task, i32 which, UserIn<abi::ITimerVal> value,
                         UserOut<abi::ITimerVal> old) {
  TimerSetting setting;  // Linux takes a null pointer for zeros
  if (!value.null()) setting = TRY(from_itimerval(TRY(value.load())));
  const auto timer = TRY(which_interval(which));
  const TimerSetting before = task.process().timers.set_interval(timer, setting);
  TRY(old.store_if_wanted(to_itimerval(before)));
  return i64{0};
}

SysResult sys::alarm(Task& task, u32 seconds) {
  constexpr u32 kMost = 0x7fffffff;
  const TimerSetting setting{u64{seconds < kMost ? seconds : kMost} * kNanosPerSecond, 0};
  const u64 before =
      task.process().timers.set_interval(ProcessTimers::Interval::kReal, setting).remaining_ns;
  // Rounded, but never to 0 while the timer is armed.
  const u64 rounded = (before + kNanosPerSecond / 2) / kNanosPerSecond;
  return i64(before != 0 && rounded == 0 ? 1 : rounded);
}

SysResult sys::timer_create(Task& task, i32 clock, UserIn<abi::SignalEvent> event,
                            UserOut<i32> id_out) {
  if (!event.null()) TRY(event.load());
  TRY(check_clock(task, clock));
  const auto notification = TRY(load_notification(task, event));
  const u32 thread = TRY(thread_of_clock(task, clock));
  ProcessTimers& timers = task.process().timers;
  const i32 id = TRY(timers.create(clock, thread, notification));
  if (auto stored = id_out.store(id); !stored.ok()) {
    timers.remove(id).ignore();
    return stored.error();
  }
  return i64{0};
}

SysResult sys::timer_settime(Task& task, i32 id, HexInt flags, UserIn<abi::ITimerSpec> value,
                             UserOut<abi::ITimerSpec> old) {
  if (value.null()) return Errno::kInval;
  const abi::ITimerSpec given = TRY(value.load());
  const u64 interval = TRY(to_nanoseconds(given.interval));
  const u64 first = TRY(to_nanoseconds(given.value));
  const bool absolute = (flags.value & abi::kTimerAbsolute) != 0;
  const TimerSetting before = TRY(task.process().timers.set(id, absolute, first, interval));
  TRY(old.store_if_wanted(to_itimerspec(before)));
  return i64{0};
}

SysResult sys::timer_gettime(Task& task, i32 id, UserOut<abi::ITimerSpec> out) {
  TRY(out.store(to_itimerspec(TRY(task.process().timers.get(id)))));
  return i64{0};
}

SysResult sys::timer_getoverrun(Task& task, i32 id) {
  return i64{TRY(task.process().timers.overrun(id))};
}

SysResult sys::timer_delete(Task& task, i32 id) {
  TRY(task.process().timers.remove(id));
  return i64{0};
}

}  // namespace narwhal
