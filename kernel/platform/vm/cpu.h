// Setting up the CPU: descriptor tables, control registers, the per-CPU block.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

// What this CPU can do, found once at boot.
struct CpuFeatures {
  bool smep, smap, fsgsbase, umip, pcid, xsave, x2apic, tsc_deadline, invariant_tsc, hypervisor;
};
extern CpuFeatures cpu_features;

// Descriptor tables, system call entry, control registers, GS. Interrupts stay off.
void cpu_init();
// Points GS at the per-CPU block again, when a trap may have come while it pointed elsewhere.
void restore_cpu_local();
// Where system calls and traps from user mode build their frames.
void set_interrupt_stack(u64 top);

}  // namespace narwhal::vm
