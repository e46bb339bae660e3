// sigaction(2): handlers, their flags and their masks.
#include <sys/syscall.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

class Action : public testing::Test {
 protected:
  Action() { record.count = 0; }
};

TEST_F(Action, ReturnsTheOldOne) {
  struct sigaction action = {}, old_action;
  action.sa_sigaction = record_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER;
  sigaddset(&action.sa_mask, SIGUSR2);
  ASSERT_OK(sigaction(SIGUSR1, &action, &old_action));
  EXPECT_EQ(SIG_DFL, old_action.sa_handler);
  struct sigaction now;
  ASSERT_OK(sigaction(SIGUSR1, nullptr, &now));
  EXPECT_EQ(&record_signal, now.sa_sigaction);
  EXPECT_EQ(SA_SIGINFO | SA_RESTART | SA_NODEFER, now.sa_flags & ~0x04000000 /* SA_RESTORER */);
  EXPECT_EQ(1, sigismember(&now.sa_mask, SIGUSR2));
  EXPECT_EQ(0, sigismember(&now.sa_mask, SIGUSR1));
  ASSERT_OK(sigaction(SIGUSR1, &old_action, nullptr));
}

TEST_F(Action, Errors) {
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  EXPECT_ERRNO(EINVAL, sigaction(SIGKILL, &action, nullptr));
  EXPECT_ERRNO(EINVAL, sigaction(SIGSTOP, &action, nullptr));
  EXPECT_ERRNO(EINVAL, sigaction(0, &action, nullptr));
  EXPECT_ERRNO(EINVAL, sigaction(65, &action, nullptr));
  struct sigaction old_action;
  EXPECT_OK(sigaction(SIGKILL, nullptr, &old_action));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rt_sigaction, SIGUSR1, nullptr, nullptr, 4));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigaction, SIGUSR1, bad_pointer<char>(), nullptr, 8));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigaction, SIGUSR1, nullptr, bad_pointer<char>(), 8));
}

TEST_F(Action, UnblockableSignalsLeaveTheMask) {
  struct sigaction action = {}, old_action, now;
  action.sa_sigaction = record_signal;
  action.sa_flags = SA_SIGINFO;
  action.sa_mask = set_of({SIGKILL, SIGSTOP, SIGUSR2});
  ASSERT_OK(sigaction(SIGUSR1, &action, &old_action));
  ASSERT_OK(sigaction(SIGUSR1, &old_action, &now));
  EXPECT_EQ(0, sigismember(&now.sa_mask, SIGKILL));
  EXPECT_EQ(0, sigismember(&now.sa_mask, SIGSTOP));
  EXPECT_EQ(1, sigismember(&now.sa_mask, SIGUSR2));
}

TEST_F(Action, IgnoredSignalsDoNothing) {
  ScopedAction ignore(SIGUSR1, SIG_IGN);
  EXPECT_OK(raise(SIGUSR1));
  EXPECT_FALSE(is_pending(SIGUSR1));
}

TEST_F(Action, IgnoredByDefault) {
  for (const int signal : {SIGCHLD, SIGURG, SIGWINCH, SIGCONT}) {
    ScopedAction by_default(signal, SIG_DFL);
    EXPECT_OK(raise(signal));
  }
}

std::atomic<int> depth, deepest;

TEST_F(Action, OwnSignalIsBlockedInTheHandler) {
  depth = deepest = 0;
  static std::atomic<int> calls;
  calls = 0;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) {
    deepest = std::max(deepest.load(), ++depth);
    if (++calls == 1) {
      raise(SIGUSR1);
      EXPECT_TRUE(is_pending(SIGUSR1));
    }
    --depth;
  });
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(2, calls);
  EXPECT_EQ(1, deepest);
}

TEST_F(Action, NoDeferNests) {
  depth = deepest = 0;
  ScopedAction action(
      SIGUSR1,
      [](int, siginfo_t*, void*) {
        deepest = std::max(deepest.load(), ++depth);
        if (depth < 5) raise(SIGUSR1);
        --depth;
      },
      SA_NODEFER);
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(5, deepest);
}

