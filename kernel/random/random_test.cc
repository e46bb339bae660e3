#include "kernel/random/random.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "kernel/random/chacha20.h"

namespace narwhal {
namespace {

std::vector<u8> bytes_of(const ChaChaBlock& block) {
  std::vector<u8> bytes(sizeof block);
  std::memcpy(bytes.data(), &block, sizeof block);
  return bytes;
}

ChaChaKey counting_key() {
  ChaChaKey key;
  u8 bytes[32];
  for (u8 i = 0; i < 32; ++i) bytes[i] = i;
  std::memcpy(&key, bytes, sizeof key);
  return key;
}

// RFC 8439, section 2.3.2.
TEST(ChaCha20, BlockOfTheStandard) {
  ChaChaBlock block;
  chacha20_block(counting_key(), {{1, 0x09000000, 0x4a000000, 0}}, block);
  const std::vector<u8> expected = {
      0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
      0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
      0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
      0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
      0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
  EXPECT_EQ(bytes_of(block), expected);
}

// RFC 8439, appendix A.1, test vector 1: key, counter and nonce all zero.
TEST(ChaCha20, BlockOfZeros) {
  ChaChaBlock block;
  chacha20_block({}, {}, block);
  const std::vector<u8> expected = {
      0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
      0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
      0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
      0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
      0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86};
  EXPECT_EQ(bytes_of(block), expected);
}

TEST(Random, FillsWhatItIsGivenAndNoMore) {
  for (usize size : {0u, 1u, 31u, 32u, 33u, 64u, 65u, 1000u}) {
    std::vector<std::byte> buffer(size + 16, std::byte{0});
    fill_random(std::span(buffer).first(size));
    for (usize i = size; i < buffer.size(); ++i) EXPECT_EQ(buffer[i], std::byte{0}) << size;
    // 31 zero bytes in a row from a good generator: not in the age of the universe.
    if (size >= 31)
      EXPECT_NE(std::vector(buffer.begin(), buffer.begin() + 31), std::vector(31, std::byte{0}));
  }
}

TEST(Random, NeverRepeats) {
  std::set<u64> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(random_u64()).second);
  std::vector<u64> many(10'000);
  fill_random(std::as_writable_bytes(std::span(many)));
  for (u64 value : many) EXPECT_TRUE(seen.insert(value).second);
}

TEST(Random, BitsAreBalanced) {
  std::vector<u64> words(10'000);
  fill_random(std::as_writable_bytes(std::span(words)));
  for (int bit = 0; bit < 64; ++bit) {
    int ones = 0;
    for (u64 word : words) ones += int(word >> bit & 1);
    // Half of them, give or take eight standard deviations (50 each).
    EXPECT_GT(ones, 4600) << bit;
    EXPECT_LT(ones, 5400) << bit;
  }
}

TEST(Random, BelowIsInRangeAndReachesAll) {
  std::set<u64> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_below(7));
  EXPECT_EQ(seen, (std::set<u64>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(random_below(1), 0u);
}

TEST(Random, KnownInputDoesNotMakeOutputKnown) {
  // The same bytes mixed in twice must not bring the state back.
  const std::byte input[16] = {};
  add_entropy(input);
  const u64 first = random_u64();
  add_entropy(input);
  EXPECT_NE(random_u64(), first);
}

TEST(Random, TheFakeMachineHasGoodEntropy) {
  EXPECT_TRUE(random_well_seeded());
}

}  // namespace
}  // namespace narwhal
