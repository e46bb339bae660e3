// The CPUs that take part in scheduling, and what each did with its time, as /proc/stat shows it.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

u32 online_cpus();
// Returns when all that were started take part: they come in when this one sleeps. Before the first
// program, which sees all of them from the beginning.
void wait_for_cpus();

// Since the CPU began to take part. What of its work was in programs is known by samples, at ticks
// of the timer.
struct CpuTimes {
  u64 user_ns = 0, system_ns = 0, idle_ns = 0;
};
CpuTimes cpu_times(u32 cpu);

}  // namespace narwhal
