// What memory there is, and where devices and stacks go in the kernel's window.
#pragma once

namespace narwhal::vm {
// Reads the loader's tables; the identity mapping is not needed. Nothing is allocated.
void memory_map_init();
}  // namespace narwhal::vm
