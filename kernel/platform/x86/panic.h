#pragma once

#include "kernel/platform/context.h"

namespace narwhal::x86 {

// Where things are, for backtraces and explanations.
struct KernelPlaces {
  u64 image_base;
  u64 stacks_start, stacks_end;  // all of it that is not a stack guards one
  u64 first_frame, last_frame;   // stacks of any kind, and so chains of frame pointers, lie between
};
KernelPlaces kernel_places();  // the home's

// The home's: whatever they run, they do nothing more.
void halt_other_cpus();

// A trap in the kernel that nothing can repair.
[[noreturn]] void panic_with_trap(u32 vector, u64 error, u64 address, const UserRegs& regs);

}  // namespace narwhal::x86
