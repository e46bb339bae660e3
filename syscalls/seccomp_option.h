// PR_SET_SECCOMP, PR_GET_SECCOMP of prctl(2).
#pragma once

#include "syscalls/types.h"

namespace narwhal {

SysResult set_seccomp_mode(Task& task, u64 mode, UserAddr program);
SysResult seccomp_mode(const Task& task);

// PTRACE_SECCOMP_GET_FILTER, PTRACE_SECCOMP_GET_METADATA of ptrace(2).
SysResult filter_of_tracee(Task& tracer, const Task& tracee, u64 index, UserAddr out);
SysResult filter_metadata(Task& tracer, const Task& tracee, u64 size, UserAddr at);

}  // namespace narwhal
