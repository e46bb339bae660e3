// How the kernel's image learns where it lies. It is linked at address 0, and the linker leaves the
// list of all words that hold an address in it, packed (RELR: ELF's generic ABI, "Relative
// Relocation Table"; a bit for a word where RELA takes 24 bytes):
//
//   even entry   the offset of a word; the next one to be told of follows it
//   odd entry    bit n from 1 to 63: whether the (n - 1)th of the next 63 words is one
#pragma once

#include "kernel/base/types.h"

namespace narwhal::x86 {

// Adds `base`, where the image is going to run, to its words; they can be reached at `image` now.
// Runs before anything else: no globals.
inline void relocate(const u64* entry, const u64* end, u64 image, u64 base) {
  constexpr u64 kWords = 63;
  u64* next = nullptr;
  for (; entry < end; ++entry) {
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
}

}  // namespace narwhal::x86
