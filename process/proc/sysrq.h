// /proc/sysrq-trigger, and settings of memory and tasks that can be changed.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// ENOMEM.
Result<> proc_add_sysrq();

}  // namespace narwhal
