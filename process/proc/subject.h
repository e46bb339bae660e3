// Whom a file of /proc/PID is about.
#pragma once

#include "process/pid_table.h"

namespace narwhal {

// Both as they are now. The task is null once all of the process's tasks have ended.
struct ProcSubject {
  Ref<Process> process;
  Ref<Task> task;
  bool of_task = false;  // /proc/PID/task/TID: about that task alone

  // Null for who has ended.
  Ref<AddressSpace> memory() const { return task ? task->memory_copy() : nullptr; }
  Ref<FdTable> files() const { return task ? task->files_copy() : nullptr; }
  Ref<FsContext> fs() const { return task ? task->fs_copy() : nullptr; }
  // PTRACE_MODE_READ by the current task.
  bool inspectable() const;
};

// By number, so that an open file does not keep who it is about; `started_ns` tells the one that
// was meant from a later one with the same number.
struct ProcTarget {
  u32 pid = 0;
  u32 tid = 0;  // 0: the process
  u64 started_ns = 0;

  // ENOENT.
  static Result<ProcTarget> of_process(u32 pid);
  static Result<ProcTarget> of_task(u32 pid, u32 tid);
  // ESRCH.
  Result<ProcSubject> resolve() const;
};

// The decimal number that a name is, without sign or leading zeros; 0 when it is none.
u32 parse_number(std::string_view name);

}  // namespace narwhal
