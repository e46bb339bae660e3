// Code with system calls behind instructions that are shorter than a jump.
#include <fcntl.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "compat_tests/common/code.h"

namespace compat {
namespace {

class ShortCalls : public ::testing::TestWithParam<ShortCode> {
 protected:
  const Code& bytes() const { return GetParam().code; }
  void expect_right(const MadeCode& code) const {
    EXPECT_EQ(getpid(), code(SYS_getpid));
    EXPECT_EQ(getppid(), code(SYS_getppid));
    EXPECT_EQ(-ENOSYS, code(1000));
  }
};

TEST_P(ShortCalls, OftenAndOfManyKinds) {
  const MadeCode code(bytes());
  for (int i = 0; i < 40; ++i) expect_right(code);
}

TEST_P(ShortCalls, ReachedByAJump) {
  const MadeCode code(bytes());
  code.warm(SYS_getpid);
  for (int i = 0; i < 8; ++i) {
    long result = SYS_getppid;
    asm volatile("leaq -256(%%rsp), %%rsp\n\tcall *%[at]\n\tleaq 256(%%rsp), %%rsp"
                 : "+a"(result)
                 : [at] "r"(code.start() + GetParam().call_at)
                 : "rcx", "r11", "memory");
    EXPECT_EQ(getppid(), result);
    expect_right(code);
  }
}

// Each byte, those of the call and behind it, too, through /proc/self/mem and by the program.
TEST_P(ShortCalls, CodeThatChanges) {
  const MadeCode code(bytes());
  const Fd memory = open("/proc/self/mem", O_RDWR);
  ASSERT_OK(memory);
  for (size_t at = 0; at < bytes().size(); ++at) {
    code.warm(SYS_getpid);
    unsigned char byte = 0;
    const auto place = static_cast<off_t>(code.address(at));
    ASSERT_EQ(1, pread(memory, &byte, 1, place));
    EXPECT_EQ(bytes()[at], byte);
    const unsigned char other = 0xcc;
    ASSERT_EQ(1, pwrite(memory, &other, 1, place));
    Code changed = bytes();
    changed[at] = other;
    EXPECT_EQ(0, memcmp(changed.data(), code.start(), changed.size()));
    ASSERT_EQ(1, pwrite(memory, &byte, 1, place));
    expect_right(code);
  }
  code.warm(SYS_getpid);
  code.protect(PROT_READ | PROT_WRITE);
  EXPECT_EQ(0, memcmp(bytes().data(), code.start(), bytes().size()));
  code.start()[0] = 0xc3;
  code.protect(PROT_READ | PROT_EXEC);
  code();
}

// Two calls with nothing between them.
TEST_P(ShortCalls, OneBehindTheOther) {
  Code pair = bytes();
  pair.resize(GetParam().call_at + 2);
  const MadeCode code(joined({pair, bytes()}));
  const MadeCode with_number(joined({pair, calling(SYS_getppid)}));
  for (int i = 0; i < 40; ++i) {
    expect_right(code);
    EXPECT_EQ(getppid(), with_number(SYS_getpid));
  }
}

TEST_P(ShortCalls, InChildren) {
  const MadeCode code(bytes());
  const pid_t parent = getpid();
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      code.warm(SYS_getpid);
      _exit(code(SYS_getpid) == parent || code(SYS_getppid) != parent);
    }
    int status = 0;
    EXPECT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
    if (i == 1) code.warm(SYS_getpid);
    expect_right(code);
  }
}

// Some go through it while others take it away and make it again.
TEST_P(ShortCalls, OfThreadsThatMeetAChange) {
  const MadeCode code(bytes());
  std::atomic<bool> done = false;
  std::atomic<long> wrong = 0;
  const pid_t pid = getpid();
  const auto call = [&] {
    while (!done) wrong += code(SYS_getpid) != pid;
  };
  std::thread one(call), other(call);
  for (int i = 0; i < 200; ++i) {
    code.warm(SYS_getpid);
    code.protect(PROT_READ | PROT_WRITE | PROT_EXEC);
    expect_right(code);
    code.protect(PROT_READ | PROT_EXEC);
  }
  done = true;
  one.join();
  other.join();
  EXPECT_EQ(0, wrong);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ShortCalls, ::testing::ValuesIn(calling_in_short()));

}  // namespace
}  // namespace compat
