#include "kernel/base/format.h"

#include <gtest/gtest.h>

#include <limits>

namespace narwhal {
namespace {

template <typename... Parts>
std::string text(Parts... parts) {
  Text<256> out;
  (out << ... << parts);
  return std::string(out.view());
}

TEST(Format, Numbers) {
  EXPECT_EQ(text(0), "0");
  EXPECT_EQ(text(-1, ' ', 42u), "-1 42");
  EXPECT_EQ(text(std::numeric_limits<i64>::min()), "-9223372036854775808");
  EXPECT_EQ(text(std::numeric_limits<u64>::max()), "18446744073709551615");
  EXPECT_EQ(text(i8(-128), ' ', u8(200)), "-128 200");
}

TEST(Format, OtherBases) {
  EXPECT_EQ(text(hex(0)), "0x0");
  EXPECT_EQ(text(hex(0xdeadbeef)), "0xdeadbeef");
  EXPECT_EQ(text(hex_digits(0xab, 8)), "000000ab");
  EXPECT_EQ(text(octal(0644), ' ', octal(0)), "0644 0");
  EXPECT_EQ(text(padded(7, 3), padded(7, 3, '0'), padded(12345, 3)), "  700712345");
}

TEST(Format, OwnTypes) {
  EXPECT_EQ(text(PhysAddr(0x1000), ' ', Errno::kNoEnt, ' ', "x"), "0x1000 ENOENT x");
}

TEST(Format, WhatDoesNotFitIsCut) {
  Text<8> out;
  out << "12345" << 6789;
  EXPECT_EQ(out.view(), "12345678");
  EXPECT_TRUE(out.truncated());
  EXPECT_STREQ(out.c_str(), "1234567");
  out.clear();
  EXPECT_FALSE(out.truncated());
  out << "ok";
  EXPECT_STREQ(out.c_str(), "ok");
}

TEST(Format, ExactFitIsNotCut) {
  Text<4> out;
  out << "abcd";
  EXPECT_EQ(out.view(), "abcd");
  EXPECT_FALSE(out.truncated());
}

}  // namespace
}  // namespace narwhal
