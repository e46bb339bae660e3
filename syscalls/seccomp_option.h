// PR_SET_SECCOMP, PR_GET_SECCOMP of prctl(2).
#pragma once

#include "syscalls/types.h"

namespace narwhal {

SysResult set_seccomp_mode(Task& task, u64 mode, UserAddr program);
SysResult seccomp_mode(const Task& task);

}  // namespace narwhal
