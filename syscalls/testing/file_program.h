// Test programs (process/testing) that work on files: a tmpfs is the root, each test has the
// directory /t to itself, and calls take texts and numbers of any type.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstring>
#include <string>
#include <string_view>

#include "process/testing/test_program.h"

namespace narwhal::testing {

// The program's memory.
UserAddr allocate(usize size);
UserAddr put_bytes(const void* bytes, usize size);
UserAddr put_text(std::string_view text);  // with a NUL behind it
std::string get_bytes(UserAddr at, usize size);
template <typename T>
UserAddr put(const T& value) {
  return put_bytes(&value, sizeof value);
}
template <typename T>
T get(UserAddr at) {
  return test_program::look<T>(at);
}
// Nothing is mapped here.
inline constexpr UserAddr kBadAddress = test_program::kNowhere;

// --- system calls: the result, or the negative errno, as rax holds it

inline u64 to_register(UserAddr address) {
  return address.value;
}
inline u64 to_register(std::string_view text) {
  return put_text(text).value;
}
inline u64 to_register(const char* text) {
  return put_text(text).value;
}
inline u64 to_register(std::nullptr_t) {
  return 0;
}
// Sign-extended, as C widens arguments.
template <typename T>
  requires std::integral<T> || std::is_enum_v<T>
u64 to_register(T value) {
  return u64(i64(value));
}

template <typename... Args>
i64 call(u64 number, Args... args) {
  return test_program::call(number, to_register(args)...);
}

class FileProgram : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  // The whole content of a new file, opened O_RDWR and standing at its start.
  i64 make_file(std::string_view path, std::string_view content, int more_flags = 0);
  // At most `size` bytes, or the error's name.
  std::string read(i64 fd, usize size = 1000);
  std::string read_file(std::string_view path);
  i64 position(i64 fd);
  // {reader, writer}
  std::pair<i64, i64> make_pipe(int flags = 0);
  // Until the test's end, without capabilities.
  void become(u32 uid, u32 gid);
};

// Shown as "ENOENT", or as the number.
struct Outcome {
  i64 value;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
void PrintTo(const Outcome& outcome, std::ostream* out);

}  // namespace narwhal::testing

// EXPECT_CALL_IS(-ENOENT, SYS_open, "none", O_RDONLY);
#define EXPECT_CALL_IS(expected, ...)              \
  EXPECT_EQ(::narwhal::testing::Outcome{expected}, \
            ::narwhal::testing::Outcome{::narwhal::testing::call(__VA_ARGS__)})
#define ASSERT_CALL_IS(expected, ...)              \
  ASSERT_EQ(::narwhal::testing::Outcome{expected}, \
            ::narwhal::testing::Outcome{::narwhal::testing::call(__VA_ARGS__)})
