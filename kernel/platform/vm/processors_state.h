// What is known of each CPU; for processors.cc and start_processors.cc.
#pragma once

#include "kernel/platform/vm/processors.h"
#include "kernel/sync/kernel_lock.h"

extern "C" narwhal::KernelLock narwhal_kernel_lock;

namespace narwhal::vm {

inline constexpr u32 kMaxProcessors = 64;

struct alignas(64) Processor {
  u32 apic_id = 0;
  u64 root = 0;                // the page tables it uses; changed with the kernel lock held
  Atomic<bool> called{false};  // there is a Call for it
};
extern Processor processors[kMaxProcessors];
extern u32 processor_count;

// With interrupts off.
void kernel_lock_take();

}  // namespace narwhal::vm
