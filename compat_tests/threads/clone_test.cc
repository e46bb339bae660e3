// clone(2), clone3(2) and unshare(2) for threads; what threads share; how they end.
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"
#include "compat_tests/threads/futex.h"

namespace compat {
namespace {

constexpr int kThread =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

struct Child {
  FutexWord tid = 0;  // cleared, with a wake-up, when the thread has ended
  FutexWord parent_tid = 0;
  std::atomic<long> seen_tid = 0;
  std::atomic<uint32_t> seen_tid_word = 0;
  std::atomic<uintptr_t> seen_argument = 0;

  void join() {
    while (const uint32_t value = tid) futex(&tid, FUTEX_WAIT, value);
  }
};

int child_main(void* argument) {
  auto* child = static_cast<Child*>(argument);
  // The thread shares its creator's thread-local memory, so it calls no function that uses errno.
  long tid;
  asm volatile("syscall" : "=a"(tid) : "a"(SYS_gettid) : "rcx", "r11", "memory");
  child->seen_tid_word = child->tid.load();
  child->seen_tid = tid;
  return 0;
}

class Clone : public testing::Test {
 protected:
  alignas(16) static inline char stack[64 << 10];
  Child child;
};

TEST_F(Clone, ThreadWithTidPlaces) {
  const int tid = clone(child_main, stack + sizeof stack,
                        kThread | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
                        &child, &child.parent_tid, nullptr, &child.tid);
  ASSERT_OK(tid);
  EXPECT_EQ(static_cast<uint32_t>(tid), child.parent_tid);
  EXPECT_TRUE(eventually([&] { return child.seen_tid != 0; }));
  child.join();
  EXPECT_EQ(tid, child.seen_tid);
  EXPECT_EQ(static_cast<uint32_t>(tid), child.seen_tid_word);
  EXPECT_NE(getpid(), tid);
}

long clone3_thread(clone_args* arguments, size_t size, Child* argument) {
  long result;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      // The new thread, on its own stack: registers are copies of the creator's.
      "mov %[argument], %%rdi\n\t"
      "call *%[function]\n\t"
      "mov %[exit], %%eax\n\t"
      "xor %%edi, %%edi\n\t"
      "syscall\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(arguments), "S"(size), [argument] "r"(static_cast<void*>(argument)),
        [function] "r"(&child_main), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  return result;
}

TEST_F(Clone, Clone3) {
  clone_args arguments = {};
  arguments.flags = kThread | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  arguments.parent_tid = reinterpret_cast<uintptr_t>(&child.parent_tid);
  arguments.child_tid = reinterpret_cast<uintptr_t>(&child.tid);
  arguments.stack = reinterpret_cast<uintptr_t>(stack);
  arguments.stack_size = sizeof stack;
  const long tid = clone3_thread(&arguments, sizeof arguments, &child);
  ASSERT_GT(tid, 0) << error_name(static_cast<int>(-tid));
  EXPECT_TRUE(eventually([&] { return child.seen_tid != 0; }));
  child.join();
  EXPECT_EQ(tid, child.seen_tid);
}

TEST_F(Clone, Clone3Errors) {
  clone_args arguments = {};
  arguments.flags = kThread;
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, 8));
  EXPECT_ERRNO(EFAULT, syscall(SYS_clone3, bad_pointer<clone_args>(), sizeof arguments));
  // A stack with no size, and a size with no stack.
  arguments.stack = reinterpret_cast<uintptr_t>(stack);
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, sizeof arguments));
  arguments.stack = 0;
  arguments.stack_size = 4096;
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, sizeof arguments));
  // Threads send no exit signal.
  arguments.stack = reinterpret_cast<uintptr_t>(stack);
  arguments.stack_size = sizeof stack;
  arguments.exit_signal = 17;
  EXPECT_ERRNO(EINVAL, syscall(SYS_clone3, &arguments, sizeof arguments));
  struct {
    clone_args arguments = {};
    uint64_t more = 1;
  } larger;
  EXPECT_ERRNO(E2BIG, syscall(SYS_clone3, &larger, sizeof larger));
}

TEST_F(Clone, FlagsThatDoNotFit) {
  char* top = stack + sizeof stack;
  EXPECT_ERRNO(EINVAL, clone(child_main, top, CLONE_VM | CLONE_THREAD, &child));
  EXPECT_ERRNO(EINVAL, clone(child_main, top, CLONE_SIGHAND, &child));
  EXPECT_ERRNO(EINVAL, clone(child_main, top, CLONE_FS | CLONE_NEWNS, &child));
}

FutexWord cleared_at_exit;

int clear_tid_main(void* argument) {
  auto* child = static_cast<Child*>(argument);
  long tid;
  asm volatile("syscall"
               : "=a"(tid)
               : "a"(SYS_set_tid_address), "D"(&cleared_at_exit)
               : "rcx", "r11", "memory");
  child->seen_tid = tid;
  return 0;
}

