#include "kernel/sched/cpus.h"

#include "kernel/sched/scheduler.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

u32 online_cpus() {
  return Scheduler::online_cpus();
}

void wait_for_cpus() {
  constexpr u64 kPause = kNanosPerMilli / 10;
  while (online_cpus() < platform::cpu_count()) {
    prepare_to_sleep();
    sleep_until(platform::monotonic_ns() + kPause, Interruptible::kNo).ignore();
  }
}

CpuTimes cpu_times(u32 cpu) {
  return Scheduler::times_of(cpu);
}

CpuTimes Scheduler::times_of(u32 index) {
  const Cpu& cpu = cpus_[index];
  if (!cpu.idle) return {};
  const u64 all = platform::monotonic_ns() - cpu.began_ns, idle = runtime_of(*cpu.idle);
  const u64 busy = all > idle ? all - idle : 0;
  const u64 ticks = cpu.user_ticks + cpu.system_ticks;
  const u64 user = ticks == 0 ? 0 : busy / ticks * cpu.user_ticks;
  return {user, busy - user, idle};
}

}  // namespace narwhal
