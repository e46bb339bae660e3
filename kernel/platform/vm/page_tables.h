// Walking and changing page tables, for the program's half (pmap.cc) and the kernel's
// (kernel_map.cc).
#pragma once

#include "kernel/arch/x86_64/page_table.h"
#include "kernel/base/result.h"
#include "kernel/platform/machine.h"

namespace narwhal::vm {

inline u64* table_at(u64 physical) {
  return reinterpret_cast<u64*>(platform::direct_map(PhysAddr(physical)));
}

}  // namespace narwhal::vm
