// execve(2): a task takes up another program.
#pragma once

#include "loader/program.h"
#include "process/task.h"

namespace narwhal {

// What the credentials of `before` become with a program whose set-user-ID and set-group-ID bits
// give these effective ids (capabilities(7), "Transformation of capabilities during execve()").
struct ExecutionIds {
  u32 effective_uid, effective_gid;
};
Result<Ref<Credentials>> credentials_after_exec(const Credentials& before, ExecutionIds ids);

// The current task's process becomes this program: other tasks end, descriptors marked
// close-on-exec are closed, caught signals get their default action. When it succeeds the task's
// registers are those of the program's first instruction. Fails only with kRestartNoIntr, when the
// whole process is ending anyway; what goes wrong later kills the process, as on Linux.
Result<> enter_program(Task& task, LoadedProgram program);

}  // namespace narwhal
