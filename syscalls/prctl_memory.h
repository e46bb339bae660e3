// prctl(2): options about the memory of the program.
#pragma once

#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// PR_SET_MM(2const): where the parts of a program are, as /proc tells it; brk(2)'s area, auxiliary
// vector and executable file.
SysResult set_memory_map(Task& task, u64 what, u64 argument, u64 size, u64 last);
// PR_GET_AUXV(2const): how long it is, however much fits.
SysResult get_auxiliary_vector(Task& task, UserAddr out, u64 size);
// PR_SET_VMA(2const): what a program calls its anonymous memory.
SysResult set_memory_attribute(Task& task, u64 what, UserAddr start, u64 size, UserAddr value);
// PR_SET_MDWE(2const).
SysResult set_write_exec_rule(Task& task, u64 rule);

}  // namespace narwhal
