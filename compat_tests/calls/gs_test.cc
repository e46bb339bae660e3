// Programs with a GS base of their own, set by arch_prctl(2) or by an instruction: it is there
// whatever they call, and whatever comes between.
#include <asm/prctl.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "compat_tests/calls/ways.h"
#include "compat_tests/common/code.h"
#include "compat_tests/common/signals.h"

namespace compat {
namespace {

constexpr int kTimes = 12;

unsigned long gs_word() {
  unsigned long word;
  asm volatile("movq %%gs:0, %0" : "=r"(word));
  return word;
}

void set_gs(const unsigned long* word) {
  EXPECT_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, word));
}
void set_gs_by_instruction(const unsigned long* word) {
  asm volatile("wrgsbase %0" : : "r"(word) : "memory");
}
const unsigned long* gs_base() {
  const unsigned long* base = nullptr;
  EXPECT_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
  return base;
}

// Takes the base away from the thread that has set one.
struct NoBaseAfterwards {
  ~NoBaseAfterwards() { set_gs(nullptr); }
};

TEST(GsBase, IsTheProgramsOwn) {
  const NoBaseAfterwards at_end;
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  const unsigned long words[2] = {111, 222};
  for (const unsigned long& word : words) {
    set_gs(&word);
    for (int i = 0; i < kTimes; ++i) {
      EXPECT_EQ(getpid(), code());
      EXPECT_EQ(word, gs_word());
    }
    EXPECT_EQ(&word, gs_base());
  }
  set_gs(nullptr);
  EXPECT_EQ(nullptr, gs_base());
  for (int i = 0; i < kTimes; ++i) EXPECT_EQ(getpid(), code());
}

TEST(GsBase, SetByInstruction) {
  if (!has_base_instructions()) GTEST_SKIP() << "the processor has no wrgsbase";
  const NoBaseAfterwards at_end;
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  const unsigned long words[2] = {333, 444};
  for (int i = 0; i < kTimes; ++i) {
    const unsigned long& word = words[i % 2];
    set_gs_by_instruction(&word);
    EXPECT_EQ(getpid(), code());
    EXPECT_EQ(word, gs_word());
    EXPECT_EQ(&word, gs_base());
  }
  set_gs_by_instruction(nullptr);
  for (int i = 0; i < kTimes; ++i) EXPECT_EQ(getpid(), code());
  EXPECT_EQ(nullptr, gs_base());
}

// Put back by an instruction, it is what it was before.
TEST(GsBase, PutBack) {
  if (!has_base_instructions()) GTEST_SKIP() << "the processor has no wrgsbase";
  const NoBaseAfterwards at_end;
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  const unsigned long word = 555;
  for (int i = 0; i < kTimes; ++i) {
    const unsigned long* before;
    asm volatile("rdgsbase %0" : "=r"(before));
    set_gs_by_instruction(&word);
    EXPECT_EQ(getpid(), code());
    set_gs_by_instruction(before);
    EXPECT_EQ(getpid(), code());
    EXPECT_EQ(nullptr, gs_base());
    const unsigned long* now;
    asm volatile("rdgsbase %0" : "=r"(now));
    EXPECT_NE(&word, now);
  }
}

// Registers and flags of calls that come the short way are those that `syscall` leaves.
TEST(GsBase, RegistersAroundACall) {
  const NoBaseAfterwards at_end;
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  const unsigned long word = 666;
  set_gs(&word);
  for (unsigned long set = 0; set < 64; ++set) {
    constexpr unsigned long kArithmetic = 0x8d5;
    const unsigned long flags = (set * 0x4d) & kArithmetic;
    unsigned long after = 0, rdx = 1, rsi = 2, r8 = 3, r9 = 4, r10 = 5;
    long result = 0;
    register unsigned long in_r8 asm("r8") = r8;
    register unsigned long in_r9 asm("r9") = r9;
    register unsigned long in_r10 asm("r10") = r10;
    asm volatile(
        "leaq -256(%%rsp), %%rsp\n\t"
        "pushq %[flags]\n\t"
        "popfq\n\t"
        "call *%[at]\n\t"
        "pushfq\n\t"
        "popq %[after]\n\t"
        "leaq 256(%%rsp), %%rsp"
        : "=a"(result), [after] "=&b"(after), "+d"(rdx), "+S"(rsi), "+r"(in_r8), "+r"(in_r9),
          "+r"(in_r10)
        : [at] "D"(code.start()), [flags] "r"(flags)
        : "rcx", "r11", "memory", "cc");
    EXPECT_EQ(getpid(), result);
    EXPECT_EQ(flags, after & kArithmetic);
    EXPECT_EQ(1u, rdx);
    EXPECT_EQ(2u, rsi);
    EXPECT_EQ(3u, in_r8);
    EXPECT_EQ(4u, in_r9);
    EXPECT_EQ(5u, in_r10);
    EXPECT_EQ(word, gs_word());
  }
}

