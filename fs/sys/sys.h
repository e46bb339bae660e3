// /sys: the little of sysfs(5) that C libraries and allocators read: counts of CPUs, huge pages.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// Builds the tree and makes mount(2) know the type "sysfs". Called once. ENOMEM.
Result<> sys_init();

}  // namespace narwhal
