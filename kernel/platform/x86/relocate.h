// How the kernel's image learns where it lies. It is linked at address 0, and the linker leaves
// lists of the words that hold an address in it.
//
// Nearly all are in a packed one (RELR: ELF's generic ABI, "Relative Relocation Table"), a bit for
// each:
//   even entry   the offset of a word; the next one to be told of follows it
//   odd entry    bit n from 1 to 63: whether the (n - 1)th of the next 63 words is one
// That has no room for words that are not aligned; they are R_X86_64_RELATIVE entries (RELA).
#pragma once

#include "kernel/base/types.h"

// Hidden, so that their addresses are computed and not read from a table that is not relocated yet.
#pragma GCC visibility push(hidden)
extern "C" {
struct NarwhalRela {
  narwhal::u64 offset;
  narwhal::u64 info;
  narwhal::u64 addend;
};
extern const narwhal::u64 kernel_relr_start[], kernel_relr_end[];
extern const NarwhalRela kernel_rela_start[], kernel_rela_end[];
}
#pragma GCC visibility pop

namespace narwhal::x86 {

// Adds `base`, where the image is going to run, to its words; they can be reached at `image` now.
// Once, and before anything else: no globals.
inline void relocate(u64 image, u64 base) {
  constexpr u64 kWords = 63;
  u64* next = nullptr;
  for (const u64* entry = kernel_relr_start; entry < kernel_relr_end; ++entry) {
    if ((*entry & 1) == 0) {
      next = reinterpret_cast<u64*>(image + *entry);
      *next++ += base;
      continue;
    }
    u64* word = next;
    for (u64 bits = *entry >> 1; bits != 0; bits >>= 1, ++word)
      if (bits & 1) *word += base;
    next += kWords;
  }
  for (const NarwhalRela* rela = kernel_rela_start; rela < kernel_rela_end; ++rela) {
    const u64 address = base + rela->addend;
    __builtin_memcpy(reinterpret_cast<void*>(image + rela->offset), &address, sizeof address);
  }
}

}  // namespace narwhal::x86
