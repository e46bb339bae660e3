// sigaltstack(2).
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

constexpr int kAutoDisarm = 1 << 31;  // SS_AUTODISARM

// Every test has its stack in a thread of its own, so that it ends with it.
class AlternateStack : public testing::Test {
 protected:
  static constexpr size_t kSize = 128 << 10;

  stack_t settings(int flags = 0) {
    return {.ss_sp = memory_.data(), .ss_flags = flags, .ss_size = kSize};
  }
  bool contains(const void* address) const {
    return address >= memory_.data() && address < memory_.data() + kSize;
  }

 private:
  std::vector<char> memory_ = std::vector<char>(kSize);
};

void* handler_frame;
stack_t stack_in_handler;
int change_error;

void look_around(int, siginfo_t*, void* context) {
  handler_frame = __builtin_frame_address(0);
  sigaltstack(nullptr, &stack_in_handler);
  stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  change_error = sigaltstack(&none, nullptr) == 0 ? 0 : errno;
  record.entries[0].value = static_cast<ucontext_t*>(context)->uc_stack.ss_flags;
}

TEST_F(AlternateStack, StartsDisabled) {
  in_thread([] {
    stack_t now = {};
    ASSERT_OK(sigaltstack(nullptr, &now));
    EXPECT_EQ(SS_DISABLE, now.ss_flags);
  });
}

TEST_F(AlternateStack, HandlerRunsOnIt) {
  ScopedAction action(SIGUSR1, look_around, SA_ONSTACK);
  in_thread([&] {
    const stack_t wanted = settings();
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    ASSERT_OK(raise(SIGUSR1));
    EXPECT_TRUE(contains(handler_frame));
    EXPECT_EQ(SS_ONSTACK, stack_in_handler.ss_flags);
    EXPECT_EQ(kSize, stack_in_handler.ss_size);
    EXPECT_EQ(wanted.ss_sp, stack_in_handler.ss_sp);
    EXPECT_EQ(EPERM, change_error);
    stack_t now;
    ASSERT_OK(sigaltstack(nullptr, &now));
    EXPECT_EQ(0, now.ss_flags);
  });
}

TEST_F(AlternateStack, OnlyWithTheFlag) {
  ScopedAction action(SIGUSR1, look_around);
  in_thread([&] {
    const stack_t wanted = settings();
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    ASSERT_OK(raise(SIGUSR1));
    EXPECT_FALSE(contains(handler_frame));
    EXPECT_EQ(0, change_error);  // not in use, so it may change
  });
}

TEST_F(AlternateStack, DisabledStackIsNotUsed) {
  ScopedAction action(SIGUSR1, look_around, SA_ONSTACK);
  in_thread([&] {
    stack_t wanted = settings();
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    wanted.ss_flags = SS_DISABLE;
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    ASSERT_OK(raise(SIGUSR1));
    EXPECT_FALSE(contains(handler_frame));
  });
}

TEST_F(AlternateStack, Errors) {
  in_thread([&] {
    stack_t wanted = settings();
    wanted.ss_size = 1024;
    EXPECT_ERRNO(ENOMEM, sigaltstack(&wanted, nullptr));
    wanted = settings(77);
    EXPECT_ERRNO(EINVAL, sigaltstack(&wanted, nullptr));
    EXPECT_ERRNO(EFAULT, sigaltstack(bad_pointer<stack_t>(), nullptr));
    stack_t now;
    ASSERT_OK(sigaltstack(nullptr, &now));
    EXPECT_EQ(SS_DISABLE, now.ss_flags);
  });
}

TEST_F(AlternateStack, BelongsToOneThread) {
  in_thread([&] {
    const stack_t wanted = settings();
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    in_thread([] {
      stack_t now;
      ASSERT_OK(sigaltstack(nullptr, &now));
      EXPECT_EQ(SS_DISABLE, now.ss_flags);
    });
  });
}

TEST_F(AlternateStack, NestedHandlersStayOnIt) {
  static std::vector<void*> frames;
  frames.clear();
  ScopedAction action(
      SIGUSR1,
      [](int, siginfo_t*, void*) {
        frames.push_back(__builtin_frame_address(0));
        if (frames.size() < 3) raise(SIGUSR1);
      },
      SA_ONSTACK | SA_NODEFER);
  in_thread([&] {
    const stack_t wanted = settings();
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    ASSERT_OK(raise(SIGUSR1));
    ASSERT_EQ(3u, frames.size());
    for (void* frame : frames) EXPECT_TRUE(contains(frame));
    // Each below the one before, not all at the top.
    EXPECT_LT(frames[1], frames[0]);
    EXPECT_LT(frames[2], frames[1]);
  });
}

TEST_F(AlternateStack, AutoDisarm) {
  ScopedAction action(SIGUSR1, look_around, SA_ONSTACK);
  in_thread([&] {
    const stack_t wanted = settings(kAutoDisarm);
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    ASSERT_OK(raise(SIGUSR1));
    EXPECT_TRUE(contains(handler_frame));
    // Disabled while the handler runs, put back when it returns.
    EXPECT_EQ(SS_DISABLE, stack_in_handler.ss_flags);
    EXPECT_EQ(0, change_error);
    EXPECT_EQ(kAutoDisarm, record.entries[0].value);
    stack_t now;
    ASSERT_OK(sigaltstack(nullptr, &now));
    EXPECT_EQ(kAutoDisarm, now.ss_flags);
    EXPECT_EQ(wanted.ss_sp, now.ss_sp);
  });
}

std::atomic<bool> end_recursion = false;

// Recursion without end, which no compiler turns into a loop.
[[gnu::noinline]] int recurse(volatile char* above) {
  if (end_recursion) return 0;
  volatile char block[1024];
  block[0] = static_cast<char>(above[0] + 1);
  return recurse(block) + block[1023];
}

TEST_F(AlternateStack, SurvivesAStackOverflow) {
  static sigjmp_buf place;
  static std::atomic<int> code;
  code = 0;
  ScopedAction action(
      SIGSEGV,
      [](int, siginfo_t* info, void*) {
        code = info->si_code;
        siglongjmp(place, 1);
      },
      SA_ONSTACK);
  in_thread([&] {
    const stack_t wanted = settings();
    ASSERT_OK(sigaltstack(&wanted, nullptr));
    for (int i = 0; i < 2; ++i) {
      if (sigsetjmp(place, 1) == 0) {
        volatile char start = 0;
        recurse(&start);
      }
      EXPECT_EQ(SEGV_ACCERR, code);  // the guard page
    }
  });
}

TEST_F(AlternateStack, MainThreadOverflow) {
  // The main stack has a limit instead of a guard page.
  static sigjmp_buf place;
  static std::atomic<int> code;
  code = 0;
  ScopedAction action(
      SIGSEGV,
      [](int, siginfo_t* info, void*) {
        code = info->si_code;
        siglongjmp(place, 1);
      },
      SA_ONSTACK);
  stack_t wanted = settings(), old_stack;
  ASSERT_OK(sigaltstack(&wanted, &old_stack));
  if (sigsetjmp(place, 1) == 0) {
    volatile char start = 0;
    recurse(&start);
  }
  EXPECT_EQ(SEGV_MAPERR, code);
  ASSERT_OK(sigaltstack(&old_stack, nullptr));
}

}  // namespace
}  // namespace compat
