#include "process/load.h"

#include "kernel/sched/timer.h"
#include "process/family.h"

namespace narwhal {
namespace {

constexpr u64 kSampleEvery = 5 * kNanosPerSecond;
constexpr u64 kOne = u64{1} << kLoadShift;
// e^(-5 s / 1 min), e^(-5 s / 5 min), e^(-5 s / 15 min), times kOne.
constexpr u64 kDecay[] = {1884, 2014, 2037};

constinit Atomic<u64> averages[3];

u64 decayed(u64 average, u64 decay, u64 now) {
  u64 sum = average * decay + now * (kOne - decay);
  if (now >= average) sum += kOne - 1;  // so that a steady load is reached
  return sum / kOne;
}

void sample(Timer& timer) {
  const u64 now = count_tasks().runnable * kOne;
  for (usize i = 0; i < 3; ++i)
    averages[i].store(decayed(averages[i].load(Order::kRelaxed), kDecay[i], now), Order::kRelaxed);
  timer.arm(timer.deadline() + kSampleEvery);
}

union LastingTimer {
  constexpr LastingTimer() : timer(sample) {}
  ~LastingTimer() {}  // it runs as long as the machine
  Timer timer;
};
constinit LastingTimer sampler;

}  // namespace

void start_load_sampling() {
  sampler.timer.arm(platform::monotonic_ns() + kSampleEvery);
}

LoadAverages load_averages() {
  return {averages[0].load(Order::kRelaxed), averages[1].load(Order::kRelaxed),
          averages[2].load(Order::kRelaxed)};
}

TaskCounts count_tasks() {
  TaskCounts counts;
  SpinGuard guard(thread_list_lock);
  pid_table::tasks().for_each([&](const Task& task) {
    ++counts.all;
    counts.runnable += task.state() == ThreadState::kRunning;
  });
  return counts;
}

ResourceUsage total_usage() {
  SpinGuard guard(thread_list_lock);
  ResourceUsage total = Family::ended_usage();
  pid_table::tasks().for_each([&](const Task& task) { total.add(task); });
  return total;
}

}  // namespace narwhal
