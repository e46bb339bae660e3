// What is in memory before its first use.
#pragma once

namespace narwhal::platform {

// All of usable_memory() is zero when the kernel starts, and a page takes room in the host only
// once it is touched: better not to touch it before its user does.
extern const bool kFreshMemoryIsZero;

}  // namespace narwhal::platform
