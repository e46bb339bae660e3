// Four-level page tables (Intel SDM vol. 3, section 4.5): entries and indices.
#pragma once

#include "kernel/base/addr.h"

namespace narwhal::x86 {

inline constexpr u64 kPresent = u64{1} << 0;
inline constexpr u64 kWritable = u64{1} << 1;
inline constexpr u64 kUser = u64{1} << 2;
inline constexpr u64 kWriteThrough = u64{1} << 3;
inline constexpr u64 kCacheDisable = u64{1} << 4;
inline constexpr u64 kAccessed = u64{1} << 5;
inline constexpr u64 kDirty = u64{1} << 6;
inline constexpr u64 kLarge = u64{1} << 7;
inline constexpr u64 kGlobal = u64{1} << 8;
inline constexpr u64 kNoExecute = u64{1} << 63;
inline constexpr u64 kAddressMask = 0x000f'ffff'ffff'f000;

inline constexpr usize kEntries = 512;
// Levels: 0 page tables (entries map 4 KiB), 1 directories (2 MiB), 2 pointer tables (1 GiB), 3 the
// root (512 GiB).
inline constexpr unsigned level_shift(unsigned level) {
  return unsigned(kPageShift) + 9 * level;
}
inline constexpr u64 level_size(unsigned level) {
  return u64{1} << level_shift(level);
}
inline constexpr usize level_index(u64 address, unsigned level) {
  return address >> level_shift(level) & (kEntries - 1);
}

using PageTable = u64[kEntries];

}  // namespace narwhal::x86
