// The code of direct calls: the jump that a site gets, and the stub that it goes to.
//
// A site is an instruction of five bytes or more with a `syscall` directly behind it. The jump
// takes the place of its first five bytes; the stub runs the instruction and goes on to the kernel.
// The `syscall` stays. docs/decisions/0043-direct-calls.md says why so.
#pragma once

#include <cstring>
#include <span>

#include "kernel/base/types.h"

namespace narwhal::rewrite {

inline constexpr usize kJumpSize = 5;  // the least that an instruction must have
inline constexpr usize kMostMoved = 10;
inline constexpr usize kCallSize = 2;  // the `syscall`

struct Site {
  u64 at = 0;     // of the instruction
  u8 length = 0;  // of the instruction
  u8 original[kMostMoved] = {};

  u64 call() const { return at + length; }
  // `movl $number, %eax`, as most sites are.
  bool is_number() const { return length == kJumpSize && original[0] == 0xb8; }
  u32 number() const {
    u32 value;
    std::memcpy(&value, original + 1, sizeof value);
    return value;
  }
};

// An area of stubs begins with the address of the kernel's entry.
inline constexpr usize kAreaHeader = 16;
inline constexpr usize kStubSize = 48;

// The GS bases that are CPUs' blocks lie in one aligned piece of 4 GiB; `cpu_block` is one of them.
// `header`: where the area's header is.
void write_stub(std::span<std::byte, kStubSize> out, u64 at, const Site& site, u64 header,
                u64 cpu_block);
// The first bytes of a site from then on.
void write_jump(std::span<std::byte, kJumpSize> out, u64 site, u64 stub);

// Whether two places are near enough for the jumps between them, wherever in their pages they are.
constexpr bool in_reach(u64 one, u64 other) {
  constexpr u64 kReach = (u64{1} << 31) - 64 * kKiB;
  return (one > other ? one - other : other - one) < kReach;
}

}  // namespace narwhal::rewrite
