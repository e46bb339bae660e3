// The stacks that threads have in the kernel: 16 KiB and a guard page.
#pragma once

#include <cstddef>

#include "kernel/base/result.h"

namespace narwhal {

inline constexpr usize kKernelStackSize = 16 * kKiB;

// A few are kept back for each CPU: making and unmapping one costs more than all else in a thread's
// life. From threads only, never from an interrupt. ENOMEM.
Result<std::byte*> allocate_kernel_stack();
void free_kernel_stack(std::byte* stack);

u64 kernel_stacks();  // that threads have now

}  // namespace narwhal
