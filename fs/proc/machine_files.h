// Files of /proc that speak of the machine and of fixed settings.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {
Result<> proc_add_machine_files();
}  // namespace narwhal
