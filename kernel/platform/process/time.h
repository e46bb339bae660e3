// Time from the time-stamp counter, measured against the host's clock.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::process_home {

inline constexpr int kTimerSignal = 14;  // SIGALRM

// Needs cpu_init().
void time_init();
// The host's timer fired: calls upcall::on_timer() when it was time.
void timer_interrupt(bool user_mode);
// The host's number of a CPU's timer, in each host process: the host counts from 0.
constexpr int timer_of(u32 cpu) {
  return int(cpu);
}
// If something is armed (events.h) that nobody waits for, and nobody does in a little while, then
// another CPU that has nothing to do is told to.
void watch_soon();
// How long the CPUs have had nothing to do so far, of the times that are over.
u64 idle_ns();
// The CPU goes on with another host timer (host_process.h): makes it fire in time.
void rearm_timer();

}  // namespace narwhal::process_home
