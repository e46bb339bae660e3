// The frame that a handler finds: registers, mask and vector state of the interrupted program, and
// how changes to them take effect when it returns.
#include <fenv.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

ucontext_t* context_of(void* context) {
  return static_cast<ucontext_t*>(context);
}

// Skips the three bytes of `mov (%rax), %ecx`-like instructions: see the tests that use it.
int bytes_to_skip;

void skip_instruction(int, siginfo_t*, void* context) {
  context_of(context)->uc_mcontext.gregs[REG_RIP] += bytes_to_skip;
  context_of(context)->uc_mcontext.gregs[REG_RCX] = 0x1122334455667788;
}

TEST(Frame, InstructionPointerCanMove) {
  ScopedAction action(SIGSEGV, skip_instruction);
  bytes_to_skip = 2;
  uint64_t result = 0;
  // 8b 08: mov (%rax), %ecx
  asm volatile(".byte 0x8b, 0x08" : "=c"(result) : "a"(0) : "memory");
  EXPECT_EQ(0x1122334455667788u, result);
}

TEST(Frame, StackAndEverythingCanMove) {
  static ucontext_t saved;
  static volatile int step;
  step = 0;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void* context) {
    // Continue where getcontext() was called, with all of its registers.
    context_of(context)->uc_mcontext.gregs[REG_RIP] = saved.uc_mcontext.gregs[REG_RIP];
    context_of(context)->uc_mcontext.gregs[REG_RSP] = saved.uc_mcontext.gregs[REG_RSP];
    context_of(context)->uc_mcontext.gregs[REG_RBP] = saved.uc_mcontext.gregs[REG_RBP];
    context_of(context)->uc_mcontext.gregs[REG_RBX] = saved.uc_mcontext.gregs[REG_RBX];
    for (const int reg : {REG_R12, REG_R13, REG_R14, REG_R15}) {
      context_of(context)->uc_mcontext.gregs[reg] = saved.uc_mcontext.gregs[reg];
    }
  });
  // In this very function, whose frame is still there when the handler returns.
  getcontext(&saved);
  step = step + 1;
  if (step == 1) {
    raise(SIGUSR1);
    ADD_FAILURE() << "raise() came back";
  }
  EXPECT_EQ(2, step);
}

TEST(Frame, RegistersAreThoseOfTheProgram) {
  static greg_t seen[23];
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void* context) {
    memcpy(seen, context_of(context)->uc_mcontext.gregs, sizeof seen);
  });
  asm volatile(
      "mov $0x0101010101010101, %%rax\n\t"
      "mov $0x0202020202020202, %%rcx\n\t"
      "mov $0x0303030303030303, %%rdx\n\t"
      "mov $0x0404040404040404, %%rsi\n\t"
      "mov $0x0505050505050505, %%rdi\n\t"
      "mov $0x0606060606060606, %%r8\n\t"
      "mov $0x0707070707070707, %%r9\n\t"
      "mov $0x0808080808080808, %%r10\n\t"
      "mov $0x0909090909090909, %%r11\n\t"
      "mov $0x0a0a0a0a0a0a0a0a, %%r12\n\t"
      "int3" ::
          : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "memory");
  constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12};
  for (size_t i = 0; i < std::size(kOrder); ++i) {
    EXPECT_EQ(static_cast<greg_t>((i + 1) * 0x0101010101010101), seen[kOrder[i]]) << i;
  }
}

