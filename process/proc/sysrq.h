// /proc/sysrq-trigger.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// ENOMEM.
Result<> proc_add_sysrq();

}  // namespace narwhal
