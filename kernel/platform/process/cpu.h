// Virtual CPUs: their blocks, their signals.
#pragma once

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/layout.h"

namespace narwhal::process_home {

extern CpuLocal cpu_blocks[kMostCpus] asm("narwhal_cpu_blocks");

// Kinds of interrupts: bits of CpuLocal::interrupts_pending.
inline constexpr u32 kTimerPending = 1, kInputPending = 2, kReschedulePending = 4;

// GS, the signal stack, the signals' handlers, of the first CPU. From here on faults are reported.
void cpu_init();
// Takes away all that the host put into the address space besides the window: it is the program's.
void clear_program_half();
// From now on `syscall` outside of the kernel's text comes to us.
void dispatch_system_calls();
// Calls the handlers of what is pending. Interrupts are held back by the caller.
void run_interrupts(bool user_mode);
// Where system calls and traps from user mode build their frames.
void set_interrupt_stack(u64 top);

}  // namespace narwhal::process_home
