// Which way a C library's calls come, where the kernel counts it (/sys/kernel/narwhal/calls). A
// library of another kind is asked the same in ../musl.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

constexpr int kTimes = 1000;
// All that may come another way: what the counting needs, and the first calls at a place.
constexpr unsigned long kFew = 100;

// Calls that needed no signal of the host's so far. False where there is only one way.
bool count_direct(unsigned long& direct) {
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
  for (int i = 0; i < kTimes; ++i) call();
  ASSERT_TRUE(count_direct(after));
  EXPECT_GT(after - before, kTimes - kFew);
}

TEST(Ways, FunctionForAnyCall) {
  expect_direct([] { syscall(SYS_getppid); });
}

TEST(Ways, FunctionOfOneCall) {
  expect_direct([] { getppid(); });
}

TEST(Ways, CallThatCanBeCancelled) {
  const Fd zeros = open("/dev/zero", O_RDONLY);
  ASSERT_OK(zeros);
  expect_direct([&] {
    char byte;
    EXPECT_EQ(1, read(zeros, &byte, 1));
  });
}

}  // namespace
}  // namespace compat
