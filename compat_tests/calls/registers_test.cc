// What a `syscall` instruction leaves in the registers, however often it is made.
#include "compat_tests/common/code.h"

namespace compat {
namespace {

constexpr int kTimes = 12;

struct Registers {
  unsigned long rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags, rax;
};

// uintptr_t around_call(Registers*): loads them all, makes the call, and stores what came out.
// Returns where it came back to.
asm(R"(
    .text
    .type around_call, @function
around_call:
    pushfq
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    movq %rdi, %rax
    pushq 112(%rax)
    movq 0(%rax), %rbx
    movq 16(%rax), %rdx
    movq 24(%rax), %rsi
    movq 32(%rax), %rdi
    movq 40(%rax), %rbp
    movq 48(%rax), %r8
    movq 56(%rax), %r9
    movq 64(%rax), %r10
    movq 80(%rax), %r12
    movq 88(%rax), %r13
    movq 96(%rax), %r14
    movq 104(%rax), %r15
    popfq
    movl $39, %eax
    syscall
1:  pushfq
    cld
    pushq %rax
    movq 16(%rsp), %rax
    movq %rbx, 0(%rax)
    movq %rcx, 8(%rax)
    movq %rdx, 16(%rax)
    movq %rsi, 24(%rax)
    movq %rdi, 32(%rax)
    movq %rbp, 40(%rax)
    movq %r8, 48(%rax)
    movq %r9, 56(%rax)
    movq %r10, 64(%rax)
    movq %r11, 72(%rax)
    movq %r12, 80(%rax)
    movq %r13, 88(%rax)
    movq %r14, 96(%rax)
    movq %r15, 104(%rax)
    popq 120(%rax)
    popq 112(%rax)
    leaq 1b(%rip), %rax
    popq %rdi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popfq
    ret
    .size around_call, . - around_call
)");
extern "C" uintptr_t around_call(Registers* registers);

void check_registers(unsigned long flags) {
  Registers in = {};
  unsigned long value = 0x0101'0101'0101'0101;
  for (unsigned long* at : {&in.rbx, &in.rdx, &in.rsi, &in.rdi, &in.rbp, &in.r8, &in.r9, &in.r10,
                            &in.r12, &in.r13, &in.r14, &in.r15})
    *at = value += 0x0101'0101'0101'0101;
  in.flags = flags;
  Registers out = in;
  const uintptr_t after = around_call(&out);
  EXPECT_EQ(static_cast<unsigned long>(getpid()), out.rax);
  EXPECT_EQ(after, out.rcx);
  constexpr unsigned long kInterrupts = 0x200, kAlwaysOne = 2;
  EXPECT_EQ(flags | kInterrupts | kAlwaysOne, out.flags);
  EXPECT_EQ(flags | kInterrupts | kAlwaysOne, out.r11);
  out.rax = in.rax;
  out.rcx = in.rcx;
  out.r11 = in.r11;
  out.flags = in.flags;
  EXPECT_EQ(0, memcmp(&in, &out, sizeof in));
}

TEST(Registers, AllButThreeStay) {
  for (int i = 0; i < kTimes; ++i) check_registers(0);
}

TEST(Registers, FlagsStay) {
  constexpr unsigned long kCarry = 1, kParity = 4, kAdjust = 0x10, kZero = 0x40, kSign = 0x80,
                          kDirection = 0x400, kOverflow = 0x800, kId = 0x200000;
  constexpr unsigned long kAll[] = {kCarry, kParity,    kAdjust,   kZero,
                                    kSign,  kDirection, kOverflow, kId};
  for (int i = 0; i < kTimes; ++i) check_registers(0);
  for (unsigned set = 0; set < 256; ++set) {
    unsigned long flags = 0;
    for (unsigned bit = 0; bit < 8; ++bit)
      if (set >> bit & 1) flags |= kAll[bit];
    check_registers(flags);
  }
}

TEST(Registers, AlignmentChecksStayOn) {
  constexpr unsigned long kAlignment = 0x40000;
  for (int i = 0; i < kTimes; ++i) check_registers(kAlignment);
}

TEST(Registers, VectorsStay) {
  for (int i = 0; i < kTimes; ++i) {
    unsigned long low = 0x1234'5678'9abc'def0 + static_cast<unsigned long>(i), got = 0;
    long result = SYS_getpid;
    asm volatile(
        "movq %[low], %%xmm0\n\t"
        "movq %[low], %%xmm15\n\t"
        "movl $39, %%eax\n\t"
        "syscall\n\t"
        "pxor %%xmm1, %%xmm1\n\t"
        "paddq %%xmm0, %%xmm1\n\t"
        "paddq %%xmm15, %%xmm1\n\t"
        "movq %%xmm1, %[got]\n\t"
        : [got] "=r"(got), "+a"(result)
        : [low] "r"(low)
        : "rcx", "r11", "xmm0", "xmm1", "xmm15", "memory");
    EXPECT_EQ(low * 2, got);
  }
}

// Nothing is written below the stack pointer, at least not where a function without calls of its
// own may keep things.
TEST(Stack, RedZoneStays) {
  for (int i = 0; i < kTimes; ++i) {
    long same = 0;
    asm volatile(
        "movq $0, %[same]\n\t"
        "subq $1024, %%rsp\n\t"
        "xorl %%edx, %%edx\n"
        "1:\n\t"
        "leaq (%%rdx,%%rdx,4), %%rax\n\t"
        "movq %%rax, -128(%%rsp,%%rdx,8)\n\t"
        "incl %%edx\n\t"
        "cmpl $16, %%edx\n\t"
        "jne 1b\n\t"
        "movl $39, %%eax\n\t"
        "syscall\n\t"
        "xorl %%edx, %%edx\n"
        "2:\n\t"
        "leaq (%%rdx,%%rdx,4), %%rax\n\t"
        "cmpq %%rax, -128(%%rsp,%%rdx,8)\n\t"
        "jne 3f\n\t"
        "incl %%edx\n\t"
        "cmpl $16, %%edx\n\t"
        "jne 2b\n\t"
        "movq $1, %[same]\n"
        "3:\n\t"
        "addq $1024, %%rsp\n\t"
        : [same] "=&r"(same)
        :
        : "rax", "rcx", "rdx", "r11", "memory", "cc");
    EXPECT_EQ(1, same);
  }
}

// A system call needs no stack.
TEST(Stack, PointerMayPointAnywhere) {
  for (const unsigned long where : {0ul, 1ul, 8ul, 0x1'2345'6789ul, ~0ul, 1ul << 63}) {
    for (int i = 0; i < kTimes; ++i) {
      long result = 0;
      asm volatile(
          "movq %%rsp, %%rbx\n\t"
          "movq %[where], %%rsp\n\t"
          "movl $39, %%eax\n\t"
          "syscall\n\t"
          "movq %%rbx, %%rsp\n\t"
          : "=a"(result)
          : [where] "r"(where)
          : "rbx", "rcx", "r11", "memory");
      EXPECT_EQ(getpid(), result);
    }
  }
}

}  // namespace
}  // namespace compat
