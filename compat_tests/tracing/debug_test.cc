// What debuggers do beyond ptrace(2)'s usual requests: addresses that are watched by the processor
// (PTRACE_POKEUSER of struct user's u_debugreg), and /proc/PID/mem.
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "compat_tests/common/excuses.h"
#include "compat_tests/common/files.h"
#include "compat_tests/tracing/tracee.h"

namespace compat {
namespace {

constexpr int kHardware = 4;  // TRAP_HWBKPT
constexpr unsigned long kOfWrites = 1, kOfAll = 3, kLong = 2;

volatile long watched;
volatile long unwatched;

[[gnu::noinline]] long called(long value) {
  asm volatile("");
  return value + 1;
}

uintptr_t debug_register(int number) {
  return offsetof(struct user, u_debugreg) + sizeof(long) * static_cast<size_t>(number);
}

// DR7 with address `number` watched.
unsigned long control(int number, unsigned long kind, unsigned long length) {
  return 1ul << (2 * number) | (kind | length << 2) << (16 + 4 * number);
}

int trap_code(const Tracee& child) {
  siginfo_t info = {};
  EXPECT_OK(child.ask(PTRACE_GETSIGINFO, 0, address_of(&info)));
  EXPECT_EQ(SIGTRAP, info.si_signo);
  return info.si_code;
}

long debug_status(const Tracee& child) {
  errno = 0;
  return child.ask(PTRACE_PEEKUSER, debug_register(6)) & 0xf;
}

// Sets the control register. False: there are no free debug registers, which Linux says with
// ENOSPC.
[[nodiscard]] bool watch(const Tracee& child, unsigned long control) {
  const long result = child.ask(PTRACE_POKEUSER, debug_register(7), control);
  if (result == -1 && errno == ENOSPC) return false;
  EXPECT_OK(result);
  return true;
}

TEST(DebugRegisters, StopAfterAWrite) {
  Tracee child([] {
    unwatched = 1;
    watched = 2;
    asm volatile("" : : "r"(watched));
    unwatched = 3;
    watched = 4;
    return 5;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(1), address_of(&watched)));
  if (!watch(child, control(1, kOfWrites, kLong))) SKIP_WITHOUT_DEBUG_REGISTERS();
  EXPECT_EQ(static_cast<long>(address_of(&watched)), child.ask(PTRACE_PEEKUSER, debug_register(1)));
  EXPECT_EQ(static_cast<long>(control(1, kOfWrites, kLong)),
            child.ask(PTRACE_PEEKUSER, debug_register(7)));
  for (const long value : {2, 4}) {
    ASSERT_EQ("stop TRAP", child.go());
    EXPECT_EQ(kHardware, trap_code(child));
    EXPECT_EQ(1 << 1, debug_status(child));
    EXPECT_EQ(value, child.ask(PTRACE_PEEKDATA, address_of(&watched)));
  }
  EXPECT_EQ("exit 5", child.go());
}

TEST(DebugRegisters, StopAfterARead) {
  Tracee child([] { return watched == 0 ? 5 : 6; });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(0), address_of(&watched)));
  if (!watch(child, control(0, kOfAll, kLong))) SKIP_WITHOUT_DEBUG_REGISTERS();
  ASSERT_EQ("stop TRAP", child.go());
  EXPECT_EQ(kHardware, trap_code(child));
  EXPECT_EQ(1, debug_status(child));
  EXPECT_EQ("exit 5", child.go());
}

TEST(DebugRegisters, StopBeforeAnInstructionOnce) {
  Tracee child([] { return static_cast<int>(called(4)); });
  child.wait();
  const uintptr_t at = reinterpret_cast<uintptr_t>(&called);
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(3), at));
  if (!watch(child, control(3, 0, 0))) SKIP_WITHOUT_DEBUG_REGISTERS();
  ASSERT_EQ("stop TRAP", child.go());
  EXPECT_EQ(at, child.registers().rip);
  EXPECT_EQ(4u, child.registers().rdi);
  EXPECT_EQ(kHardware, trap_code(child));
  EXPECT_EQ("exit 5", child.go());
}

TEST(DebugRegisters, AreOneTasksOnly) {
  Tracee child([] {
    const pid_t pid = fork();
    if (pid == 0) {
      watched = 3;
      _exit(4);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(0), address_of(&watched)));
  if (!watch(child, control(0, kOfWrites, kLong))) SKIP_WITHOUT_DEBUG_REGISTERS();
  watched = 1;  // the tracer's own
  std::string stop = child.go();
  while (stop == "stop CHLD") stop = child.go();
  EXPECT_EQ("exit 4", stop);
}

TEST(DebugRegisters, AreSwitchedOff) {
  Tracee child([] {
    watched = 1;
    return 5;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(0), address_of(&watched)));
  if (!watch(child, control(0, kOfWrites, kLong))) SKIP_WITHOUT_DEBUG_REGISTERS();
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(7), 0));
  EXPECT_EQ("exit 5", child.go());
}

