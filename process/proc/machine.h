// Files of /proc that count all processes together.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// loadavg, stat, uptime, vmstat. ENOMEM.
Result<> proc_add_process_counts();
// /proc/sys: limits on memory, tasks and descriptors.
Result<> proc_add_limits();
// What /proc/sys says of core dumps.
Result<> proc_add_core_settings();

}  // namespace narwhal
