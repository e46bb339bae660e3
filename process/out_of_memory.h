// What happens when a program needs a page and none is free: as on Linux (mm/oom_kill.c), the
// process that holds most is killed, and the log says who and how much it held.
#pragma once

#include "process/task.h"

namespace narwhal {

// For a page fault of `task` that found no memory; holds no spinlock, may sleep. True: the access
// may be tried again, since somebody else has been killed or is on the way out. False: the task's
// own process ends.
bool make_room_for_fault(Task& task);

// Kills the process that holds most, whoever asks (/proc/sysrq-trigger). False: there is nobody
// whom it may kill.
bool kill_largest_process();

// How much of the memory a process holds, with what /proc/PID/oom_score_adj adds, in pages. 0: it
// must not be killed.
i64 out_of_memory_badness(const Process& process, AddressSpace& memory);

}  // namespace narwhal
