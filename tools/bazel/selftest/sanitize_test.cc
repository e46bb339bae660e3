#include <climits>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tools/bazel/selftest/build_facts.h"

namespace narwhal {
namespace {

TEST(SanitizeTest, UnitTestsRunUnderSanitizers) {
  EXPECT_TRUE(kSanitized);
}

TEST(SanitizeDeathTest, AReadPastTheEndStopsTheTest) {
  EXPECT_DEATH(
      {
        const auto bytes = std::make_unique<char[]>(16);
        volatile size_t index = 16;
        volatile char byte = bytes[index];
        (void)byte;
      },
      "heap-buffer-overflow");
}

TEST(SanitizeDeathTest, SignedOverflowStopsTheTest) {
  EXPECT_DEATH(
      {
        volatile int big = INT_MAX;
        big = big + 1;
      },
      "signed integer overflow");
}

}  // namespace
}  // namespace narwhal
