// Directories of /proc as names of processes (pidfd_send_signal(2)).
#pragma once

#include "fs/core/file.h"
#include "process/process.h"

namespace narwhal {

// The process whose directory `file` is. EBADF when it is something else, ESRCH when that process
// is gone.
Result<Ref<Process>> proc_process_of(const File& file);

}  // namespace narwhal
