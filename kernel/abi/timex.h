// <sys/timex.h>, <sys/times.h>, struct timezone
#pragma once

#include "kernel/abi/time.h"

namespace narwhal::abi {

struct Timex {
  u32 modes;
  u32 padding0;
  i64 offset;
  i64 frequency;
  i64 maximum_error;    // microseconds
  i64 estimated_error;  // microseconds
  i32 status;
  u32 padding1;
  i64 constant;
  i64 precision;
  i64 tolerance;
  TimeVal time;
  i64 tick;  // microseconds between ticks
  i64 pps_frequency;
  i64 jitter;
  i32 shift;
  u32 padding2;
  i64 stability;
  i64 jitter_count, calibration_count, error_count, stability_count;
  i32 tai;  // seconds
  u32 padding3[11];
};
static_assert(sizeof(Timex) == 208);

struct Times {  // struct tms, in clock ticks
  i64 user, system, children_user, children_system;
};

struct TimeZone {
  i32 minutes_west;
  i32 daylight;
};

}  // namespace narwhal::abi
