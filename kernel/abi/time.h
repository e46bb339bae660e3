// <time.h>, <sys/time.h>
#pragma once

#include "kernel/abi/stat.h"

namespace narwhal::abi {

struct TimeVal {
  i64 seconds;
  i64 microseconds;
};
struct ITimerSpec {
  TimeSpec interval;
  TimeSpec value;
};
struct ITimerVal {
  TimeVal interval;
  TimeVal value;
};

inline constexpr i32 kClockRealtime = 0;
inline constexpr i32 kClockMonotonic = 1;
inline constexpr i32 kClockProcessCpu = 2;
inline constexpr i32 kClockThreadCpu = 3;
inline constexpr i32 kClockMonotonicRaw = 4;
inline constexpr i32 kClockRealtimeCoarse = 5;
inline constexpr i32 kClockMonotonicCoarse = 6;
inline constexpr i32 kClockBoottime = 7;
inline constexpr i32 kClockRealtimeAlarm = 8;
inline constexpr i32 kClockBoottimeAlarm = 9;
inline constexpr i32 kClockTai = 11;
inline constexpr u32 kTimerAbsolute = 1;  // TIMER_ABSTIME, TFD_TIMER_ABSTIME

}  // namespace narwhal::abi
