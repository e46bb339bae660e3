// escape TRICK NUMBER TEXT_SIZE MEMORY_FD [PATH]: makes the host's call NUMBER from inside a guest
// of the process home, by one of the tricks below, and says "came back" with what it returned. It
// prints "trying" before.
//
// The kernel's window is among the addresses that this program can reach: it looks for it, and uses
// the `syscall` instructions that it finds in the kernel's code, for which the host asks nobody.
// TEXT_SIZE is the length of that code, MEMORY_FD the number of the memory file's descriptor in the
// host's process.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096ul

static unsigned long text, text_size;
static long number, memory_fd;
static long arguments[6];
static sigjmp_buf unreadable;

static void on_fault(int signal) {
  (void)signal;
  siglongjmp(unreadable, 1);
}

static int can_read(unsigned long address) {
  struct sigaction action = {.sa_handler = on_fault}, before;
  sigaction(SIGSEGV, &action, &before);
  volatile int can = 0;
  if (sigsetjmp(unreadable, 1) == 0) {
    (void)*(volatile char*)address;
    can = 1;
  }
  sigaction(SIGSEGV, &before, NULL);
  return can;
}

// kernel/platform/process/layout.h: where windows may begin, and where in them the kernel's code
// lies.
static void find_text(void) {
  for (unsigned long i = 0; i < 28; ++i) {
    const unsigned long at = 0x620000000000 + i * (512ul << 30) + (256ul << 30);
    if (!can_read(at)) continue;
    text = at;
    return;
  }
  puts("no window");
  exit(2);
}

// The n-th place in the kernel's code with these bytes; 0: there are not so many.
static unsigned long find(const char* bytes, size_t size, unsigned n) {
  const char* at = (const char*)text;
  const char* const end = at + text_size;
  while ((at = memmem(at, (size_t)(end - at), bytes, size))) {
    if (n-- == 0) return (unsigned long)at;
    ++at;
  }
  return 0;
}

// Calls the code at `site` with the registers of a system call. Below the red zone.
static long call_at(unsigned long site, long nr, const long* a) {
  long result;
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  __asm__ volatile(
      "subq $256, %%rsp\n\t"
      "call *%%rbx\n\t"
      "addq $256, %%rsp"
      : "=a"(result), "+r"(r10), "+r"(r8), "+r"(r9)
      : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "b"(site)
      : "rcx", "r11", "memory");
  return result;
}

static void came_back(long result) {
  printf("came back: %ld\n", result);
  fflush(stdout);
}

// `syscall; ret` in the kernel's code: what narwhal_idle_poll ends with.
static unsigned long returning_site(void) {
  const unsigned long site = find("\x0f\x05\xc3", 3, 0);
  if (site) return site;
  puts("no site");
  exit(2);
}

static long through_text(void) {
  return call_at(returning_site(), number, arguments);
}

// Every `syscall` in the kernel's code, the one that NUMBER's place holds: what follows it, runs
// too.
static void through_site(unsigned n) {
  const unsigned long site = find("\x0f\x05", 2, n);
  if (!site) {
    puts("no more sites");
    exit(3);
  }
  const long nr = SYS_getpid;
  came_back(call_at(site, nr, arguments));
}

// A page of our own in place of one of the kernel's: the memory file is all that can be mapped, and
// its first page is as good as any.
static char* over_text(void) {
  const unsigned long page = text + (text_size & ~(PAGE - 1)) - PAGE;
  const long map[6] = {(long)page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED,
                       memory_fd,  0};
  const long got = call_at(returning_site(), SYS_mmap, map);
  if (got != (long)page) {
    printf("not mapped: %ld\n", got);
    exit(2);
  }
  return (char*)page;
}

static void in_handler(int signal) {
  (void)signal;
  came_back(through_text());
}

// Registers that rt_sigreturn(2) of the host takes from a frame of ours.
static ucontext_t forged;
static char forged_stack[65536] __attribute__((aligned(16)));

static void forge(unsigned long rip, unsigned long cs) {
  greg_t* const regs = forged.uc_mcontext.gregs;
  regs[REG_RIP] = (greg_t)rip;
  regs[REG_RSP] = (greg_t)(forged_stack + sizeof forged_stack - 8);
  regs[REG_RAX] = number;
  regs[REG_RDI] = arguments[0];
  regs[REG_RSI] = arguments[1];
  regs[REG_RDX] = arguments[2];
  regs[REG_R10] = arguments[3];
  regs[REG_R8] = arguments[4];
  regs[REG_R9] = arguments[5];
  regs[REG_EFL] = 0x202;
  regs[REG_CSGSFS] = (greg_t)(cs | 0x2bul << 48);
  forged.uc_mcontext.fpregs = NULL;
}

static void after_forged(void) {
  long result;
  __asm__ volatile("" : "=a"(result));
  came_back(result);
  _exit(0);
}

static void return_to_forged(void) {
  *(void (**)(void))(forged_stack + sizeof forged_stack - 8) = after_forged;
  __asm__ volatile(
      "movq %0, %%rsp\n\t"
      "jmpq *%1" ::"r"(&forged),
      "r"(returning_site()), "a"((long)SYS_rt_sigreturn)
      : "memory");
  __builtin_unreachable();
}

