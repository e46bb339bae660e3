// Time from the time-stamp counter, measured against the host's clock.
#pragma once

namespace narwhal::process_home {

inline constexpr int kTimerSignal = 14;  // SIGALRM

// Needs cpu_init().
void time_init();
// The host's timer fired: calls upcall::on_timer() when it was time.
void timer_interrupt(bool user_mode);
// The host's timer.
int host_timer();
// The host's clock if it is asked each time, else -1.
int host_clock();
// The CPU goes on with another host timer (host_process.h): makes it fire in time.
void rearm_timer();

}  // namespace narwhal::process_home
