// The time that goes into files' timestamps.
#pragma once

#include "kernel/abi/stat.h"
#include "kernel/sched/clock.h"

namespace narwhal {

inline abi::TimeSpec current_file_time() {
  const i64 ns = wall_clock_ns();
  return {ns / i64(kNanosPerSecond), ns % i64(kNanosPerSecond)};
}

}  // namespace narwhal
