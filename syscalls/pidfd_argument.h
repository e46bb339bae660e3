// Descriptors that stand for processes, as arguments of calls.
#pragma once

#include "process/pidfd.h"
#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// EBADF also for a descriptor of something else.
Result<Ref<PidFd>> load_pidfd(Task& task, Fd fd);

}  // namespace narwhal
