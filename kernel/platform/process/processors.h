// Several virtual CPUs: letting one at a time into the kernel, and what one tells another.
//
// The kernel lock is held by the CPU that runs in the kernel, from its entry to its return to the
// program or to idleness (docs/decisions/0044); while there is one CPU only, nobody takes it. What
// a CPU tells another is a signal to the thread in whose seat that one is: no CPU changes seats
// but with the lock.
#pragma once

#include "kernel/base/types.h"

// Looked at by entry.S.
extern "C" bool narwhal_many_cpus;

namespace narwhal::process_home {

inline bool many_cpus() {
  return narwhal_many_cpus;
}

// How many have begun to run.
u32 running_cpus();

// With interrupts held back.
void kernel_lock_take();
void kernel_lock_take_if_outside();
void kernel_lock_release();

// Has nothing to do: nobody needs to wait for what it does outside of the lock.
void set_idle(bool idle);
bool is_idle(u32 cpu);

// Those that are wanted begin to run. After start_maker().
void start_further_cpus();

// The handler of kCallSignal, on any stack, with the lock or without. True: the CPU is to come into
// the kernel.
bool answer_calls();

}  // namespace narwhal::process_home
