// The vector and floating-point state in a signal frame: an XSAVE area with a few words that say
// how much of it is there (Linux, <asm/sigcontext.h>).
#pragma once

#include "process/task.h"

namespace narwhal::signal_fpu {

// Bytes that it takes in a frame; to be aligned to 64.
usize frame_size();
// Whether it has more than the 512 bytes of FXSAVE.
bool extended();
// Writes the current registers of the current task. EFAULT.
Result<> save(Task& task, UserAddr to);
// What a handler starts with.
void reset(Task& task);
// Loads what a handler left, or the initial state for address 0. EFAULT when it can't be read, or
// holds what the CPU would refuse to load; ENOMEM. The registers are unchanged then.
Result<> restore(UserAddr from);

}  // namespace narwhal::signal_fpu
