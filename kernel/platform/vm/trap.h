// Exceptions and interrupts.
#pragma once

#include "kernel/platform/context.h"
#include "kernel/platform/machine.h"

namespace narwhal::vm {

// Vectors: 0 to 31 are the CPU's own, the rest are handed out here.
inline constexpr u8 kFirstDeviceVector = 0x30;
inline constexpr u8 kTimerVector = 0xec;
inline constexpr u8 kCallVector = 0xed;  // processors.h; not by way of the kernel lock
inline constexpr u8 kRescheduleVector = 0xee;
inline constexpr u8 kSpuriousVector = 0xff;

// A free vector that leads to `handler`. ENOSPC.
Result<u8> allocate_vector(platform::InterruptHandler handler, void* argument);

}  // namespace narwhal::vm
