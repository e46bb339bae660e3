// sigprocmask(2), sigpending(2), sigsuspend(2), and the order in which blocked signals arrive.
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

class Mask : public testing::Test {
 protected:
  Mask() { record.count = 0; }
};

TEST_F(Mask, BlockUnblockSet) {
  sigset_t old_set, set = set_of({SIGUSR1});
  ASSERT_OK(sigprocmask(SIG_BLOCK, &set, &old_set));
  EXPECT_TRUE(is_blocked(SIGUSR1));
  set = set_of({SIGUSR2});
  ASSERT_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  EXPECT_TRUE(is_blocked(SIGUSR1));
  EXPECT_TRUE(is_blocked(SIGUSR2));
  set = set_of({SIGUSR1});
  ASSERT_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  EXPECT_FALSE(is_blocked(SIGUSR1));
  EXPECT_TRUE(is_blocked(SIGUSR2));
  ASSERT_OK(sigprocmask(SIG_SETMASK, &old_set, nullptr));
  EXPECT_FALSE(is_blocked(SIGUSR2));
}

TEST_F(Mask, SomeCannotBeBlocked) {
  Blocked all({SIGKILL, SIGSTOP, SIGUSR1});
  EXPECT_FALSE(is_blocked(SIGKILL));
  EXPECT_FALSE(is_blocked(SIGSTOP));
  EXPECT_TRUE(is_blocked(SIGUSR1));
}

TEST_F(Mask, Errors) {
  uint64_t set = 0;
  EXPECT_ERRNO(EINVAL, syscall(SYS_rt_sigprocmask, 77, &set, nullptr, 8));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, nullptr, 4));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad_pointer<char>(), nullptr, 8));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, bad_pointer<char>(), 8));
  // Without a set, how it would be used does not matter.
  EXPECT_OK(syscall(SYS_rt_sigprocmask, 77, nullptr, &set, 8));
}

TEST_F(Mask, BlockedSignalWaits) {
  ScopedAction action(SIGUSR1, record_signal);
  {
    Blocked blocked({SIGUSR1});
    ASSERT_OK(raise(SIGUSR1));
    EXPECT_EQ(0u, record.count);
    EXPECT_TRUE(is_pending(SIGUSR1));
  }
  EXPECT_EQ(1u, record.count);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

TEST_F(Mask, StandardSignalsDoNotQueue) {
  ScopedAction action(SIGUSR1, record_signal);
  {
    Blocked blocked({SIGUSR1});
    for (int i = 0; i < 3; ++i) ASSERT_OK(kill(getpid(), SIGUSR1));
  }
  EXPECT_EQ(1u, record.count);
}

TEST_F(Mask, RealTimeSignalsQueueInOrder) {
  ScopedAction action(SIGRTMIN, record_signal);
  {
    Blocked blocked({SIGRTMIN});
    for (int i = 1; i <= 5; ++i) ASSERT_OK(sigqueue(getpid(), SIGRTMIN, {.sival_int = i}));
  }
  EXPECT_EQ((std::vector<int>{1, 2, 3, 4, 5}), record.values());
}

TEST_F(Mask, LowerRealTimeSignalsComeFirst) {
  // Handlers run with all of them blocked, so that the order of delivery is the order of the
  // record.
  const std::vector<int> all = {SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2};
  ScopedAction one(SIGRTMIN, record_signal, 0, all);
  ScopedAction two(SIGRTMIN + 1, record_signal, 0, all);
  ScopedAction three(SIGRTMIN + 2, record_signal, 0, all);
  {
    Blocked blocked({SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2});
    ASSERT_OK(sigqueue(getpid(), SIGRTMIN + 2, {.sival_int = 0}));
    ASSERT_OK(sigqueue(getpid(), SIGRTMIN, {.sival_int = 0}));
    ASSERT_OK(sigqueue(getpid(), SIGRTMIN + 1, {.sival_int = 0}));
    ASSERT_OK(sigqueue(getpid(), SIGRTMIN, {.sival_int = 0}));
    // Taken one by one: when several are delivered at once, the last frame that was made runs
    // first.
    const timespec now = {};
    const sigset_t set = set_of({SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2});
    siginfo_t info;
    EXPECT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &now));
    EXPECT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &now));
    EXPECT_EQ(SIGRTMIN + 1, sigtimedwait(&set, &info, &now));
    EXPECT_EQ(SIGRTMIN + 2, sigtimedwait(&set, &info, &now));
  }
  EXPECT_EQ(0u, record.count);
}

