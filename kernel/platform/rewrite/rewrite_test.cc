#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "kernel/platform/rewrite/find_site.h"

namespace narwhal::rewrite {
namespace {

using Bytes = std::vector<std::byte>;

Bytes code(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(std::byte(value));
  return bytes;
}

Bytes after(const Bytes& before, const Bytes& rest) {
  Bytes all = before;
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

// `count` times `addq $8, %rsp`.
Bytes filling(usize count) {
  Bytes bytes;
  for (usize i = 0; i < count; ++i) bytes = after(bytes, code({0x48, 0x83, 0xc4, 0x08}));
  return bytes;
}

constexpr u64 kGetppid = 110;
constexpr u64 kCall = 0x401005;
const Bytes kMov = code({0xb8, 110, 0, 0, 0});

// The length of the instruction that can be replaced; 0: there is none.
usize found(const Bytes& before, u64 number = kGetppid) {
  Site site;
  if (!find_site(before, kCall, number, site)) return 0;
  EXPECT_EQ(site.call(), kCall);
  EXPECT_EQ(std::memcmp(site.original, before.data() + before.size() - site.length, site.length),
            0);
  return site.length;
}

TEST(FindSite, MovBeforeTheCall) {
  EXPECT_EQ(found(after(filling(20), kMov)), 5u);
}

TEST(FindSite, BeginningOfTheCode) {
  EXPECT_EQ(found(kMov), 5u);
  EXPECT_EQ(found(after(filling(2), kMov)), 5u);
}

// read(2) in C libraries.
TEST(FindSite, ClearingBeforeTheCall) {
  const Bytes function =
      code({0x80, 0x3d, 0xb1, 0xf7, 0x02, 0x00, 0x00, 0x74, 0x17, 0x31, 0xc0});
  EXPECT_EQ(found(after(filling(20), function), 0), 2u);
  EXPECT_EQ(found(after(filling(20), function), 1), 0u);
}

// The program came to the call from elsewhere.
TEST(FindSite, AnotherNumber) {
  EXPECT_EQ(found(after(filling(20), kMov), kGetppid + 1), 0u);
  EXPECT_EQ(found(after(filling(20), kMov), u64{1} << 32 | kGetppid), 0u);
}

TEST(FindSite, NothingThatIsLongEnough) {
  EXPECT_EQ(found({}), 0u);
  EXPECT_EQ(found(code({0x90})), 0u);
  EXPECT_EQ(found(after(filling(20), code({0x90}))), 0u);
}

TEST(FindSite, ShortInstructions) {
  const Bytes clear = code({0x31, 0xd2}), move = code({0x4c, 0x89, 0xc0}),
              load = code({0x8b, 0x7c, 0x24, 0x08}), choose = code({0x49, 0x0f, 0x46, 0xf0});
  for (const Bytes& last : {clear, move, load, choose})
    EXPECT_EQ(found(after(filling(20), last)), last.size());
  // A part of another.
  EXPECT_EQ(found(after(after(filling(20), code({0x48})), clear)), 3u);
  EXPECT_EQ(found(after(after(filling(20), code({0x48, 0xc7, 0xc0, 0})), move)), 7u);
}

// `movl $110, %r8d` ends with the same five bytes. It can be replaced, as a whole only.
TEST(FindSite, EndOfALongerInstruction) {
  const Bytes other = after(code({0x41}), kMov);
  EXPECT_EQ(found(after(filling(20), other)), 6u);
  EXPECT_EQ(found(after(filling(2), other)), 6u);
  EXPECT_EQ(found(other), 6u);
  // movabsq $0x6eb8000000, %rsi
  const Bytes constant = code({0x48, 0xbe, 0, 0, 0, 0xb8, 110, 0, 0, 0});
  EXPECT_EQ(found(after(filling(20), constant)), 10u);
}

// A byte that is the end of another instruction, and looks like a prefix.
TEST(FindSite, WhatLooksLikeAPrefix) {
  const Bytes push = code({0x6a, 0x41});  // pushq $0x41
  EXPECT_EQ(found(after(after(filling(20), push), kMov)), 5u);
}

TEST(FindSite, OtherInstructions) {
  const Bytes load = code({0x4c, 0x8b, 0x4c, 0x24, 0x08});   // movq 8(%rsp), %r9
  const Bytes store = code({0x4c, 0x89, 0x5c, 0x24, 0x08});  // movq %r11, 8(%rsp)
  EXPECT_EQ(found(after(filling(20), load)), 5u);
  EXPECT_EQ(found(after(filling(20), store)), 5u);
}

// Zeros before a function read as instructions of two bytes, the last of which takes in the
// function's first byte.
TEST(FindSite, PaddingThatIsNoCode) {
  for (usize zeros = 0; zeros < 16; ++zeros) {
    const Bytes padding = after(code({0xc3}), Bytes(zeros));
    const usize length = found(after(after(filling(20), padding), kMov));
    EXPECT_EQ(length, zeros % 2 == 0 ? 5u : 0u) << zeros;
  }
}

// syscall(2), with what is before it in a C library.
TEST(FindSite, AWholeFunction) {
  const Bytes function =
      code({0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48,
            0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08});
  const Bytes padding = code({0xc3, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x66, 0x90});
  EXPECT_EQ(found(after(after(filling(20), padding), function)), 5u);
}

// The same of a static library: behind a function that ends with a call, and behind int3.
TEST(FindSite, AWholeFunctionBehindBreakpoints) {
  const Bytes end = code({0x75, 0x05, 0x48, 0x83, 0xc4, 0x28, 0xc3, 0xe8, 0xd7, 0x1b, 0, 0});
  const Bytes function =
      code({0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca,
            0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08});
  for (usize breakpoints = 0; breakpoints < 16; ++breakpoints) {
    const Bytes padding(breakpoints, std::byte{0xcc});
    EXPECT_EQ(found(after(after(after(filling(20), end), padding), function)), 5u) << breakpoints;
  }
}

// The same behind zeros is left alone where these may be read as a part of it.
TEST(FindSite, ShortFunctionBehindZeros) {
  const Bytes load = code({0x4c, 0x8b, 0x4c, 0x24, 0x08});  // movq 8(%rsp), %r9
  for (usize zeros = 1; zeros < 16; ++zeros)
    EXPECT_EQ(found(after(after(after(filling(20), code({0xc3})), Bytes(zeros)), load)), 0u)
        << zeros;
}

TEST(FindSite, WhatCannotMove) {
  const Bytes relative = code({0x48, 0x8d, 0x35, 0, 1, 0, 0});  // leaq 256(%rip), %rsi
  const Bytes load = code({0x8b, 0x05, 0, 1, 0, 0});            // movl 256(%rip), %eax
  const Bytes call = code({0xe8, 0, 1, 0, 0});
  const Bytes branch = code({0x0f, 0x84, 0, 1, 0, 0});
  for (const Bytes& last : {relative, load, call, branch})
    EXPECT_EQ(found(after(filling(20), last)), 0u);
}

// Unwinders look for these bytes.
TEST(FindSite, SignalReturn) {
  const Bytes restorer = code({0x48, 0xc7, 0xc0, 15, 0, 0, 0});
  EXPECT_EQ(found(after(filling(20), restorer), 15), 0u);
  EXPECT_EQ(found(after(filling(20), code({0xb8, 15, 0, 0, 0})), 15), 0u);
}

// Read from one half of the bytes on it is one instruction, from the other half another.
TEST(FindSite, Disagreement) {
  Bytes both;
  for (int i = 0; i < 20; ++i) both = after(both, code({0x48, 0xb8, 0x48, 0xb8}));
  EXPECT_EQ(found(both, 0xb848b848), 0u);
}

i32 relative_at(std::span<const std::byte> bytes, usize at) {
  i32 value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

TEST(Stub, JumpThere) {
  std::byte bytes[kJumpSize];
  write_jump(bytes, 0x401000, 0x10000);
  EXPECT_EQ(bytes[0], std::byte{0xe9});
  EXPECT_EQ(i64{0x401005} + relative_at(bytes, 1), 0x10000);
}

void check_stub(const Bytes& moved) {
  std::byte bytes[kStubSize];
  Site site{.at = kCall - moved.size(), .length = u8(moved.size())};
  std::memcpy(site.original, moved.data(), moved.size());
  constexpr u64 kHeader = 0x10000, kAt = 0x10010;
  write_stub(bytes, kAt, site, kHeader);
  EXPECT_EQ(std::memcmp(bytes, moved.data(), moved.size()), 0);
  const usize at = moved.size();
  const auto target = [&](usize field) { return i64(kAt + field + 4) + relative_at(bytes, field); };
  EXPECT_EQ(target(at + 3), i64(kCall + kCallSize));
  EXPECT_EQ(target(at + 9), i64(kHeader));
}

TEST(Stub, Bytes) {
  check_stub(kMov);
  check_stub(code({0x48, 0xbe, 0, 0, 0, 0xb8, 110, 0, 0, 0}));
}

StubRange range_of(const Bytes& moved, const Bytes& behind, u64 at) {
  Site site{.at = at, .length = u8(moved.size())};
  const Bytes all = after(moved, behind);
  return stub_range(site, std::span<const std::byte, kJumpSize>(all.data(), kJumpSize));
}

TEST(Stub, Reach) {
  constexpr u64 kAt = 0x7000'0000'0000;
  const StubRange range = range_of(kMov, {}, kAt);
  EXPECT_TRUE(range.has(kAt + 0x7ff0'0000 - kMiB));
  EXPECT_TRUE(range.has(kAt - 0x7ff0'0000 + kMiB));
  EXPECT_FALSE(range.has(kAt + 0x8000'0000));
  EXPECT_FALSE(range.has(kAt - 0x8000'0000));
}

// The `syscall` and what follows are the jump's upper bytes.
TEST(Stub, ReachOfShortOnes) {
  constexpr u64 kAt = 0x7000'0000'1234;
  const Bytes behind = code({0x0f, 0x05, 0x48, 0x3d});
  const StubRange four = range_of(code({0x8b, 0x7c, 0x24, 0x08}), behind, kAt);
  EXPECT_EQ(four.first, kAt + 5 + 0x0f00'0000);
  EXPECT_EQ(four.last, kAt + 5 + 0x0fff'ffff);
  const StubRange three = range_of(code({0x4c, 0x89, 0xc0}), behind, kAt);
  EXPECT_EQ(three.first, kAt + 5 + 0x050f'0000);
  EXPECT_EQ(three.size(), 0x1'0000u);
  const StubRange two = range_of(code({0x31, 0xc0}), behind, kAt);
  EXPECT_EQ(two.first, kAt + 5 + 0x4805'0f00);
  EXPECT_EQ(two.size(), 0x100u);
  // Downwards, and out of the address space.
  EXPECT_EQ(range_of(code({0x31, 0xc0}), code({0x0f, 0x05, 0x85}), kAt).first,
            kAt + 5 - 0x7afa'f100);
  const StubRange none = range_of(code({0x31, 0xc0}), code({0x0f, 0x05, 0xc3}), 0x1000);
  EXPECT_GT(none.last, kAt);
}

// What the jump then reads as.
TEST(Stub, JumpOfShortOnes) {
  const Bytes behind = code({0x0f, 0x05, 0x48, 0x3d});
  for (const Bytes& moved : {code({0x31, 0xc0}), code({0x89, 0xd0, 0x90}), code({1, 2, 3, 4})}) {
    const StubRange range = range_of(moved, behind, kCall);
    const Bytes all = after(moved, behind);
    for (const u64 stub : {range.first, range.last}) {
      std::byte jump[kJumpSize];
      write_jump(jump, kCall, stub);
      EXPECT_EQ(jump[0], std::byte{0xe9});
      EXPECT_TRUE(
          std::equal(jump + moved.size(), jump + kJumpSize, all.begin() + i64(moved.size())));
    }
  }
}

}  // namespace
}  // namespace narwhal::rewrite
