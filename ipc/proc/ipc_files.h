// /proc/sysvipc, and what /proc/sys says of System V IPC and POSIX message queues: proc(5).
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// Once, after proc_init(). ENOMEM.
Result<> proc_ipc_init();

}  // namespace narwhal
