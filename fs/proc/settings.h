#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/result.h"

namespace narwhal {

// /proc/sys: what nothing here depends on. ENOMEM.
Result<> proc_add_settings();

// /proc/sys/kernel/printk, whose first number syslog(2) sets.
extern Atomic<i32> console_levels[4];

}  // namespace narwhal