TEST(Frame, NothingIsLostWhenItReturns) {
  // A loop that keeps known values in registers and flags while another thread sends signals.
  static std::atomic<int> signals;
  signals = 0;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) {
    // Leaves as much as it can in every register.
    asm volatile(
        "xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\txor %%esi, %%esi\n\t"
        "xor %%edi, %%edi\n\txor %%r8, %%r8\n\txor %%r9, %%r9\n\txor %%r10, %%r10\n\txor %%r11, "
        "%%r11" ::
            : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    ++signals;
  });
  const pthread_t self = pthread_self();
  std::atomic<uint32_t> stop = 0;
  std::thread sender([&] {
    for (int i = 0; i < 200; ++i) {
      pthread_kill(self, SIGUSR1);
      std::this_thread::yield();
    }
    eventually([&] { return signals > 0; });
    stop = 1;
  });
  uint64_t wrong = 0;
  asm volatile(
      "mov $0x1111, %%rax\n\tmov $0x2222, %%rcx\n\tmov $0x3333, %%rdx\n\tmov $0x4444, %%rsi\n\t"
      "mov $0x5555, %%rdi\n\tmov $0x6666, %%r8\n\tmov $0x7777, %%r9\n\tmov $0x8888, %%r10\n\t"
      "mov $0x9999, %%r11\n\t"
      "1:\n\t"
      "cmp $0x1111, %%rax\n\tjne 2f\n\tcmp $0x2222, %%rcx\n\tjne 2f\n\t"
      "cmp $0x3333, %%rdx\n\tjne 2f\n\tcmp $0x4444, %%rsi\n\tjne 2f\n\t"
      "cmp $0x5555, %%rdi\n\tjne 2f\n\tcmp $0x6666, %%r8\n\tjne 2f\n\t"
      "cmp $0x7777, %%r9\n\tjne 2f\n\tcmp $0x8888, %%r10\n\tjne 2f\n\t"
      "cmp $0x9999, %%r11\n\tjne 2f\n\t"
      "cmpl $0, %[stop]\n\tje 1b\n\t"
      "jmp 3f\n"
      "2:\n\t"
      "movq $1, %[wrong]\n"
      "3:"
      : [wrong] "+m"(wrong)
      : [stop] "m"(stop)
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
  sender.join();
  EXPECT_EQ(0u, wrong);
  EXPECT_GT(signals, 0);
}

TEST(Frame, ManySignalsOfAnotherThread) {
  static std::atomic<unsigned> signals;
  signals = 0;
  for (int round = 0; round < 20; ++round) {
    ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) { ++signals; });
    std::atomic<bool> done = false;
    std::thread sender([&, receiver = pthread_self()] {
      for (int i = 0; i < 500; ++i) pthread_kill(receiver, SIGUSR1);
      done = true;
    });
    // It only computes. What was sent before it saw the end has come when it makes a system call.
    uint64_t sum = 0;
    while (!done) sum = sum * 31 + 7;
    sender.join();
    EXPECT_EQ(0, sched_yield()) << sum;
  }
  EXPECT_GT(signals, 0u);
}

TEST(Frame, RedZoneIsLeftAlone) {
  // Leaf functions keep data in the 128 bytes below the stack pointer (System V ABI, 3.2.2).
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void*) {
    volatile char block[4096];
    for (volatile char& byte : block) byte = 0x55;
  });
  uint64_t bad = 0;
  // The stack pointer first moves away from what the compiler may keep below it.
  asm volatile(
      "lea -4096(%%rsp), %%rsp\n\t"
      "mov $16, %%rcx\n"
      "1:\n\t"
      "mov %%rcx, %%rax\n\timul $-8, %%rax\n\tmov %%rcx, (%%rsp, %%rax)\n\t"
      "dec %%rcx\n\tjnz 1b\n\t"
      "int3\n\t"
      "mov $16, %%rcx\n"
      "2:\n\t"
      "mov %%rcx, %%rax\n\timul $-8, %%rax\n\tcmp %%rcx, (%%rsp, %%rax)\n\tje 3f\n\t"
      "inc %[bad]\n"
      "3:\n\t"
      "dec %%rcx\n\tjnz 2b\n\t"
      "lea 4096(%%rsp), %%rsp"
      : [bad] "+r"(bad)
      :
      : "rax", "rcx", "cc", "memory");
  EXPECT_EQ(0u, bad);
}