TEST_F(Action, MaskHoldsInTheHandler) {
  ScopedAction second(SIGUSR2, record_signal);
  ScopedAction first(SIGUSR1,
                     [](int signal, siginfo_t* info, void* context) {
                       raise(SIGUSR2);
                       EXPECT_TRUE(is_pending(SIGUSR2));
                       record_signal(signal, info, context);
                     },
                     0, {SIGUSR2});
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ((std::vector<int>{SIGUSR1, SIGUSR2}), record.signals());
  EXPECT_FALSE(is_blocked(SIGUSR2));
}

TEST_F(Action, OtherSignalsNest) {
  ScopedAction second(SIGUSR2, record_signal);
  ScopedAction first(SIGUSR1, [](int signal, siginfo_t* info, void* context) {
    raise(SIGUSR2);
    record_signal(signal, info, context);
  });
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ((std::vector<int>{SIGUSR2, SIGUSR1}), record.signals());
}

TEST_F(Action, ResetHand) {
  ScopedAction put_back(SIGURG, SIG_DFL);
  ScopedAction action(SIGURG, record_signal, SA_RESETHAND);
  ASSERT_OK(raise(SIGURG));
  struct sigaction now;
  ASSERT_OK(sigaction(SIGURG, nullptr, &now));
  EXPECT_EQ(SIG_DFL, now.sa_handler);
  ASSERT_OK(raise(SIGURG));
  EXPECT_EQ(1u, record.count);
}

TEST_F(Action, InfoOfKill) {
  ScopedAction action(SIGUSR1, record_signal);
  ASSERT_OK(kill(getpid(), SIGUSR1));
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(SIGUSR1, record.entries[0].signal);
  EXPECT_EQ(SI_USER, record.entries[0].code);
  EXPECT_EQ(getpid(), record.entries[0].sender);
  EXPECT_EQ(getuid(), record.entries[0].user);
}

TEST_F(Action, InfoOfTgkill) {
  ScopedAction action(SIGUSR1, record_signal);
  ASSERT_OK(tgkill(getpid(), gettid(), SIGUSR1));
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(SI_TKILL, record.entries[0].code);
  EXPECT_EQ(getpid(), record.entries[0].sender);
}

TEST_F(Action, InfoOfSigqueue) {
  ScopedAction action(SIGRTMIN + 3, record_signal);
  ASSERT_OK(sigqueue(getpid(), SIGRTMIN + 3, {.sival_int = 0x1234567}));
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(SI_QUEUE, record.entries[0].code);
  EXPECT_EQ(0x1234567, record.entries[0].value);
  EXPECT_EQ(getpid(), record.entries[0].sender);
}

TEST_F(Action, WithoutInfoTheFirstArgumentIsTheSignal) {
  static std::atomic<int> seen;
  seen = 0;
  ScopedAction action(SIGUSR2, [](int number) { seen = number; });
  ASSERT_OK(raise(SIGUSR2));
  EXPECT_EQ(SIGUSR2, seen);
}

TEST_F(Action, EverySignalNumber) {
  // Those with a meaning of their own for the C library are 32 and 33.
  for (int signal = 1; signal <= 64; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33) continue;
    ScopedAction action(signal, record_signal);
    record.count = 0;
    ASSERT_OK(kill(getpid(), signal)) << signal;
    ASSERT_EQ(1u, record.count) << signal;
    EXPECT_EQ(signal, record.entries[0].signal);
  }
}

TEST_F(Action, SharedByAllThreads) {
  ScopedAction action(SIGUSR1, record_signal);
  pid_t tid = 0;
  in_thread([&] {
    tid = gettid();
    EXPECT_OK(tgkill(getpid(), tid, SIGUSR1));
  });
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(tid, record.entries[0].thread);
}

TEST_F(Action, ManySignalsInARow) {
  static std::atomic<int> calls;
  calls = 0;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) { ++calls; });
  for (int i = 0; i < 1000; ++i) ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(1000, calls);
}

}  // namespace
}  // namespace compat
