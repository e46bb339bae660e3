// Several CPUs: starting them, letting one at a time into the kernel, telling them things.
//
// Numbers of CPUs count from 0 without gaps; 0 is the one that booted. The kernel lock is held by
// the CPU that runs in the kernel, from its entry to its return to the program or to idleness
// (docs/decisions/0044); while there is one CPU only, nobody takes it.
#pragma once

#include "kernel/base/types.h"

extern "C" bool narwhal_many_cpus;

namespace narwhal::vm {

// Whether there ever was a second CPU.
inline bool many_cpus() {
  return narwhal_many_cpus;
}

// With interrupts off. For a CPU that may come from idleness: false when it has the lock already.
bool kernel_lock_take_if_outside();
void kernel_lock_release();

// Where `syscall` leads to.
void (*syscall_entry())();

// Makes other CPUs that use the tables at `root` forget translations, and returns when they have.
void flush_elsewhere(u64 root, u64 address, usize pages);
// Forgets them on this CPU (page_tables.cc).
void flush_here(u64 address, usize pages);
// The tables that this CPU uses changed: others look at that to know whom to tell.
void note_root(u64 root);
u64 root_of(u32 cpu);

}  // namespace narwhal::vm
