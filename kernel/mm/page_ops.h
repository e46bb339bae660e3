// Clearing and copying whole pages.
//
// The kernel is compiled without vector registers, and these two are where that would hurt most:
// they borrow four of them and put them back. 256-odd instructions a page instead of 512, which
// counts in a software emulation; on hardware the stores saturate the same port.
#pragma once

#include <cstring>

#include "kernel/base/addr.h"

namespace narwhal {

#ifdef NARWHAL_KERNEL

inline void clear_page(void* page) {
  alignas(16) std::byte saved[16];
  const void* end = static_cast<std::byte*>(page) + kPageSize;
  asm volatile(
      "movups %%xmm0, %[saved]\n\t"
      "xorps %%xmm0, %%xmm0\n"
      "1:\n\t"
      "movaps %%xmm0, (%[page])\n\t"
      "movaps %%xmm0, 16(%[page])\n\t"
      "movaps %%xmm0, 32(%[page])\n\t"
      "movaps %%xmm0, 48(%[page])\n\t"
      "movaps %%xmm0, 64(%[page])\n\t"
      "movaps %%xmm0, 80(%[page])\n\t"
      "movaps %%xmm0, 96(%[page])\n\t"
      "movaps %%xmm0, 112(%[page])\n\t"
      "movaps %%xmm0, 128(%[page])\n\t"
      "movaps %%xmm0, 144(%[page])\n\t"
      "movaps %%xmm0, 160(%[page])\n\t"
      "movaps %%xmm0, 176(%[page])\n\t"
      "movaps %%xmm0, 192(%[page])\n\t"
      "movaps %%xmm0, 208(%[page])\n\t"
      "movaps %%xmm0, 224(%[page])\n\t"
      "movaps %%xmm0, 240(%[page])\n\t"
      "addq $256, %[page]\n\t"
      "cmpq %[end], %[page]\n\t"
      "jne 1b\n\t"
      "movups %[saved], %%xmm0"
      : [page] "+r"(page), [saved] "=m"(saved)
      : [end] "r"(end)
      : "memory", "cc");
}

inline void copy_page(void* to, const void* from) {
  alignas(16) std::byte saved[4][16];
  const void* end = static_cast<std::byte*>(to) + kPageSize;
  asm volatile(
      "movups %%xmm0, %[saved0]\n\t"
      "movups %%xmm1, %[saved1]\n\t"
      "movups %%xmm2, %[saved2]\n\t"
      "movups %%xmm3, %[saved3]\n"
      "1:\n\t"
      "movaps (%[from]), %%xmm0\n\t"
      "movaps 16(%[from]), %%xmm1\n\t"
      "movaps 32(%[from]), %%xmm2\n\t"
      "movaps 48(%[from]), %%xmm3\n\t"
      "movaps %%xmm0, (%[to])\n\t"
      "movaps %%xmm1, 16(%[to])\n\t"
      "movaps %%xmm2, 32(%[to])\n\t"
      "movaps %%xmm3, 48(%[to])\n\t"
      "movaps 64(%[from]), %%xmm0\n\t"
      "movaps 80(%[from]), %%xmm1\n\t"
      "movaps 96(%[from]), %%xmm2\n\t"
      "movaps 112(%[from]), %%xmm3\n\t"
      "movaps %%xmm0, 64(%[to])\n\t"
      "movaps %%xmm1, 80(%[to])\n\t"
      "movaps %%xmm2, 96(%[to])\n\t"
      "movaps %%xmm3, 112(%[to])\n\t"
      "addq $128, %[from]\n\t"
      "addq $128, %[to]\n\t"
      "cmpq %[end], %[to]\n\t"
      "jne 1b\n\t"
      "movups %[saved0], %%xmm0\n\t"
      "movups %[saved1], %%xmm1\n\t"
      "movups %[saved2], %%xmm2\n\t"
      "movups %[saved3], %%xmm3"
      : [to] "+r"(to), [from] "+r"(from), [saved0] "=m"(saved[0]), [saved1] "=m"(saved[1]),
        [saved2] "=m"(saved[2]), [saved3] "=m"(saved[3])
      : [end] "r"(end)
      : "memory", "cc");
}

#else

inline void clear_page(void* page) {
  std::memset(page, 0, kPageSize);
}
inline void copy_page(void* to, const void* from) {
  std::memcpy(to, from, kPageSize);
}

#endif

}  // namespace narwhal
