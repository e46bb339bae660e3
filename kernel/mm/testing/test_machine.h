// A machine of nothing but memory, for the host tests of kernel/mm: physical memory with holes,
// laid out as each test wants it.
#pragma once

#include <vector>

#include "kernel/platform/machine.h"

namespace narwhal::testing {

// Replaces all physical memory by these ranges (whole pages), all zero, and forgets what was
// allocated. `archive` lies outside the usable ranges.
void set_physical_memory(const std::vector<platform::MemoryRange>& usable,
                         platform::MemoryRange archive = {});

}  // namespace narwhal::testing
