// kill(2), tgkill(2), rt_sigqueueinfo(2): who receives, and what is refused.
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

constexpr pid_t kNobody = 0x3fffffff;  // above the largest possible process number

class Send : public testing::Test {
 protected:
  Send() { record.count = 0; }
};

TEST_F(Send, SignalZeroOnlyAsks) {
  EXPECT_OK(kill(getpid(), 0));
  EXPECT_OK(kill(0, 0));
  // From a group of its own: that of process 1 can't be named so, -1 means everybody.
  const pid_t child = fork();
  if (child == 0) _exit(setpgid(0, 0) == 0 && kill(-getpgrp(), 0) == 0 ? 0 : 1);
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_OK(tgkill(getpid(), gettid(), 0));
  EXPECT_ERRNO(ESRCH, kill(kNobody, 0));
  EXPECT_ERRNO(ESRCH, kill(-kNobody, 0));
}

TEST_F(Send, Errors) {
  EXPECT_ERRNO(EINVAL, kill(getpid(), -1));
  EXPECT_ERRNO(EINVAL, kill(getpid(), 65));
  EXPECT_ERRNO(EINVAL, tgkill(getpid(), gettid(), 65));
  EXPECT_ERRNO(EINVAL, tgkill(-1, gettid(), 0));
  EXPECT_ERRNO(EINVAL, tgkill(getpid(), 0, 0));
  EXPECT_ERRNO(ESRCH, tgkill(getpid(), kNobody, 0));
  EXPECT_ERRNO(ESRCH, tgkill(kNobody, gettid(), 0));
  EXPECT_ERRNO(ESRCH, syscall(SYS_tkill, kNobody, 0));
  EXPECT_ERRNO(EINVAL, syscall(SYS_tkill, 0, 0));
}

TEST_F(Send, Tkill) {
  ScopedAction action(SIGUSR1, record_signal);
  ASSERT_OK(syscall(SYS_tkill, gettid(), SIGUSR1));
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(SI_TKILL, record.entries[0].code);
}

TEST_F(Send, KillByThreadNumberReachesTheProcess) {
  ScopedAction action(SIGUSR1, record_signal);
  in_thread([] { EXPECT_OK(kill(gettid(), SIGUSR1)); });
  EXPECT_TRUE(eventually([] { return record.count == 1; }));
}

TEST_F(Send, ToOneThread) {
  ScopedAction action(SIGUSR1, record_signal);
  std::atomic<pid_t> tid = 0;
  std::atomic<bool> end = false;
  std::thread other([&] {
    tid = gettid();
    while (!end) sleep_for(milliseconds(1));
  });
  EXPECT_TRUE(eventually([&] { return tid != 0; }));
  ASSERT_OK(tgkill(getpid(), tid, SIGUSR1));
  EXPECT_TRUE(eventually([] { return record.count == 1; }));
  EXPECT_EQ(tid, record.entries[0].thread);
  end = true;
  other.join();
}

TEST_F(Send, ToTheProcessTakesAThreadThatDoesNotBlock) {
  ScopedAction action(SIGUSR1, record_signal);
  std::atomic<pid_t> tid = 0;
  std::atomic<bool> end = false;
  std::thread other([&] {
    tid = gettid();
    while (!end) sleep_for(milliseconds(1));
  });
  EXPECT_TRUE(eventually([&] { return tid != 0; }));
  {
    Blocked blocked({SIGUSR1});
    ASSERT_OK(kill(getpid(), SIGUSR1));
    EXPECT_TRUE(eventually([] { return record.count == 1; }));
  }
  EXPECT_EQ(tid, record.entries[0].thread);
  end = true;
  other.join();
}

TEST_F(Send, ToTheProcessWhileAllBlockIt) {
  ScopedAction action(SIGUSR1, record_signal);
  const sigset_t set = set_of({SIGUSR1});
  std::atomic<bool> blocking = false, unblock = false;
  std::atomic<pid_t> tid = 0;
  Blocked blocked({SIGUSR1});
  std::thread other([&] {
    tid = gettid();
    blocking = true;
    while (!unblock) sleep_for(milliseconds(1));
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  });
  EXPECT_TRUE(eventually([&] { return blocking.load(); }));
  ASSERT_OK(kill(getpid(), SIGUSR1));
  EXPECT_EQ(0u, record.count);
  // Whoever unblocks it first gets it.
  unblock = true;
  other.join();
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(tid, record.entries[0].thread);
}

TEST_F(Send, QueueinfoToOneself) {
  ScopedAction action(SIGUSR1, record_signal);
  siginfo_t info = {};
  info.si_code = -42;
  info.si_pid = 7;
  info.si_uid = 8;
  info.si_value.sival_int = 9;
  ASSERT_OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
  ASSERT_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info));
  ASSERT_EQ(2u, record.count);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(-42, record.entries[i].code);
    EXPECT_EQ(7, record.entries[i].sender);
    EXPECT_EQ(8u, record.entries[i].user);
    EXPECT_EQ(9, record.entries[i].value);
  }
}

TEST_F(Send, QueueinfoErrors) {
  siginfo_t info = {};
  info.si_code = SI_QUEUE;
  EXPECT_ERRNO(ESRCH, syscall(SYS_rt_sigqueueinfo, kNobody, 0, &info));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info));
  EXPECT_ERRNO(EFAULT, syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, bad_pointer<siginfo_t>()));
  EXPECT_ERRNO(EINVAL, syscall(SYS_rt_tgsigqueueinfo, -1, gettid(), SIGUSR1, &info));
}

TEST_F(Send, AbandonedWhenTheThreadEnds) {
  // Pending for a thread that ends: lost with it.
  Blocked blocked({SIGUSR2});
  ScopedAction action(SIGUSR2, record_signal);
  in_thread([] { EXPECT_OK(tgkill(getpid(), gettid(), SIGUSR2)); });
  EXPECT_FALSE(is_pending(SIGUSR2));
}

TEST_F(Send, BrokenPipe) {
  ScopedAction action(SIGPIPE, record_signal);
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  reader.reset();
  in_thread([&] {
    EXPECT_ERRNO(EPIPE, write(writer, "x", 1));
    // To the thread that wrote, and at once.
    EXPECT_EQ(1u, record.count);
    EXPECT_EQ(SIGPIPE, record.entries[0].signal);
    EXPECT_EQ(gettid(), record.entries[0].thread);
  });
  ScopedAction ignore(SIGPIPE, SIG_IGN);
  EXPECT_ERRNO(EPIPE, write(writer, "x", 1));
  EXPECT_EQ(1u, record.count);
}

TEST_F(Send, AbortCanBeCaught) {
  static sigjmp_buf place;
  ScopedAction action(SIGABRT, [](int, siginfo_t*, void*) { siglongjmp(place, 1); });
  if (sigsetjmp(place, 1) == 0) {
    abort();
  } else {
    SUCCEED();
  }
}

}  // namespace
}  // namespace compat
