// Reading and setting clocks: clock_gettime(2) and its relatives, times(2), adjtimex(2).
#include "kernel/abi/timex.h"
#include "loader/vdso/vdso.h"
#include "process/clock_id.h"
#include "syscalls/handlers.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

// Coarse clocks and sampled CPU time are promised to a scheduler tick of Linux only, 1/250 s. They
// are better than that here, but what programs make of the number is a bound.
constexpr u64 kCoarseResolution = 4 * kNanosPerMilli;
constexpr u64 kTicksPerSecond = 100;  // sysconf(_SC_CLK_TCK)
constexpr u64 kNanosPerTick = kNanosPerSecond / kTicksPerSecond;

constinit Atomic<u64> time_zone{0};  // struct timezone, kept for settimeofday(2)

// The wall clock must not show a time before 1970 at boot, nor come near the end of 64 bits
// (Linux: 30 years before it).
Result<> step_wall_clock(Task& task, const abi::TimeSpec& time) {
  constexpr i64 kLastSecond = i64(~u64{0} / 2 / kNanosPerSecond) - 30ll * 365 * 24 * 3600;
  const u64 ns = TRY(to_nanoseconds(time));
  if (time.seconds >= kLastSecond) return Errno::kInval;
  if (!task.credentials().capable(Capability::kSysTime)) return Errno::kPerm;
  if (ns < platform::monotonic_ns()) return Errno::kInval;
  set_wall_clock(i64(ns));
  return {};
}

Result<u64> resolution(Task& task, i32 clock) {
  switch (clock_kind(clock)) {
    case ClockKind::kMonotonic:
    case ClockKind::kWall:
    case ClockKind::kTai:
      if (clock == abi::kClockRealtimeCoarse || clock == abi::kClockMonotonicCoarse)
        return kCoarseResolution;
      return u64{1};
    case ClockKind::kCpu: {
      const auto found = TRY(find_cpu_clock(task, clock));
      return found.measure == CpuClock::Measure::kExact ? u64{1} : kCoarseResolution;
    }
    default:
      return Errno::kInval;
  }
}

// --- adjtimex(2): there is no clock discipline, so it says what Linux says before somebody starts
// one.

constexpr i64 kUnsynchronized = 5;  // TIME_ERROR

Result<> fill_timex(abi::Timex& timex) {
  constexpr i32 kStatusUnsynchronized = 0x40;
  const u32 modes = timex.modes;
  timex = {};
  timex.modes = modes;
  timex.maximum_error = timex.estimated_error = 16'000'000;
  timex.status = kStatusUnsynchronized;
  timex.constant = 2;
  timex.precision = 1;
  timex.tolerance = 32'768'000;
  timex.tick = 10'000;
  const i64 now = wall_clock_ns();
  timex.time = to_timeval(u64(now));
  timex.tai = tai_offset_s();
  return {};
}

SysResult adjust(Task& task, UserInOut<abi::Timex> argument) {
  constexpr u32 kOldReadOffset = 0xa001, kAdjtime = 0x8000;  // ADJ_OFFSET_SS_READ, ADJ_ADJTIME
  abi::Timex timex = TRY(argument.load());
  const bool adjtime = (timex.modes & kAdjtime) != 0;
  const bool only_reads = timex.modes == 0 || timex.modes == kOldReadOffset;
  if (adjtime && !(timex.modes & 1)) return Errno::kInval;
  if (!only_reads)
    return task.credentials().capable(Capability::kSysTime) ? Errno::kOpNotSupp : Errno::kPerm;
  TRY(fill_timex(timex));
  TRY(argument.store(timex));
  return kUnsynchronized;
}

}  // namespace

SysResult sys::clock_gettime(Task& task, i32 clock, UserOut<abi::TimeSpec> out) {
  TRY(out.store(to_timespec(u64(TRY(read_clock(task, clock))))));
  return i64{0};
}

SysResult sys::clock_getres(Task& task, i32 clock, UserOut<abi::TimeSpec> out) {
  const u64 ns = TRY(resolution(task, clock));
  TRY(out.store_if_wanted(to_timespec(ns)));
  return i64{0};
}

SysResult sys::clock_settime(Task& task, i32 clock, UserIn<abi::TimeSpec> time) {
  const bool settable = clock == abi::kClockRealtime || clock < 0;
  if (!settable) return Errno::kInval;
  const abi::TimeSpec wanted = TRY(time.load());
  if (clock < 0) {
    // Clocks of CPU time can't be set, but must exist to say so.
    if (clock_kind(clock) != ClockKind::kCpu) return Errno::kInval;
    TRY(find_cpu_clock(task, clock));
    return Errno::kPerm;
  }
  TRY(step_wall_clock(task, wanted));
  return i64{0};
}

SysResult sys::gettimeofday(Task&, UserOut<abi::TimeVal> time, UserOut<u64> zone) {
  TRY(time.store_if_wanted(to_timeval(u64(wall_clock_ns()))));
  TRY(zone.store_if_wanted(time_zone.load(Order::kRelaxed)));
  return i64{0};
}

SysResult sys::settimeofday(Task& task, UserIn<abi::TimeVal> time, UserIn<abi::TimeZone> zone) {
  constexpr i32 kMostMinutes = 15 * 60;
  abi::TimeSpec wanted{};
  abi::TimeZone wanted_zone{};
  if (!time.null()) {
    const auto given = TRY(time.load());
    if (given.microseconds < 0 || given.microseconds > 1'000'000) return Errno::kInval;
    wanted = {given.seconds, given.microseconds * i64(kNanosPerMicro)};
  }
  if (!zone.null()) wanted_zone = TRY(zone.load());
  if (!time.null()) TRY(to_nanoseconds(wanted));
  if (!task.credentials().capable(Capability::kSysTime)) return Errno::kPerm;
  if (!zone.null()) {
    if (wanted_zone.minutes_west > kMostMinutes || wanted_zone.minutes_west < -kMostMinutes)
      return Errno::kInval;
    time_zone.store(u64{u32(wanted_zone.minutes_west)} | u64{u32(wanted_zone.daylight)} << 32,
                    Order::kRelaxed);
  }
  if (!time.null()) TRY(step_wall_clock(task, wanted));
  return i64{0};
}

SysResult sys::time(Task&, UserOut<i64> out) {
  const i64 seconds = wall_clock_ns() / i64(kNanosPerSecond);
  TRY(out.store_if_wanted(seconds));
  return seconds;
}

SysResult sys::times(Task& task, UserOut<abi::Times> out) {
  if (!out.null()) {
    const ResourceUsage own = task.process().usage();
    const ResourceUsage children = task.process().children_usage();
    TRY(out.store({i64(own.user_ns / kNanosPerTick), i64(own.system_ns / kNanosPerTick),
                   i64(children.user_ns / kNanosPerTick),
                   i64(children.system_ns / kNanosPerTick)}));
  }
  return i64(platform::monotonic_ns() / kNanosPerTick);
}

SysResult sys::adjtimex(Task& task, UserInOut<abi::Timex> timex) {
  return adjust(task, timex);
}

SysResult sys::clock_adjtime(Task& task, i32 clock, UserInOut<abi::Timex> timex) {
  TRY(timex.load());
  const ClockKind kind = clock_kind(clock);
  if (kind == ClockKind::kInvalid || kind == ClockKind::kDevice) return Errno::kInval;
  if (clock != abi::kClockRealtime) return Errno::kOpNotSupp;
  return adjust(task, timex);
}

}  // namespace narwhal