// Loading ss puts off what the load itself has caught: here into the kernel's entry.
TEST(DebugRegisters, ThatStrikeAtASystemCallHurtNobody) {
  watched = 0x2b;  // the program's stack segment
  Tracee child([] {
    long result = SYS_getpid;
    asm volatile("movw %[segment], %%ss\n\tsyscall"
                 : "+a"(result)
                 : [segment] "m"(watched)
                 : "rcx", "r11", "memory");
    return result == getpid() ? 5 : 6;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(0), address_of(&watched)));
  if (!watch(child, control(0, kOfAll, kLong))) SKIP_WITHOUT_DEBUG_REGISTERS();
  // Whether the tracer hears of it is another matter.
  std::string stop = child.go();
  if (stop == "stop TRAP") stop = child.go();
  EXPECT_EQ("exit 5", stop);
}

TEST(DebugRegisters, RefuseWhatCannotBeWatched) {
  Tracee child([] { return 5; });
  child.wait();
  EXPECT_ERRNO(EIO, child.ask(PTRACE_POKEUSER, debug_register(4), 1));
  EXPECT_ERRNO(EIO, child.ask(PTRACE_POKEUSER, debug_register(5), 1));
  EXPECT_ERRNO(EINVAL, child.ask(PTRACE_POKEUSER, debug_register(0), 0xffff'8000'0000'0000));
  EXPECT_ERRNO(EINVAL, child.ask(PTRACE_POKEUSER, debug_register(7), control(0, 2, 0)));
  EXPECT_ERRNO(EINVAL, child.ask(PTRACE_POKEUSER, debug_register(7), control(0, 0, kLong)));
  ASSERT_OK(child.ask(PTRACE_POKEUSER, debug_register(2), address_of(&watched) + 1));
  EXPECT_ERRNO(EINVAL, child.ask(PTRACE_POKEUSER, debug_register(7), control(2, kOfWrites, kLong)));
}

// --- /proc/PID/mem

std::string memory_file(pid_t pid) {
  return "/proc/" + std::to_string(pid) + "/mem";
}

TEST(ProcessMemory, IsReadAtItsAddresses) {
  watched = 77;
  Fd file(open("/proc/self/mem", O_RDONLY));
  ASSERT_GE(file, 0);
  long value = 0;
  EXPECT_EQ(8, pread(file, &value, sizeof value, static_cast<off_t>(address_of(&watched))));
  EXPECT_EQ(77, value);
  ASSERT_EQ(static_cast<off_t>(address_of(&watched)),
            lseek(file, static_cast<off_t>(address_of(&watched)), SEEK_SET));
  value = 0;
  EXPECT_EQ(8, read(file, &value, sizeof value));
  EXPECT_EQ(77, value);
  EXPECT_EQ(static_cast<off_t>(address_of(&watched)) + 8, lseek(file, 0, SEEK_CUR));
  EXPECT_ERRNO(EINVAL, lseek(file, 0, SEEK_END));
  EXPECT_ERRNO(EIO, pread(file, &value, sizeof value, 64));
  EXPECT_ERRNO(EBADF, pwrite(file, &value, sizeof value, 64));
}

TEST(ProcessMemory, EndsWhereNothingIsMapped) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* const pages = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(pages));
  ASSERT_OK(munmap(pages + page, page));
  Fd file(open("/proc/self/mem", O_RDWR));
  char bytes[100];
  EXPECT_EQ(40,
            pread(file, bytes, sizeof bytes, static_cast<off_t>(address_of(pages + page - 40))));
  EXPECT_EQ(40,
            pwrite(file, bytes, sizeof bytes, static_cast<off_t>(address_of(pages + page - 40))));
  munmap(pages, page);
}

TEST(ProcessMemory, IsThereWithoutTheRightToUseIt) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* const pages = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(pages));
  pages[0] = 'a';
  ASSERT_OK(mprotect(pages, 2 * page, PROT_NONE));
  Fd file(open("/proc/self/mem", O_RDWR));
  char bytes[2] = {};
  EXPECT_EQ(1, pread(file, bytes, 1, static_cast<off_t>(address_of(pages))));
  EXPECT_EQ('a', bytes[0]);
  EXPECT_EQ(2, pwrite(file, "xy", 2, static_cast<off_t>(address_of(pages + page - 1))));
  ASSERT_OK(mprotect(pages, 2 * page, PROT_READ));
  EXPECT_EQ('x', pages[page - 1]);
  EXPECT_EQ('y', pages[page]);
  munmap(pages, 2 * page);
}

TEST(ProcessMemory, OfATracee) {
  Tracee child([] { return static_cast<int>(watched); });
  child.wait();
  Fd file(open(memory_file(child.pid()).c_str(), O_RDWR));
  ASSERT_GE(file, 0);
  const long value = 5;
  EXPECT_EQ(8, pwrite(file, &value, sizeof value, static_cast<off_t>(address_of(&watched))));
  EXPECT_EQ("exit 5", child.go());
  long gone = 0;
  EXPECT_EQ(0, pread(file, &gone, sizeof gone, static_cast<off_t>(address_of(&watched))));
}

TEST(ProcessMemory, GuardPagesArePeekedAt) {
  void* const guard = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(MAP_FAILED, guard);
  Tracee child([] { return 5; });
  child.wait();
  errno = 0;
  EXPECT_EQ(0, child.ask(PTRACE_PEEKDATA, address_of(guard)));
  EXPECT_EQ(0, errno);
  munmap(guard, 4096);
}

}  // namespace
}  // namespace compat
