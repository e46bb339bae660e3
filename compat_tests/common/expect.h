// Expectations about system calls: the result and the error number in one statement.
//
//   EXPECT_OK(close(fd));                 anything but -1
//   ASSERT_OK(fd = open(path, O_RDONLY));
//   EXPECT_ERRNO(EBADF, close(-1));       -1, and errno is EBADF
#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <stdint.h>
#include <string.h>

#include <string>

namespace compat {

inline std::string error_name(int error) {
  const char* name = error == 0 ? "no error" : strerrorname_np(error);
  return name != nullptr ? name : "error " + std::to_string(error);
}

template <class Call>
testing::AssertionResult succeeds(const char* text, Call call) {
  errno = 0;
  const intptr_t value = call();
  if (value != -1) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text << " failed with " << error_name(errno);
}

template <class Call>
testing::AssertionResult fails(int expected, const char* text, Call call) {
  errno = 0;
  const intptr_t value = call();
  const int error = errno;
  if (value == -1 && error == expected) return testing::AssertionSuccess();
  testing::AssertionResult failure = testing::AssertionFailure();
  failure << text << " should fail with " << error_name(expected) << ", but ";
  if (value == -1) return failure << "failed with " << error_name(error);
  return failure << "returned " << value;
}

}  // namespace compat

#define EXPECT_OK(call) EXPECT_TRUE(::compat::succeeds(#call, [&] { return (intptr_t)(call); }))
#define ASSERT_OK(call) ASSERT_TRUE(::compat::succeeds(#call, [&] { return (intptr_t)(call); }))
#define EXPECT_ERRNO(error, call) \
  EXPECT_TRUE(::compat::fails(error, #call, [&] { return (intptr_t)(call); }))
#define ASSERT_ERRNO(error, call) \
  ASSERT_TRUE(::compat::fails(error, #call, [&] { return (intptr_t)(call); }))
