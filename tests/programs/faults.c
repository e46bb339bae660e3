// Everything a handler is told about each kind of fault: homes_test.py compares it between the
// homes, and with Linux.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static const char* name;
static sigjmp_buf back;
static char* pages;  // one that is read-only, one without rights, one beyond its file's end

static const int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
static const char* const kNames[] = {"SEGV", "BUS", "FPE", "ILL", "TRAP", "SYS"};

static void handle(int number, siginfo_t* info, void* context) {
  const ucontext_t* const interrupted = context;
  const greg_t* const registers = interrupted->uc_mcontext.gregs;
  const char* signal_name = "?";
  for (unsigned i = 0; i < sizeof kSignals / sizeof *kSignals; ++i)
    if (kSignals[i] == number) signal_name = kNames[i];
  // Not shown: bit 0 of a page fault's code, which tells whether the processor's tables had the
  // page at that moment; the resume flag, which QEMU's emulation does not set.
  const long long unseen = registers[REG_TRAPNO] == 14 ? 1 : 0, resume = 0x10000;
  printf("%s: %s code %d address %p trap %lld error %#llx cr2 %#llx flags %#llx segments %#llx\n",
         name, signal_name, info->si_code, info->si_addr, (long long)registers[REG_TRAPNO],
         registers[REG_ERR] & ~unseen, (long long)registers[REG_CR2], registers[REG_EFL] & ~resume,
         (long long)registers[REG_CSGSFS]);
  const unsigned char* const at = (const unsigned char*)registers[REG_RIP];
  // Where it happened: what stands there, unless it cannot be read.
  if ((uintptr_t)at - (uintptr_t)pages >= 4 * 4096 && (uintptr_t)at < (1ul << 47) &&
      (uintptr_t)at > 4096)
    printf("  before %02x %02x, at %02x %02x\n", at[-2], at[-1], at[0], at[1]);
  else
    printf("  at %p\n", (const void*)at);
  siglongjmp(back, 1);
}

#define TRY(what, ...)                        \
  do {                                        \
    name = what;                              \
    if (sigsetjmp(back, 1) == 0) {            \
      __VA_ARGS__;                            \
      printf("%s: nothing happened\n", what); \
    }                                         \
  } while (0)

static void look(uintptr_t address) {
  asm volatile("movb (%0), %%al" : : "r"(address) : "rax", "memory");
}
static void change(uintptr_t address) {
  asm volatile("movb $1, (%0)" : : "r"(address) : "memory");
}
static void enter(uintptr_t address) {
  asm volatile("call *%0" : : "r"(address) : "memory");
}

static void divide(int32_t by, int32_t high, uint32_t low) {
  asm volatile("idivl %2" : "+a"(low), "+d"(high) : "r"(by) : "cc");
}

// What a system call leaves in the registers that the instruction itself uses.
static void after_a_call(long number) {
  uint64_t rcx, r11, next, result = (uint64_t)number;
  asm volatile("lea 1f(%%rip), %2\n std\n stc\n syscall\n1: cld\n mov %%rcx, %0\n mov %%r11, %1"
               : "=&r"(rcx), "=&r"(r11), "=&r"(next), "+a"(result)
               :
               : "rcx", "r11", "memory", "cc");
  // Of the flags, those that were set here: direction and carry.
  printf("call %ld: %lld, rcx %s, r11 %#llx\n", number, (long long)result,
         rcx == next ? "next" : "other", (unsigned long long)r11 & 0x401);
}

int main(void) {
  // Not on the stack: how large a frame of a signal is, depends on the processor.
  static char buffer[4096];
  setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  for (unsigned i = 0; i < sizeof kSignals / sizeof *kSignals; ++i)
    sigaction(kSignals[i], &action, NULL);
  const int file = memfd_create("pages", 0);
  if (ftruncate(file, 4096) != 0) return 1;
  pages = mmap((void*)0x10000000, 4 * 4096, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  mprotect(pages, 4096, PROT_READ);
  if (mmap(pages + 2 * 4096, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) ==
      MAP_FAILED)
    return 1;
  const uintptr_t base = (uintptr_t)pages;

  TRY("look at 0", look(0));
  TRY("change 8", change(8));
  TRY("enter 0", enter(0));
  TRY("look at what has no rights", look(base + 4096));
  TRY("change what is read-only", change(base + 5));
  TRY("enter data", enter(base));
  TRY("look beyond the file", look(base + 3 * 4096 + 1));
  TRY("change beyond the file", change(base + 3 * 4096 + 2));
  TRY("look at no address", look(0x800000000000));
  TRY("look at the kernel's half", look(0xffffffff81000000));
  TRY("change the kernel's half", change(0xffff888000000000));
  TRY("enter the kernel's half", enter(0xffffffff81000000));
  TRY("divide by 0", divide(0, 0, 1));
  TRY("divide with overflow", divide(1, 1, 0));
  TRY("ud2", asm volatile("ud2"));
  TRY("int3", asm volatile("int3"));
  TRY("hlt", asm volatile("hlt"));
  TRY("cli", asm volatile("cli"));
  TRY("in", asm volatile("inb $0x80, %%al" : : : "rax"));
  TRY("read cr0", asm volatile("mov %%cr0, %%rax" : : : "rax"));
  TRY("rdmsr", asm volatile("rdmsr" : : "c"(0x10) : "rax", "rdx"));
  TRY("a bad selector", asm volatile("mov %0, %%es" : : "r"(0x1234)));
  TRY("lock without memory", asm volatile(".byte 0xf0, 0x90"));
  TRY("a step",
      asm volatile("pushfq\n orq $0x100, (%%rsp)\n popfq\n nop\n nop" : : : "memory", "cc"));
  after_a_call(SYS_geteuid);
  after_a_call(100000);
  after_a_call(-1);
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
  return 3;
}
