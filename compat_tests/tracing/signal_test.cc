// Signals of a traced process that it has not taken yet: PTRACE_PEEKSIGINFO, ptrace(2).
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"

namespace compat {
namespace {

constexpr auto kPeek = static_cast<__ptrace_request>(0x4209);
struct PeekArguments {
  uint64_t offset;
  uint32_t flags;
  int32_t count;
};
constexpr uint32_t kShared = 1;

// A stopped child with three signals of its own pending, and two of its process's.
class PendingSignals : public testing::Test {
 protected:
  void SetUp() override {
    pid_ = fork();
    if (pid_ == 0) {
      const sigset_t set = set_of({SIGRTMIN + 1, SIGUSR1, SIGUSR2});
      sigprocmask(SIG_BLOCK, &set, nullptr);
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      for (int i = 0; i < 3; ++i) {
        siginfo_t info = {};
        info.si_code = SI_QUEUE;
        info.si_pid = getpid();
        info.si_value.sival_int = 10 + i;
        syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 1, &info);
      }
      kill(getpid(), SIGUSR1);
      kill(getpid(), SIGUSR2);
      raise(SIGSTOP);
      _exit(0);
    }
    int status;
    ASSERT_EQ(pid_, waitpid(pid_, &status, 0));
    ASSERT_TRUE(WIFSTOPPED(status));
  }
  void TearDown() override {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  long peek(uint64_t offset, uint32_t flags, int32_t count, siginfo_t* to) const {
    PeekArguments arguments{offset, flags, count};
    return ptrace(kPeek, pid_, &arguments, to);
  }
  pid_t pid_ = -1;
  siginfo_t found_[8] = {};
};

TEST_F(PendingSignals, OfTheThread) {
  ASSERT_EQ(3, peek(0, 0, 8, found_));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(SIGRTMIN + 1, found_[i].si_signo);
    EXPECT_EQ(10 + i, found_[i].si_value.sival_int);
  }
}

TEST_F(PendingSignals, OfTheProcess) {
  ASSERT_EQ(2, peek(0, kShared, 8, found_));
  EXPECT_EQ(SIGUSR1, found_[0].si_signo);
  EXPECT_EQ(SIGUSR2, found_[1].si_signo);
}

TEST_F(PendingSignals, FromAnyOn) {
  ASSERT_EQ(1, peek(1, 0, 1, found_));
  EXPECT_EQ(11, found_[0].si_value.sival_int);
  EXPECT_EQ(0, peek(3, 0, 8, found_));
  EXPECT_EQ(0, peek(0, 0, 0, found_));
}

TEST_F(PendingSignals, StayPending) {
  EXPECT_EQ(3, peek(0, 0, 8, found_));
  EXPECT_EQ(3, peek(0, 0, 8, found_));
}

TEST_F(PendingSignals, RequestsAreChecked) {
  EXPECT_ERRNO(EINVAL, peek(0, 2, 8, found_));
  EXPECT_ERRNO(EINVAL, peek(0, 0, -1, found_));
  EXPECT_ERRNO(EFAULT, peek(0, 0, 1, bad_pointer<siginfo_t>()));
  EXPECT_ERRNO(EFAULT, ptrace(kPeek, pid_, bad_pointer<void>(), found_));
}

}  // namespace
}  // namespace compat
