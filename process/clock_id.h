// Clocks by their numbers, clock_gettime(2): the system's, and the CPU time of threads and
// processes (clock_getcpuclockid(3)).
#pragma once

#include "kernel/abi/time.h"
#include "kernel/sched/clock.h"
#include "process/task.h"

namespace narwhal {

// What kind of clock a number stands for. Alarm clocks wake a sleeping machine: this one has
// nothing that could, so they are clocks that only timerfd_create(2) takes, as on a Linux without
// a real-time clock device.
enum class ClockKind : u8 {
  kInvalid,
  kMonotonic,  // and everything that equals it here: raw, coarse, boot time
  kWall,       // CLOCK_REALTIME
  kTai,        // atomic time: the wall clock plus tai_offset_s()
  kAlarm,      // CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM
  kCpu,        // of a thread or process
  kDevice,     // a clock behind a descriptor: there are none
};
ClockKind clock_kind(i32 clock);

// A clock of CPU time.
struct CpuClock {
  enum class Measure : u8 { kUserAndSystem, kUser, kExact };
  Ref<Process> process;
  Ref<Task> task;  // null: the process as a whole
  Measure measure = Measure::kExact;
  u64 now_ns() const;
};
// The calling task's threads, and processes, by clock number. EINVAL when there is none such.
Result<CpuClock> find_cpu_clock(Task& caller, i32 clock);

// Nanoseconds that the clock shows, never negative. EINVAL.
Result<i64> read_clock(Task& caller, i32 clock);

// What CLOCK_TAI is ahead of the wall clock, in ns; 0 for the wall clock itself.
inline i64 offset_from_wall(ClockKind kind) {
  return kind == ClockKind::kTai ? i64{tai_offset_s()} * i64(kNanosPerSecond) : 0;
}
// The monotonic time when clock `kind` (monotonic, wall or TAI) will show `ns`.
inline u64 monotonic_when(ClockKind kind, u64 ns) {
  if (kind == ClockKind::kMonotonic) return ns;
  return monotonic_from_wall_clock(i64(ns) - offset_from_wall(kind));
}

}  // namespace narwhal
