// The kernel's heap: what operator new and delete, and lwIP's malloc, are made of.
//
// Small objects come from slabs of one size class each, large ones from runs of frames. Memory is
// 16-byte aligned, or as asked. Any context may allocate and free; nothing here sleeps. Running out
// is a null pointer.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

inline constexpr usize kHeapAlignment = 16;

[[nodiscard]] void* heap_allocate(usize size);
// `alignment` is a power of two, at most a page.
[[nodiscard]] void* heap_allocate_aligned(usize size, usize alignment);
// count * size bytes of zeros; null also when the product overflows.
[[nodiscard]] void* heap_allocate_zeroed(usize count, usize size);
// Null is fine.
void heap_free(void* memory);
// Gives back what this CPU keeps at hand for the next allocations.
void heap_trim();
// How much was really given for `memory`.
usize heap_usable_size(const void* memory);

}  // namespace narwhal
