#include "fs/generated/numbers.h"

#include "gtest/gtest.h"

namespace narwhal {
namespace {

TEST(Numbers, AreTakenOneAfterTheOther) {
  std::string_view text = " 32000\t7\n";
  EXPECT_EQ(take_number(text, 40000).value(), 32000u);
  EXPECT_EQ(take_number(text, 40000).value(), 7u);
  EXPECT_TRUE(take_number(text, 40000).failed(Errno::kInval));
}

TEST(Numbers, HaveBounds) {
  std::string_view fits = "18446744073709551615", one_more = "18446744073709551616";
  EXPECT_EQ(take_number(fits, ~u64{0}).value(), ~u64{0});
  EXPECT_TRUE(take_number(one_more, ~u64{0}).failed(Errno::kInval));
  std::string_view digit = "9";
  EXPECT_TRUE(take_number(digit, 4).failed(Errno::kInval)) << "less than a digit";
}

TEST(Numbers, EndAtWhiteSpace) {
  for (std::string_view text : {"", " ", "x", "1x", "-1"})
    EXPECT_TRUE(take_number(text, 100).failed(Errno::kInval)) << text;
}

TEST(Numbers, MayHaveASign) {
  std::string_view text = " -5 5";
  EXPECT_EQ(take_signed_number(text, -5, 4).value(), -5);
  EXPECT_TRUE(take_signed_number(text, -5, 4).failed(Errno::kInval));
  std::string_view twice = "--5";
  EXPECT_TRUE(take_signed_number(twice, -9, 9).failed(Errno::kInval));
}

}  // namespace
}  // namespace narwhal
