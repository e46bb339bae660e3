#pragma once

#include "kernel/platform/context.h"

namespace narwhal::vm {

// A trap in the kernel that nothing can repair.
[[noreturn]] void panic_with_trap(u32 vector, u64 error, u64 address, const UserRegs& regs);

}  // namespace narwhal::vm
