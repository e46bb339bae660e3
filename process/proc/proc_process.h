// What /proc tells of processes: proc(5), /proc/PID and what counts them.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// Adds /proc/PID, /proc/self, /proc/thread-self, /proc/loadavg, /proc/stat and /proc/uptime. Once,
// after proc_init(). ENOMEM.
Result<> proc_process_init();

}  // namespace narwhal
