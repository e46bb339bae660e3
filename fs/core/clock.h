// The time that goes into files' timestamps.
#pragma once

#include "kernel/abi/stat.h"
#include "kernel/base/atomic.h"
#include "kernel/platform/machine.h"

namespace narwhal {

// Added to the machine's wall clock by those who set the time (clock_settime(2)).
extern Atomic<i64> file_time_offset_ns;

inline abi::TimeSpec current_file_time() {
  i64 ns = platform::boot_wall_clock_ns() + i64(platform::monotonic_ns()) +
           file_time_offset_ns.load(Order::kRelaxed);
  return {ns / i64(kNanosPerSecond), ns % i64(kNanosPerSecond)};
}

}  // namespace narwhal
