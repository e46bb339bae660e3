// What each CPU did with its time, as /proc/stat shows it.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

// Since the CPU began to take part in scheduling. What of its work was in programs is known by
// samples, at ticks of the timer.
struct CpuTimes {
  u64 user_ns = 0, system_ns = 0, idle_ns = 0;
};
CpuTimes cpu_times(u32 cpu);

}  // namespace narwhal