TEST_F(Clone, SetTidAddressIsClearedAtTheEnd) {
  cleared_at_exit = 77;
  const int tid = clone(clear_tid_main, stack + sizeof stack, kThread, &child);
  ASSERT_OK(tid);
  while (cleared_at_exit == 77) futex(&cleared_at_exit, FUTEX_WAIT, 77);
  EXPECT_EQ(0u, cleared_at_exit);
  EXPECT_EQ(tid, child.seen_tid);
}

TEST(Sharing, ThreadsShareTheirProcess) {
  const pid_t process = getpid();
  const pid_t main_thread = gettid();
  in_thread([&] {
    EXPECT_EQ(process, getpid());
    EXPECT_NE(main_thread, gettid());
  });
}

TEST(Sharing, DescriptorsAndDirectory) {
  TempDir dir;
  Fd old(open(".", O_PATH));
  Fd fd;
  in_thread([&] {
    fd.reset(open("/dev/null", O_RDWR));
    EXPECT_OK(chdir(dir.path().c_str()));
  });
  EXPECT_OK(fcntl(fd, F_GETFD));
  char path[4096];
  ASSERT_NE(nullptr, getcwd(path, sizeof path));
  EXPECT_EQ(dir.path(), path);
  EXPECT_OK(fchdir(old));
}

TEST(Sharing, DescriptorsCanBeUnshared) {
  Fd before(open("/dev/null", O_RDWR));
  int inside = -1;
  in_thread([&] {
    ASSERT_OK(unshare(CLONE_FILES));
    inside = open("/dev/null", O_RDWR);
    EXPECT_OK(inside);
    EXPECT_OK(close(before));
  });
  EXPECT_OK(fcntl(before, F_GETFD));
  EXPECT_ERRNO(EBADF, fcntl(inside, F_GETFD));
}

TEST(Sharing, DirectoryAndUmaskCanBeUnshared) {
  TempDir dir;
  const mode_t mask = umask(022);
  char before[4096], after[4096];
  ASSERT_NE(nullptr, getcwd(before, sizeof before));
  in_thread([&] {
    ASSERT_OK(unshare(CLONE_FS));
    EXPECT_OK(chdir(dir.path().c_str()));
    umask(077);
  });
  ASSERT_NE(nullptr, getcwd(after, sizeof after));
  EXPECT_STREQ(before, after);
  EXPECT_EQ(022u, umask(mask));
}

TEST(Sharing, UnshareErrors) {
  EXPECT_ERRNO(EINVAL, unshare(1));
  EXPECT_OK(unshare(0));
  in_thread([] { EXPECT_ERRNO(EINVAL, unshare(CLONE_VM)); });
}

TEST(Sharing, ClosedDescriptorOfABlockedThread) {
  // The file of a blocked call lives until the call returns.
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd writer(ends[1]);
  std::thread blocked([&] {
    char byte = 0;
    EXPECT_EQ(1, read(ends[0], &byte, 1));
    EXPECT_EQ('x', byte);
  });
  sleep_for(milliseconds(100));
  EXPECT_OK(close(ends[0]));
  EXPECT_EQ(1, write(writer, "x", 1));
  blocked.join();
}

TEST(ThreadName, EachHasItsOwn) {
  char main_name[16] = {};
  ASSERT_OK(prctl(PR_GET_NAME, main_name));
  in_thread([] {
    EXPECT_OK(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
    char name[16] = {};
    EXPECT_OK(prctl(PR_GET_NAME, name));
    EXPECT_STREQ("a-name-that-is-", name);
    EXPECT_EQ("a-name-that-is-\n", read_file("/proc/thread-self/comm"));
  });
  char after[16] = {};
  ASSERT_OK(prctl(PR_GET_NAME, after));
  EXPECT_STREQ(main_name, after);
}

TEST(ThreadName, InheritedFromTheCreator) {
  in_thread([] {
    EXPECT_OK(prctl(PR_SET_NAME, "creator"));
    in_thread([] {
      char name[16] = {};
      EXPECT_OK(prctl(PR_GET_NAME, name));
      EXPECT_STREQ("creator", name);
    });
  });
}

TEST(ThreadEnd, LeavesTheOthersRunning) {
  std::atomic<bool> go = false, finished = false;
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    finished = true;
  });
  in_thread([] {});
  in_thread([] { pthread_exit(nullptr); });
  EXPECT_FALSE(finished);
  go = true;
  other.join();
  EXPECT_TRUE(finished);
}

TEST(ThreadEnd, SignalsToAnEndedThread) {
  pid_t tid = 0;
  in_thread([&] { tid = gettid(); });
  // Joining returns when the tid word has been cleared, a moment before the thread is gone.
  EXPECT_TRUE(eventually([&] { return tgkill(getpid(), tid, 0) == -1 && errno == ESRCH; }));
}

}  // namespace
}  // namespace compat