TEST(Frame, HandlerStartsWithACleanState) {
  static uint64_t flags_in_handler;
  static uintptr_t frame_in_handler;
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void*) {
    flags_in_handler = __builtin_ia32_readeflags_u64();
    frame_in_handler = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  });
  uint64_t flags_after = 0;
  // With the direction flag set, which the ABI wants to be clear at a function's entry.
  asm volatile("std\n\tint3\n\tpushfq\n\tpop %0\n\tcld" : "=r"(flags_after) : : "memory", "cc");
  EXPECT_EQ(0u, flags_in_handler & 0x400);
  EXPECT_NE(0u, flags_after & 0x400);
  // A pushed frame pointer below a return address: 16 bytes aligned.
  EXPECT_EQ(0u, frame_in_handler % 16);
}

TEST(Frame, MaskCanChange) {
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void* context) {
    EXPECT_EQ(0, sigismember(&context_of(context)->uc_sigmask, SIGUSR1));
    EXPECT_EQ(1, sigismember(&context_of(context)->uc_sigmask, SIGURG));
    sigaddset(&context_of(context)->uc_sigmask, SIGUSR2);
    sigaddset(&context_of(context)->uc_sigmask, SIGKILL);
  });
  Blocked blocked({SIGURG});
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_TRUE(is_blocked(SIGUSR2));
  EXPECT_FALSE(is_blocked(SIGKILL));
}

TEST(Frame, FaultDetails) {
  static greg_t trap, error, address;
  static void* info_address;
  ScopedAction action(SIGSEGV, [](int, siginfo_t* info, void* context) {
    trap = context_of(context)->uc_mcontext.gregs[REG_TRAPNO];
    error = context_of(context)->uc_mcontext.gregs[REG_ERR];
    address = context_of(context)->uc_mcontext.gregs[REG_CR2];
    info_address = info->si_addr;
    context_of(context)->uc_mcontext.gregs[REG_RIP] += 2;
  });
  // 88 08: mov %cl, (%rax)
  asm volatile(".byte 0x88, 0x08" : : "a"(0x1230), "c"(0) : "memory");
  EXPECT_EQ(14, trap);
  EXPECT_EQ(6, error);  // a write, in user mode, to a page that is not there
  EXPECT_EQ(0x1230, address);
  EXPECT_EQ(reinterpret_cast<void*>(0x1230), info_address);
}

TEST(Frame, SegmentRegisters) {
  static greg_t segments;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void* context) {
    segments = context_of(context)->uc_mcontext.gregs[REG_CSGSFS];
  });
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(0x33, segments & 0xffff);
  EXPECT_EQ(0x2b, segments >> 48);
}

TEST(Frame, ThreadPointerIsTheSameInside) {
  static void* inside;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) { inside = __builtin_thread_pointer(); });
  in_thread([] {
    ASSERT_OK(raise(SIGUSR1));
    EXPECT_EQ(__builtin_thread_pointer(), inside);
  });
}

TEST(VectorState, SurvivesAHandler) {
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void*) {
    asm volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm7, %%xmm7\n\tpcmpeqd %%xmm15, %%xmm15" ::
                     : "xmm0", "xmm7", "xmm15");
  });
  const __m128i zero = _mm_set1_epi32(0x10101010), seven = _mm_set1_epi32(0x77777777),
                fifteen = _mm_set1_epi32(0x15151515);
  __m128i after_zero, after_seven, after_fifteen;
  asm volatile(
      "movdqu %3, %%xmm0\n\tmovdqu %4, %%xmm7\n\tmovdqu %5, %%xmm15\n\t"
      "int3\n\t"
      "movdqu %%xmm0, %0\n\tmovdqu %%xmm7, %1\n\tmovdqu %%xmm15, %2"
      : "=m"(after_zero), "=m"(after_seven), "=m"(after_fifteen)
      : "m"(zero), "m"(seven), "m"(fifteen)
      : "xmm0", "xmm7", "xmm15");
  EXPECT_EQ(0, memcmp(&zero, &after_zero, 16));
  EXPECT_EQ(0, memcmp(&seven, &after_seven, 16));
  EXPECT_EQ(0, memcmp(&fifteen, &after_fifteen, 16));
}

