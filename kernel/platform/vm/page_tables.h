// Walking and changing page tables in the kernel's own part (kernel_map.cc); those of programs are
// kernel/platform/x86/pmap.cc.
#pragma once

#include "kernel/arch/x86_64/page_table.h"
#include "kernel/base/result.h"
#include "kernel/platform/x86/table_user.h"

namespace narwhal::vm {

using x86::table_at;

}  // namespace narwhal::vm
