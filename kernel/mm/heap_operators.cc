// operator new and delete for the kernel. Only the forms that can say "no" are there: a plain
// `new T` does not link.
#ifdef NARWHAL_KERNEL

#include <new>

#include "kernel/mm/heap.h"

using narwhal::heap_allocate;
using narwhal::heap_allocate_aligned;
using narwhal::heap_free;

// What libstdc++ would bring.
const std::nothrow_t std::nothrow{};

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return heap_allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return heap_allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return heap_allocate_aligned(size, std::size_t(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return heap_allocate_aligned(size, std::size_t(alignment));
}

void operator delete(void* memory) noexcept {
  heap_free(memory);
}
void operator delete[](void* memory) noexcept {
  heap_free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  heap_free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  heap_free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  heap_free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  heap_free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  heap_free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  heap_free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  heap_free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  heap_free(memory);
}
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  heap_free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  heap_free(memory);
}

#endif
