// Which way a C library's calls come, where the kernel counts it (/sys/kernel/narwhal/calls). A
// library of another kind is asked the same in ../musl.
#include "compat_tests/calls/ways.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat_tests/common/files.h"

namespace compat {
namespace {

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
