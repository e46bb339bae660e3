// Setting up the CPU: descriptor tables, control registers, the per-CPU block.
#pragma once

#include "kernel/base/result.h"
#include "kernel/platform/cpu_local.h"

namespace narwhal::vm {

// What this CPU can do, found once at boot.
struct CpuFeatures {
  bool smep, smap, fsgsbase, umip, pcid, xsave, x2apic, tsc_deadline, invariant_tsc, hypervisor;
};
extern CpuFeatures cpu_features;

// What each CPU has for itself.
struct CpuState;

// Descriptor tables, system call entry, control registers, GS, of the CPU that boots. Interrupts
// stay off.
void cpu_init();
// The state of a further CPU, to be prepared by one that runs. ENOMEM.
Result<CpuState*> new_cpu_state(u32 index);
// The same as cpu_init(), on the further CPU itself.
void cpu_init_further(CpuState& state);
// Makes `syscall` lead to what processors.h says.
void use_syscall_entry();
// Points GS at the per-CPU block again, when a trap may have come while it pointed elsewhere.
void restore_cpu_local();
// Where system calls and traps from user mode build their frames.
void set_interrupt_stack(u64 top);
CpuLocal& cpu_local_of(CpuState& state);

}  // namespace narwhal::vm
