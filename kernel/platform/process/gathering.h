// The host threads that take turns as the virtual CPU, gathered on one processor of the host's
// while they do so in quick succession (hand_over_policy.h says whether that pays).
//
// Each binds itself before it goes to sleep, and so is woken where the others are. Who runs for a
// while without a hand-over is free again, to go where the host wants it. With several virtual CPUs
// nothing is bound: two of them could meet on one processor.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::process_home {

// Asks the host which processors there are: before confine().
void gathering_init();

// Around a hand-over, in the thread that gives the CPU away and in the one that has it then. The
// second is told what the first returned.
u64 begin_hand_over();
void end_hand_over(u64 began);

// At a tick of the timer: frees this thread when there was no hand-over for a while.
void part_when_quiet(u64 now);

}  // namespace narwhal::process_home
