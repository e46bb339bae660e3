// Ways into the kernel that are no `syscall` instruction, and instructions that kernels may catch,
// next to system calls that are made often.
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/time.h>
#include <ucontext.h>
#include <x86intrin.h>

#include <ctime>

#include "compat_tests/common/code.h"
#include "compat_tests/common/signals.h"

namespace compat {
namespace {

uintptr_t fault_place;
ucontext_t way_out;
volatile bool has_faulted;

void note_fault(int, siginfo_t*, void* context) {
  fault_place =
      static_cast<uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  has_faulted = true;
  setcontext(&way_out);
}

// Calls it; false if it ended in a segmentation fault.
template <typename Call>
bool works(Call call) {
  const ScopedAction action(SIGSEGV, note_fault, SA_NODEFER);
  has_faulted = false;
  getcontext(&way_out);
  if (!has_faulted) call();
  return !has_faulted;
}

// A kernel may have the calls of 32-bit programs, or not; the instruction stays what it is.
TEST(OtherWays, InterruptOf32BitPrograms) {
  constexpr int kGetpidOf32Bits = 20;
  // movl $20, %eax; int $0x80; ret, and a usual call behind.
  const Code interrupt = {0xb8, kGetpidOf32Bits, 0, 0, 0, 0xcd, 0x80, 0xc3};
  const MadeCode code(joined({interrupt, calling(SYS_getpid)}));
  const auto usual = reinterpret_cast<long (*)()>(code.start() + interrupt.size());
  long result = 0;
  const bool first = works([&] { result = code(); });
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(getpid(), usual());
    EXPECT_EQ(first, works([&] { result = code(); }));
    if (first) {
      EXPECT_EQ(getpid(), result);
    } else {
      EXPECT_EQ(code.address(5), fault_place);
    }
  }
}

// The page that Linux has at a fixed address for old programs, or does not have.
TEST(OtherWays, PageForOldPrograms) {
  constexpr uintptr_t kTime = 0xffff'ffff'ff60'0400;
  // The compiler knows that no object is there.
  volatile uintptr_t place = kTime;
  const auto old_time = reinterpret_cast<long (*)(long*)>(place);
  long result = 0;
  const bool first = works([&] { result = old_time(nullptr); });
  for (int i = 0; i < 40; ++i) {
    const long before = time(nullptr);
    EXPECT_EQ(first, works([&] { result = old_time(nullptr); }));
    if (first) {
      EXPECT_LE(before, result + 1);
      EXPECT_GE(time(nullptr), result);
    } else {
      EXPECT_EQ(kTime, fault_place);
    }
  }
}

// The base that threads find their data by, changed around calls.
TEST(OtherWays, ThreadPointerIsTheProgramsOwn) {
  if (!has_base_instructions()) GTEST_SKIP() << "no instructions for it here";
  const MadeCode code(calling(SYS_sched_yield));
  code.warm();
  const unsigned long words[2] = {111, 222};
  for (int i = 0; i < 40; ++i) {
    unsigned long found = 0;
    asm volatile(
        "leaq -256(%%rsp), %%rsp\n\t"
        "rdfsbase %%rbx\n\t"
        "wrfsbase %[words]\n\t"
        "call *%[code]\n\t"
        "movq %%fs:8, %[found]\n\t"
        "wrfsbase %%rbx\n\t"
        "leaq 256(%%rsp), %%rsp"
        : [found] "=&r"(found)
        : [words] "r"(words), [code] "r"(code.start())
        : "rax", "rbx", "rcx", "r11", "memory");
    EXPECT_EQ(words[1], found);
  }
}

// Where a kernel can make them fault it says so; where it says no, they work.
TEST(OtherWays, ProcessorsNameAndClock) {
  const MadeCode code(calling(SYS_getpid));
  unsigned a = 0, b = 0, c = 0, d = 0;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(getpid(), code());
    ASSERT_TRUE(__get_cpuid(0, &a, &b, &c, &d));
    const unsigned long long before = __rdtsc();
    EXPECT_EQ(getpid(), code());
    EXPECT_LE(before, __rdtsc());
  }
  if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
    EXPECT_EQ(ENODEV, errno);
    return;
  }
  EXPECT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_CPUID));
  EXPECT_FALSE(works([] {
    unsigned w = 0, x = 0, y = 0, z = 0;
    __cpuid(0, w, x, y, z);
  }));
  EXPECT_EQ(getpid(), code());
  EXPECT_OK(syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1));
}

}  // namespace
}  // namespace compat
