#include "process/clock_id.h"

#include "process/pid_table.h"

namespace narwhal {
namespace {

// How Linux packs a clock of CPU time into a number (include/linux/posix-timers.h): the lowest two
// bits say what is measured, the third that a thread is meant, the rest is the complement of its
// number, 0 for the caller's own.
constexpr i32 kMeasureMask = 3, kPerThread = 4, kDynamicMask = 7, kDeviceClock = 3;
constexpr u32 number_in(i32 clock) {
  return u32(~(clock >> 3));
}

Result<CpuClock> find_dynamic(Task& caller, i32 clock) {
  const i32 measure = clock & kMeasureMask;
  if (measure > i32(CpuClock::Measure::kExact)) return Errno::kInval;
  const u32 number = number_in(clock);
  CpuClock found;
  found.measure = CpuClock::Measure(measure);
  if (clock & kPerThread) {
    found.task = number == 0 ? Ref<Task>(&caller) : find_task(number);
    if (!found.task || &found.task->process() != &caller.process()) return Errno::kInval;
    found.process = Ref<Process>(&caller.process());
  } else {
    found.process = number == 0 || number == caller.tid() ? Ref<Process>(&caller.process())
                                                          : find_process(number);
    if (!found.process) return Errno::kInval;
  }
  return found;
}

}  // namespace

ClockKind clock_kind(i32 clock) {
  if (clock < 0)
    return (clock & kDynamicMask) == kDeviceClock ? ClockKind::kDevice : ClockKind::kCpu;
  switch (clock) {
    case abi::kClockRealtime:
    case abi::kClockRealtimeCoarse:
      return ClockKind::kWall;
    case abi::kClockMonotonic:
    case abi::kClockMonotonicRaw:
    case abi::kClockMonotonicCoarse:
    case abi::kClockBoottime:
      return ClockKind::kMonotonic;
    case abi::kClockTai:
      return ClockKind::kTai;
    case abi::kClockRealtimeAlarm:
    case abi::kClockBoottimeAlarm:
      return ClockKind::kAlarm;
    case abi::kClockProcessCpu:
    case abi::kClockThreadCpu:
      return ClockKind::kCpu;
    default:
      return ClockKind::kInvalid;
  }
}

u64 CpuClock::now_ns() const {
  switch (measure) {
    case Measure::kUser:
      return task ? task->user_time_ns() : process->usage().user_ns;
    case Measure::kUserAndSystem:
    case Measure::kExact:
      return task ? task->cpu_time_ns() : process->cpu_time_ns();
  }
  return 0;
}

Result<CpuClock> find_cpu_clock(Task& caller, i32 clock) {
  if (clock < 0) return find_dynamic(caller, clock);
  CpuClock own;
  own.process = Ref<Process>(&caller.process());
  if (clock == abi::kClockThreadCpu) own.task = Ref<Task>(&caller);
  return own;
}

Result<i64> read_clock(Task& caller, i32 clock) {
  const ClockKind kind = clock_kind(clock);
  switch (kind) {
    case ClockKind::kMonotonic:
      return i64(platform::monotonic_ns());
    case ClockKind::kWall:
    case ClockKind::kTai:
      return wall_clock_ns() + offset_from_wall(kind);
    case ClockKind::kCpu:
      if (clock == abi::kClockThreadCpu) return i64(caller.cpu_time_ns());
      if (clock == abi::kClockProcessCpu) return i64(caller.process().cpu_time_ns());
      return i64(TRY(find_cpu_clock(caller, clock)).now_ns());
    case ClockKind::kAlarm:
    case ClockKind::kDevice:
    case ClockKind::kInvalid:
      return Errno::kInval;
  }
  return Errno::kInval;
}

}  // namespace narwhal
