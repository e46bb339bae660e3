// The code of direct calls: the jump that a site gets, and the stub that it goes to.
//
// A site is an instruction with a `syscall` directly behind it. The jump takes the place of its
// first five bytes; the stub runs the instruction and goes on to the kernel. The `syscall` stays.
// Of a shorter instruction the jump's last bytes are those of the `syscall` and of what follows, as
// they are: it leads where they happen to say, and the stub has to be there.
// docs/decisions/0043-direct-calls.md says why so.
#pragma once

#include <cstring>
#include <span>

#include "kernel/base/types.h"

namespace narwhal::rewrite {

inline constexpr usize kJumpSize = 5;
inline constexpr usize kLeastMoved = 2, kMostMoved = 10;
inline constexpr usize kCallSize = 2;  // the `syscall`

struct Site {
  u64 at = 0;     // of the instruction
  u8 length = 0;  // of the instruction
  u8 original[kMostMoved] = {};

  u64 call() const { return at + length; }
  // The end of the `syscall`, and of all that the jump is made of.
  u64 end() const { return at + (length < kJumpSize - kCallSize ? kJumpSize : length + kCallSize); }
  // How many of the jump's bytes are its own.
  bool is_short() const { return length < kJumpSize; }
  usize changed() const { return is_short() ? length : kJumpSize; }
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
inline constexpr usize kStubSize = 40;

// `header`: where the area's header is.
void write_stub(std::span<std::byte, kStubSize> out, u64 at, const Site& site, u64 header);
// The first bytes of a site from then on.
void write_jump(std::span<std::byte, kJumpSize> out, u64 site, u64 stub);

// Where a stub may begin.
struct StubRange {
  u64 first, last;
  bool has(u64 at) const { return at >= first && at <= last; }
  u64 size() const { return last - first + 1; }
};
// `now`: what the site begins with. The range may leave the address space; `first` lies above
// `last` then.
StubRange stub_range(const Site& site, std::span<const std::byte, kJumpSize> now);

}  // namespace narwhal::rewrite
