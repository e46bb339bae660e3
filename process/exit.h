// How tasks and processes end.
#pragma once

#include "process/task.h"

namespace narwhal {

// As wait4(2) stores a status.
constexpr i32 exited_status(i32 code) {
  return (code & 0xff) << 8;
}
constexpr i32 killed_status(Signal signal, bool core) {
  return i32(signal) | (core ? 0x80 : 0);
}

// Ends the current task: gives back what it holds, tells who waits (clear_child_tid, robust
// futexes, the parent). `status` counts when it is the last of its process.
[[noreturn]] void exit_task(i32 status);
// exit_group(2), or death by a signal: the caller ends at once, the others on their way back to the
// program.
[[noreturn]] void exit_group(i32 status);
// Marks the process to end; for contexts that can't end at once (a fault inside a copy).
void begin_group_exit(Process& process, i32 status);

}  // namespace narwhal