TEST_F(Mask, QueueLimit) {
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_SIGPENDING, &old_limit));
  ScopedAction action(SIGRTMIN, record_signal);
  int error = 0, sent = 0;
  {
    Blocked blocked({SIGRTMIN});
    const rlimit limit = {.rlim_cur = 10, .rlim_max = old_limit.rlim_max};
    ASSERT_OK(setrlimit(RLIMIT_SIGPENDING, &limit));
    while (sent < 50 && sigqueue(getpid(), SIGRTMIN, {.sival_int = sent}) == 0) ++sent;
    error = errno;
    // A plain kill is never refused: it becomes pending without its details.
    EXPECT_OK(kill(getpid(), SIGRTMIN));
    ASSERT_OK(setrlimit(RLIMIT_SIGPENDING, &old_limit));
  }
  EXPECT_LE(sent, 10);
  EXPECT_EQ(EAGAIN, error);
}

TEST_F(Mask, NewThreadsInheritIt) {
  Blocked blocked({SIGUSR1});
  in_thread([] {
    EXPECT_TRUE(is_blocked(SIGUSR1));
    const sigset_t set = set_of({SIGUSR1, SIGUSR2});
    pthread_sigmask(SIG_SETMASK, &set, nullptr);
  });
  EXPECT_FALSE(is_blocked(SIGUSR2));
}

TEST_F(Mask, PendingForOneThread) {
  Blocked blocked({SIGUSR1, SIGUSR2});
  std::atomic<bool> go = false;
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    // Sent to the process: pending here as well. Sent to the other thread: not.
    EXPECT_TRUE(is_pending(SIGUSR1));
    EXPECT_FALSE(is_pending(SIGUSR2));
  });
  ASSERT_OK(kill(getpid(), SIGUSR1));
  ASSERT_OK(tgkill(getpid(), gettid(), SIGUSR2));
  go = true;
  other.join();
  const timespec now = {};
  const sigset_t set = set_of({SIGUSR1, SIGUSR2});
  EXPECT_OK(sigtimedwait(&set, nullptr, &now));
  EXPECT_OK(sigtimedwait(&set, nullptr, &now));
}

TEST_F(Mask, SuspendSwapsTheMask) {
  ScopedAction action(SIGUSR1, record_signal);
  Blocked blocked({SIGUSR1, SIGUSR2});
  ASSERT_OK(raise(SIGUSR1));
  const sigset_t during = set_of({SIGUSR2});
  EXPECT_ERRNO(EINTR, sigsuspend(&during));
  EXPECT_EQ(1u, record.count);
  EXPECT_TRUE(is_blocked(SIGUSR1));
  EXPECT_TRUE(is_blocked(SIGUSR2));
}

TEST_F(Mask, SuspendWaits) {
  ScopedAction action(SIGUSR1, record_signal);
  Blocked blocked({SIGUSR1});
  const pthread_t waiting = pthread_self();
  std::thread sender([&] {
    let_others_block();
    pthread_kill(waiting, SIGUSR1);
  });
  const sigset_t none = set_of({});
  EXPECT_ERRNO(EINTR, sigsuspend(&none));
  sender.join();
  EXPECT_EQ(1u, record.count);
}

TEST_F(Mask, IgnoringDropsWhatIsPending) {
  ScopedAction action(SIGUSR1, record_signal);
  Blocked blocked({SIGUSR1});
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_TRUE(is_pending(SIGUSR1));
  ScopedAction ignore(SIGUSR1, SIG_IGN);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

TEST_F(Mask, HandlerThatLeavesByJumpingCanRestoreIt) {
  // In the C library; what matters is that the mask in the kernel follows.
  static sigjmp_buf place;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) { siglongjmp(place, 1); });
  for (int i = 0; i < 3; ++i) {
    if (sigsetjmp(place, 1) == 0) {
      raise(SIGUSR1);
      ADD_FAILURE() << "the handler came back";
    }
    EXPECT_FALSE(is_blocked(SIGUSR1));
  }
}

}  // namespace
}  // namespace compat
