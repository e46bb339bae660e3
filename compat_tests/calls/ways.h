// Which way calls come, where the kernel counts it (/sys/kernel/narwhal/calls).
#pragma once

#include <cstdio>

#include "compat_tests/common/expect.h"

namespace compat {

inline constexpr int kCounted = 1000;
// All that may come another way: what the counting needs, and the first calls at a place.
inline constexpr unsigned long kFew = 100;

// Calls that needed no signal of the host's so far. False where there is only one way.
inline bool count_direct(unsigned long& direct) {
  FILE* const file = fopen("/sys/kernel/narwhal/calls", "r");
  if (!file) return false;
  unsigned long rewriting = 0;
  const int got = fscanf(file, "rewriting %lu direct %lu", &rewriting, &direct);
  fclose(file);
  return got == 2 && rewriting == 1;
}

template <typename Call>
void expect_direct(Call call) {
  unsigned long before = 0, after = 0;
  if (!count_direct(before)) GTEST_SKIP() << "calls come one way only";
  for (int i = 0; i < kCounted; ++i) call();
  ASSERT_TRUE(count_direct(after));
  EXPECT_GT(after - before, kCounted - kFew);
}

}  // namespace compat
