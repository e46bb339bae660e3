// Addresses of three kinds that must never be mixed: physical, kernel virtual, and the program's.
#pragma once

#include <compare>

#include "kernel/base/types.h"

namespace narwhal {

inline constexpr usize kPageShift = 12;
inline constexpr usize kPageSize = usize{1} << kPageShift;
inline constexpr usize kLargePageSize = 2 * kMiB;
inline constexpr unsigned kLargePageOrder = 9;  // 2^9 pages

template <typename Tag>
struct Address {
  u64 value = 0;

  constexpr Address() = default;
  constexpr explicit Address(u64 v) : value(v) {}

  friend constexpr auto operator<=>(Address, Address) = default;
  friend constexpr Address operator+(Address a, u64 n) { return Address(a.value + n); }
  friend constexpr Address operator-(Address a, u64 n) { return Address(a.value - n); }
  friend constexpr u64 operator-(Address a, Address b) { return a.value - b.value; }
  constexpr Address& operator+=(u64 n) {
    value += n;
    return *this;
  }

  constexpr Address page() const { return Address(align_down(value, kPageSize)); }
  constexpr u64 page_number() const { return value >> kPageShift; }
  constexpr u64 page_offset() const { return value & (kPageSize - 1); }
  constexpr bool page_aligned() const { return page_offset() == 0; }
};

// Where a byte is in the machine's memory.
using PhysAddr = Address<struct PhysTag>;
// Where the program says that a byte is. Not a pointer: only kernel/platform/user_copy.h may follow
// it.
using UserAddr = Address<struct UserTag>;

// The program's half of the address space: [kUserMin, kUserEnd). As on Linux, the last page below
// 2^47 stays free, so that a `syscall` there can't leave a non-canonical return address.
inline constexpr UserAddr kUserMin{0x10000};  // vm.mmap_min_addr
inline constexpr UserAddr kUserEnd{(u64{1} << 47) - kPageSize};

// True when [start, start + length) lies in the program's half. An empty range at or below the end
// does.
constexpr bool user_range_ok(UserAddr start, u64 length) {
  return length <= kUserEnd.value && start.value <= kUserEnd.value - length;
}

}  // namespace narwhal
