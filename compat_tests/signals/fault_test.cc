// Signals that the processor causes, with their codes and addresses.
#include "compat_tests/common/fault.h"

#include <fenv.h>
#include <limits.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <thread>

#include "compat_tests/common/excuses.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"

namespace compat {
namespace {

// Where the instruction under test lies, to be compared with the reported address.
volatile uintptr_t place;

#define FAULT_AT(instruction, ...)                                                 \
  catch_fault([&] {                                                                \
    asm volatile("lea 1f(%%rip), %%r11\n\tmov %%r11, %[place]\n1:\n\t" instruction \
                 : [place] "=m"(place)                                             \
                 : __VA_ARGS__                                                     \
                 : "rax", "rcx", "rdx", "r11", "xmm0", "xmm1", "cc", "memory");    \
  })

TEST(FaultSignal, DivisionByZero) {
  const Fault fault = FAULT_AT("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdivl %%ecx", "m"(place));
  EXPECT_EQ(SIGFPE, fault.signal);
  EXPECT_EQ(FPE_INTDIV, fault.code);
  EXPECT_EQ(place + 4, fault.address);
}

TEST(FaultSignal, DivisionThatOverflows) {
  const Fault fault =
      FAULT_AT("mov $0x80000000, %%eax\n\tcltd\n\tmov $-1, %%ecx\n\tidivl %%ecx", "m"(place));
  EXPECT_EQ(SIGFPE, fault.signal);
  EXPECT_EQ(FPE_INTDIV, fault.code);
}

TEST(FaultSignal, UndefinedInstruction) {
  const Fault fault = FAULT_AT("ud2", "m"(place));
  EXPECT_EQ(SIGILL, fault.signal);
  EXPECT_EQ(ILL_ILLOPN, fault.code);
  EXPECT_EQ(place, fault.address);
}

TEST(FaultSignal, Breakpoint) {
  const Fault fault = FAULT_AT("int3", "m"(place));
  EXPECT_EQ(SIGTRAP, fault.signal);
  EXPECT_EQ(SI_KERNEL, fault.code);
  EXPECT_EQ(0u, fault.address);
}

TEST(FaultSignal, BreakpointContinuesBehindItself) {
  static greg_t seen;
  ScopedAction action(SIGTRAP, [](int, siginfo_t*, void* context) {
    seen = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  });
  uint64_t after;
  asm volatile("int3\n1:\n\tlea 1b(%%rip), %0" : "=r"(after) : : "memory");
  EXPECT_EQ(static_cast<greg_t>(after), seen);
}

TEST(FaultSignal, SingleStep) {
  static std::atomic<int> steps, code;
  steps = 0;
  ScopedAction action(SIGTRAP, [](int, siginfo_t* info, void*) {
    ++steps;
    code = info->si_code;
  });
  // The trap flag: on, two instructions, off again.
  asm volatile(
      "lea -128(%%rsp), %%rsp\n\t"
      "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
      "nop\n\tnop\n\t"
      "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\t"
      "lea 128(%%rsp), %%rsp" ::
          : "memory", "cc");
  EXPECT_EQ(TRAP_TRACE, code);
  EXPECT_GE(steps, 2);
  EXPECT_LE(steps, 6);
}

TEST(FaultSignal, PrivilegedInstructions) {
  // hlt is how musl ends a program that has gone wrong.
  Fault fault = FAULT_AT("hlt", "m"(place));
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(SI_KERNEL, fault.code);
  EXPECT_EQ(0u, fault.address);
  fault = FAULT_AT("cli", "m"(place));
  EXPECT_EQ(SIGSEGV, fault.signal);
  fault = FAULT_AT("mov $0x80, %%edx\n\tinb %%dx, %%al", "m"(place));
  EXPECT_EQ(SIGSEGV, fault.signal);
  fault = FAULT_AT("mov %%cr0, %%rax", "m"(place));
  EXPECT_EQ(SIGSEGV, fault.signal);
  fault = FAULT_AT("xor %%ecx, %%ecx\n\trdmsr", "m"(place));
  EXPECT_EQ(SIGSEGV, fault.signal);
}

TEST(FaultSignal, InterruptThatIsNotOurs) {
  const Fault fault = FAULT_AT("int $0x30", "m"(place));
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(SI_KERNEL, fault.code);
}

TEST(FaultSignal, MisalignedVectorAccess) {
  alignas(16) static char block[32];
  const Fault fault = FAULT_AT("movaps (%[block]), %%xmm0", [block] "r"(block + 1));
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(SI_KERNEL, fault.code);
}

TEST(FaultSignal, FloatingPointDivision) {
  fenv_t old;
  fegetenv(&old);
  const Fault fault = catch_fault([] {
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_DIVBYZERO);
    volatile double zero = 0.0;
    volatile double result = 1.0 / zero;
    (void)result;
  });
  fesetenv(&old);
  // QEMU 7.2 notes SSE exceptions in MXCSR and raises none; Linux in its place gets none either.
  if (fault.signal == 0 && processor_is_emulated()) SKIP_FOR_EMULATED_PROCESSOR();
  EXPECT_EQ(SIGFPE, fault.signal);
  EXPECT_EQ(FPE_FLTDIV, fault.code);
}

TEST(FaultSignal, FloatingPointOnTheOldUnit) {
  fenv_t old;
  fegetenv(&old);
  const Fault fault = catch_fault([] {
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_INVALID);
    volatile long double negative = -1.0L;
    long double result;
    asm volatile("fldt %1\n\tfsqrt\n\tfstpt %0\n\tfwait" : "=m"(result) : "m"(negative));
  });
  fesetenv(&old);
  EXPECT_EQ(SIGFPE, fault.signal);
  EXPECT_EQ(FPE_FLTINV, fault.code);
}

TEST(FaultSignal, JumpToNowhere) {
  const Fault fault = catch_fault([] {
    volatile uintptr_t nowhere = 0x1000;
    reinterpret_cast<void (*)()>(nowhere)();
  });
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(SEGV_MAPERR, fault.code);
  EXPECT_EQ(0x1000u, fault.address);
}

TEST(FaultSignal, JumpToNoAddress) {
  const Fault fault = catch_fault([] {
    volatile uintptr_t nowhere = 0x8000'0000'0000'0000;
    reinterpret_cast<void (*)()>(nowhere)();
  });
  EXPECT_EQ(SIGSEGV, fault.signal);
}

TEST(FaultSignal, ManyInARow) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(SIGSEGV, fault_of_read(bad_pointer<char>() + i).signal);
  }
}

TEST(FaultSignal, InAThread) {
  // The thread that faults gets the signal, not whoever else would take it.
  static pid_t faulting, handling;
  static sigjmp_buf back;
  ScopedAction action(SIGSEGV, [](int, siginfo_t*, void*) {
    handling = gettid();
    siglongjmp(back, 1);
  });
  std::thread thread([] {
    faulting = gettid();
    if (sigsetjmp(back, 1) == 0) *bad_pointer<volatile char>() = 1;
  });
  thread.join();
  EXPECT_EQ(faulting, handling);
}

}  // namespace
}  // namespace compat
