// Core dumps: what a process was doing when a signal ended it, as an ELF file that a debugger
// opens. See core(5).
#pragma once

#include "process/task.h"

namespace narwhal {

// Ends the current task's process by a signal whose default action dumps core, and writes the core
// file if limits, settings and rights let it. All other threads come to rest first. Returns when
// the process is marked to end; the wait status says whether there is a dump.
void end_with_core(Task& task, const abi::SignalInfo& info);

}  // namespace narwhal
