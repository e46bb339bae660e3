// /proc/sysvipc, and what /proc/sys/kernel says of System V IPC: proc(5).
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// Once, after proc_init(). ENOMEM.
Result<> proc_ipc_init();

}  // namespace narwhal
