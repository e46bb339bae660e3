// How busy the machine is: load averages and the sums of all tasks' times.
#pragma once

#include "process/process.h"

namespace narwhal {

// Starts to sample. Once, when there is a scheduler.
void start_load_sampling();

// How many tasks wanted a CPU, averaged over the last 1, 5 and 15 minutes with exponentially
// falling weight, times 2048 (Linux's kernel/sched/loadavg.c; getloadavg(3)).
inline constexpr u32 kLoadShift = 11;
struct LoadAverages {
  u64 minutes_1, minutes_5, minutes_15;
};
LoadAverages load_averages();

struct TaskCounts {
  u32 all = 0;
  u32 runnable = 0;
};
TaskCounts count_tasks();

// What all tasks used since boot, those that have ended included.
ResourceUsage total_usage();

}  // namespace narwhal