TEST(GsBase, CallsComeDirectly) {
  const NoBaseAfterwards at_end;
  const unsigned long word = 777;
  set_gs(&word);
  expect_direct([&] { syscall(SYS_getppid); });
  EXPECT_EQ(word, gs_word());
}

std::atomic<int> signals_seen, wrong_words;
unsigned long expected_word;

void look_at_word(int, siginfo_t*, void*) {
  if (gs_word() != expected_word) ++wrong_words;
  getppid();
  if (gs_word() != expected_word) ++wrong_words;
  ++signals_seen;
}

// Signals find a thread anywhere between its calls, and on their ways in and out.
TEST(GsBase, SignalsBetweenCalls) {
  const NoBaseAfterwards at_end;
  const ScopedAction action(SIGALRM, look_at_word);
  signals_seen = wrong_words = 0;
  const unsigned long word = expected_word = 888;
  set_gs(&word);
  const itimerval often = {{0, 1000}, {0, 1000}}, never = {};
  EXPECT_OK(setitimer(ITIMER_REAL, &often, nullptr));
  const pid_t parent = getppid();
  while (signals_seen < 50) {
    if (getppid() != parent || gs_word() != word) ++wrong_words;
    if (wrong_words != 0) break;
  }
  EXPECT_OK(setitimer(ITIMER_REAL, &never, nullptr));
  EXPECT_EQ(0, wrong_words);
}

TEST(GsBase, EachThreadHasItsOwn) {
  constexpr int kThreads = 4;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&wrong, i] {
      const unsigned long word = 1000 + static_cast<unsigned long>(i);
      const bool has_one = i != 0;  // the first goes without
      if (gs_base() != nullptr) ++wrong;
      if (has_one) set_gs(&word);
      const pid_t self = gettid();
      for (int turn = 0; turn < 500; ++turn) {
        sched_yield();
        if (has_one && gs_word() != word) ++wrong;
        if (gettid() != self) ++wrong;
        if (has_one && gs_word() != word) ++wrong;
      }
      if (gs_base() != (has_one ? &word : nullptr)) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong);
}

TEST(GsBase, OfAChild) {
  const NoBaseAfterwards at_end;
  const unsigned long word = 999;
  set_gs(&word);
  const pid_t child = fork();
  if (child == 0) {
    bool right = gs_word() == word && gs_base() == &word;
    for (int i = 0; i < kTimes; ++i) right = right && getppid() > 0 && gs_word() == word;
    _exit(right ? 0 : 1);
  }
  ASSERT_OK(child);
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_EQ(word, gs_word());
}

// The program that takes this one's place.
TEST(GsBase, DISABLED_NoneAtStart) {
  EXPECT_EQ(nullptr, gs_base());
}

TEST(GsBase, IsGoneAfterExec) {
  const pid_t child = fork();
  if (child == 0) {
    const unsigned long word = 1;
    set_gs(&word);
    for (int i = 0; i < kTimes; ++i) getppid();
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);  // what it prints is no verdict of ours
    execl("/proc/self/exe", "calls", "--gtest_filter=GsBase.DISABLED_NoneAtStart",
          "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    _exit(2);
  }
  ASSERT_OK(child);
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
}

TEST(GsBase, SeenAndSetByADebugger) {
  static const unsigned long words[2] = {1234, 4321};
  const pid_t child = fork();
  if (child == 0) {
    set_gs(&words[0]);
    for (int i = 0; i < kTimes; ++i) getppid();
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    _exit(gs_word() == words[1] && getppid() > 0 && gs_word() == words[1] ? 0 : 1);
  }
  ASSERT_OK(child);
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  ASSERT_TRUE(WIFSTOPPED(status));
  user_regs_struct registers = {};
  EXPECT_OK(ptrace(PTRACE_GETREGS, child, nullptr, &registers));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&words[0]), registers.gs_base);
  registers.gs_base = reinterpret_cast<uintptr_t>(&words[1]);
  EXPECT_OK(ptrace(PTRACE_SETREGS, child, nullptr, &registers));
  EXPECT_OK(ptrace(PTRACE_DETACH, child, nullptr, nullptr));
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
}

}  // namespace
}  // namespace compat