// 32-bit code, below 4 GiB: the call by `way`, then the result to where 64-bit code finds it.
static int32_t* prepare_32(const char* way, size_t size) {
  char* const low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (low == MAP_FAILED) {
    puts("no page below 4 GiB");
    exit(2);
  }
  int32_t* const result = (int32_t*)(low + 2048);
  const uint32_t at = (uint32_t)(uintptr_t)result;
  char* code = low;
  memcpy(code, way, size);
  code += size;
  *code++ = (char)0xa3;  // mov %eax, result
  memcpy(code, &at, 4);
  code += 4;
  memcpy(code, "\x0f\x0b", 2);  // ud2: a signal of ours to end with
  return result;
}

static int32_t* result_32;
static void after_32(int signal) {
  (void)signal;
  came_back(*result_32);
  _exit(0);
}

static void in_32_bits(const char* way, size_t size) {
  result_32 = prepare_32(way, size);
  *result_32 = 0x5a5a5a5a;
  signal(SIGILL, after_32);
  forge((unsigned long)result_32 - 2048, 0x23);
  forged.uc_mcontext.gregs[REG_RBX] = arguments[0];
  return_to_forged();
}

// A far jump into 32-bit code, without any help of the host's.
static void far_jump(const char* way, size_t size) {
  result_32 = prepare_32(way, size);
  struct {
    uint32_t offset;
    uint16_t selector;
  } __attribute__((packed)) target = {(uint32_t)((uintptr_t)result_32 - 2048), 0x23};
  __asm__ volatile("ljmp *%0" ::"m"(target), "a"(number), "b"(arguments[0]) : "memory");
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const char* trick = argv[1];
  number = strtol(argv[2], NULL, 0);
  text_size = strtoul(argv[3], NULL, 0);
  memory_fd = strtol(argv[4], NULL, 0);
  static char page[4096];
  for (int i = 0; i < 6; ++i) arguments[i] = (long)page;
  if (argc > 5) {
    strcpy(page, argv[5]);
    arguments[1] = number == SYS_openat ? (long)page : O_CREAT | O_RDWR;
    arguments[2] = number == SYS_openat ? O_CREAT | O_RDWR : 0600;
    arguments[3] = 0600;
    if (number == SYS_openat) arguments[0] = AT_FDCWD;
  }
  find_text();
  puts("trying");
  fflush(stdout);

  // In a child, which is another process of the host's.
  if (strncmp(trick, "child-", 6) == 0) {
    trick += 6;
    const pid_t child = fork();
    if (child > 0) return waitpid(child, NULL, 0) == child ? 4 : 2;
  }
  if (strcmp(trick, "text") == 0) {
    came_back(through_text());
  } else if (strcmp(trick, "own") == 0) {
    came_back(syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                      arguments[5]));
  } else if (strcmp(trick, "site") == 0) {
    through_site((unsigned)number);
  } else if (strcmp(trick, "handler") == 0) {
    signal(SIGUSR1, in_handler);
    raise(SIGUSR1);
  } else if (strcmp(trick, "overmap") == 0) {
    char* const code = over_text();
    memcpy(code, "\x0f\x05\xc3", 3);
    came_back(call_at((unsigned long)code, number, arguments));
  } else if (strcmp(trick, "overmap-int80") == 0) {
    char* const code = over_text();
    memcpy(code, "\xcd\x80\xc3", 3);
    came_back(call_at((unsigned long)code, number, arguments));
  } else if (strcmp(trick, "int80") == 0) {
    static const char code[] __attribute__((section(".text"))) = "\xcd\x80\xc3";
    came_back(call_at((unsigned long)code, number, arguments));
  } else if (strcmp(trick, "sigreturn") == 0) {
    forge(returning_site(), 0x33);
    return_to_forged();
  } else if (strcmp(trick, "sigreturn-int80") == 0) {
    in_32_bits("\xcd\x80", 2);
  } else if (strcmp(trick, "sigreturn-syscall32") == 0) {
    in_32_bits("\x0f\x05", 2);
  } else if (strcmp(trick, "sigreturn-sysenter") == 0) {
    in_32_bits("\x0f\x34", 2);
  } else if (strcmp(trick, "far-int80") == 0) {
    far_jump("\xcd\x80", 2);
  } else if (strcmp(trick, "far-syscall32") == 0) {
    far_jump("\x0f\x05", 2);
  } else if (strcmp(trick, "vsyscall") == 0) {
    came_back(call_at(0xffffffffff600000 + (unsigned long)number * 1024, 0, (const long[6]){0}));
  } else if (strcmp(trick, "destroy") == 0) {
    // The kernel's data lies behind its code. Nothing is checked but that the guest ends.
    memset((void*)((text + text_size + PAGE - 1 + 65536) & ~(PAGE - 1)), number, 65536);
    came_back(getppid());
  } else {
    return 2;
  }
  return 0;
}
