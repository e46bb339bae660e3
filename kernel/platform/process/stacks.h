// Kernel stacks are mapped in the host process in which they are made. The others map them when
// they first use them.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::process_home {

// The kernel could not use an address. True: it is part of a stack, and mapped now.
bool bring_in_stack(u64 address);

}  // namespace narwhal::process_home
