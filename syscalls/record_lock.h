// Record locks, for fcntl(2).
#pragma once

#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms. `fd` is where `file` was found.
SysResult record_lock(Task& task, Fd fd, File& file, u32 command, UserAddr argument);

}  // namespace narwhal