TEST(VectorState, WideRegistersSurviveToo) {
  // Where the processor has no wider ones, there is nothing more to lose than above.
  if (!__builtin_cpu_supports("avx")) return;
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void*) {
    asm volatile("vzeroall" ::: "memory");
  });
  alignas(32) char before[32], after[32];
  memset(before, 0x5a, sizeof before);
  asm volatile("vmovdqa %1, %%ymm9\n\tint3\n\tvmovdqa %%ymm9, %0"
               : "=m"(after)
               : "m"(before)
               : "xmm9");
  EXPECT_EQ(0, memcmp(before, after, sizeof before));
}

TEST(VectorState, SurvivesPreemption) {
  // Several threads, each with its own values in the same registers, none of them in the kernel by
  // its own wish.
  std::atomic<int> running = 3;
  std::atomic<bool> wrong = false;
  std::vector<std::thread> threads;
  for (int i = 1; i <= 3; ++i) {
    threads.emplace_back([&, i] {
      const __m128i mine = _mm_set1_epi32(i * 0x01010101);
      const auto end = Clock::now() + milliseconds(300);
      while (Clock::now() < end) {
        __m128i after;
        asm volatile(
            "movdqu %1, %%xmm3\n\tmov $20000, %%ecx\n1:\n\tdec %%ecx\n\tjnz 1b\n\tmovdqu %%xmm3, %0"
            : "=m"(after)
            : "m"(mine)
            : "xmm3", "ecx", "cc");
        if (memcmp(&mine, &after, 16) != 0) wrong = true;
      }
      --running;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
}

TEST(VectorState, FrameShowsIt) {
  static uint32_t seen[4];
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void* context) {
    const auto* state = context_of(context)->uc_mcontext.fpregs;
    memcpy(seen, state->_xmm[5].element, sizeof seen);
  });
  const uint32_t before[4] = {1, 22, 333, 4444};
  asm volatile("movdqu %0, %%xmm5\n\tint3" : : "m"(before) : "xmm5");
  EXPECT_EQ(0, memcmp(before, seen, sizeof seen));
}

TEST(VectorState, FrameCanChangeIt) {
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void* context) {
    context_of(context)->uc_mcontext.fpregs->_xmm[5].element[2] = 99;
  });
  const uint32_t before[4] = {1, 22, 333, 4444};
  uint32_t after[4];
  asm volatile("movdqu %1, %%xmm5\n\tint3\n\tmovdqu %%xmm5, %0"
               : "=m"(after)
               : "m"(before)
               : "xmm5");
  EXPECT_EQ(1u, after[0]);
  EXPECT_EQ(99u, after[2]);
  EXPECT_EQ(4444u, after[3]);
}

TEST(VectorState, HandlerHasControlWordsOfItsOwn) {
  // Rounding modes of the program come back after the handler, which has changed them for itself.
  static uint32_t in_handler;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) {
    in_handler = _mm_getcsr();
    _mm_setcsr(0x1f80);
    fesetround(FE_TOWARDZERO);
  });
  ASSERT_EQ(0, fesetround(FE_UPWARD));
  const uint32_t before = _mm_getcsr();
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(0x1f80u, in_handler);  // it starts with the defaults
  EXPECT_EQ(before & ~0x3fu, _mm_getcsr() & ~0x3fu);
  EXPECT_EQ(FE_UPWARD, fegetround());
  ASSERT_EQ(0, fesetround(FE_TONEAREST));
}

TEST(VectorState, HandlerHasVectorsOfItsOwn) {
  static double result;
  ScopedAction action(SIGUSR1, [](int, siginfo_t*, void*) {
    double sum = 0;
    for (int i = 1; i <= 100; ++i) sum += 1.0 / i;
    result = sum;
  });
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_NEAR(5.187377517639621, result, 1e-12);
}

}  // namespace
}  // namespace compat
