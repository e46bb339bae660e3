// ptrace(2), as debuggers and strace use it.
#include <elf.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <functional>
#include <string>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/processors.h"
#include "compat_tests/tracing/tracee.h"

namespace compat {
namespace {

// The kernel's names; glibc's requests are an enumeration of its own.
constexpr int kSyscallInfo = 0x420e;
struct SyscallInfo {
  uint8_t op;
  uint32_t arch;
  uint64_t ip, sp;
  union {
    struct {
      uint64_t nr, args[6];
    } entry;
    struct {
      int64_t rval;
      uint8_t is_error;
    } exit;
  };
};

volatile long watched = 7;

[[gnu::noinline]] long called(long value) {
  asm volatile("");
  return value + 1;
}

TEST(Ptrace, ChildStopsAndGoesOn) {
  Tracee child([] { return 5; });
  EXPECT_EQ("stop STOP", child.wait());
  EXPECT_EQ("exit 5", child.go());
}

TEST(Ptrace, SignalsAreTheTracersToGive) {
  Tracee child([] {
    raise(SIGUSR1);
    raise(SIGUSR2);
    return 5;
  });
  child.wait();
  EXPECT_EQ("stop USR1", child.go());
  EXPECT_EQ("stop USR2", child.go()) << "the first was kept back";
  EXPECT_EQ("stop TERM", (kill(child.pid(), SIGTERM), child.go(PTRACE_CONT, 0)));
  EXPECT_EQ("killed HUP", child.go(PTRACE_CONT, SIGHUP)) << "another in its place";
}

TEST(Ptrace, IgnoredSignalsAreSeen) {
  Tracee child([] {
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    return 5;
  });
  child.wait();
  EXPECT_EQ("stop USR1", child.go());
  EXPECT_EQ("exit 5", child.go(PTRACE_CONT, SIGUSR1));
}

TEST(Ptrace, SignalInformation) {
  Tracee child([] { return raise(SIGUSR1); });
  child.wait();
  child.go();
  siginfo_t info = {};
  ASSERT_OK(child.ask(PTRACE_GETSIGINFO, 0, address_of(&info)));
  EXPECT_EQ(SIGUSR1, info.si_signo);
  EXPECT_EQ(SI_TKILL, info.si_code);
  EXPECT_EQ(child.pid(), info.si_pid);
}

TEST(Ptrace, ASignalDoesNotDisturbAStop) {
  Tracee child([] {
    signal(SIGUSR1, [](int) {});
    raise(SIGUSR2);
    return 5;
  });
  child.wait();
  EXPECT_EQ("stop USR2", child.go());
  for (int i = 0; i < 20; ++i) {
    kill(child.pid(), i % 2 == 0 ? SIGUSR1 : SIGCONT);
    user_regs_struct registers;
    ASSERT_OK(child.ask(PTRACE_GETREGS, 0, address_of(&registers))) << i;
  }
  EXPECT_EQ("stop USR1", child.go());
}

TEST(Ptrace, KillNeedsNobody) {
  Tracee child([] { return pause(); });
  child.wait();
  kill(child.pid(), SIGKILL);
  EXPECT_EQ("killed KILL", child.wait());
}

TEST(Ptrace, MemoryIsReadAndWritten) {
  Tracee child([] { return static_cast<int>(watched); });
  child.wait();
  errno = 0;
  EXPECT_EQ(7, child.ask(PTRACE_PEEKDATA, address_of(&watched)));
  EXPECT_EQ(0, errno);
  ASSERT_OK(child.ask(PTRACE_POKEDATA, address_of(&watched), 42));
  EXPECT_EQ(7, watched) << "the tracer's own";
  EXPECT_EQ("exit 42", child.go());
}

TEST(Ptrace, NoMemoryIsAnError) {
  Tracee child([] { return 0; });
  child.wait();
  errno = 0;
  EXPECT_EQ(-1, child.ask(PTRACE_PEEKDATA, 64));
  EXPECT_EQ(EIO, errno);
  EXPECT_ERRNO(EIO, child.ask(PTRACE_POKEDATA, 64, 1));
}

TEST(Ptrace, Breakpoints) {
  Tracee child([] { return static_cast<int>(called(10)); });
  child.wait();
  const uintptr_t at = reinterpret_cast<uintptr_t>(&called);
  errno = 0;
  const long code = child.ask(PTRACE_PEEKTEXT, at);
  ASSERT_EQ(0, errno);
  ASSERT_OK(child.ask(PTRACE_POKETEXT, at, static_cast<uintptr_t>((code & ~0xffL) | 0xcc)));
  EXPECT_EQ("stop TRAP", child.go());
  user_regs_struct registers = child.registers();
  EXPECT_EQ(at + 1, registers.rip);
  EXPECT_EQ(10u, registers.rdi);
  ASSERT_OK(child.ask(PTRACE_POKETEXT, at, static_cast<uintptr_t>(code)));
  registers.rip = at;
  registers.rdi = 20;
  child.set_registers(registers);
  EXPECT_EQ("exit 21", child.go());
  EXPECT_EQ(11, called(10)) << "the tracer's own code";
}

TEST(Ptrace, SingleSteps) {
  Tracee child([] { return 5; });
  child.wait();
  uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ("stop TRAP", child.go(PTRACE_SINGLESTEP));
    const uint64_t now = child.registers().rip;
    EXPECT_NE(last, now);
    EXPECT_EQ(0u, child.registers().eflags & 0x100) << "the flag is not shown";
    last = now;
  }
  EXPECT_EQ("exit 5", child.go());
}

TEST(Ptrace, BasesOfSegments) {
  constexpr int kArchPrctl = 30;
  constexpr uintptr_t kSetGs = 0x1001, kGetFs = 0x1003, kGetGs = 0x1004;
  Tracee child([] { return 5; });
  child.wait();
  uint64_t base = 0;
  ASSERT_OK(child.ask(kArchPrctl, address_of(&base), kGetFs));
  EXPECT_EQ(child.registers().fs_base, base);
  EXPECT_NE(0u, base);
  ASSERT_OK(child.ask(kArchPrctl, 0x1234, kSetGs));
  EXPECT_EQ(0x1234u, child.registers().gs_base);
  ASSERT_OK(child.ask(kArchPrctl, address_of(&base), kGetGs));
  EXPECT_EQ(0x1234u, base);
  EXPECT_ERRNO(EPERM, child.ask(kArchPrctl, 0xffff'8000'0000'0000, kSetGs));
  EXPECT_ERRNO(EINVAL, child.ask(kArchPrctl, address_of(&base), 0x7777));
  EXPECT_EQ("exit 5", child.go());
}

TEST(Ptrace, RegistersAlsoAsASet) {
  Tracee child([] { return 5; });
  child.wait();
  user_regs_struct registers = {};
  iovec vector = {&registers, sizeof registers};
  ASSERT_OK(child.ask(PTRACE_GETREGSET, NT_PRSTATUS, address_of(&vector)));
  EXPECT_EQ(sizeof registers, vector.iov_len);
  EXPECT_EQ(child.registers().rip, registers.rip);
  EXPECT_EQ(child.registers().fs_base, registers.fs_base);
  EXPECT_NE(0u, registers.fs_base);
  vector.iov_len = 16;
  ASSERT_OK(child.ask(PTRACE_GETREGSET, NT_PRSTATUS, address_of(&vector)));
  EXPECT_EQ(16u, vector.iov_len);
  EXPECT_ERRNO(EINVAL, child.ask(PTRACE_GETREGSET, 0x7777, address_of(&vector)));
}

// Where there are two processors, the child's has nothing else to do while the child is stopped,
// and need not load the registers of whom it ran last.
TEST(Ptrace, FloatingPointRegisters) {
  const std::vector<unsigned> all = processors();
  move_to(all.front());
  Tracee child([&] {
    move_to(all.back());
    double value = 1.5;
    asm volatile("movsd %0, %%xmm7\n\tint3\n\tmovsd %%xmm7, %0" : "+m"(value) : : "xmm7");
    return value == 2.5 ? 5 : 6;
  });
  child.wait();
  ASSERT_EQ("stop TRAP", child.go());
  user_fpregs_struct floats = {};
  ASSERT_OK(child.ask(PTRACE_GETFPREGS, 0, address_of(&floats)));
  double value = 0;
  memcpy(&value, &floats.xmm_space[28], sizeof value);
  EXPECT_EQ(1.5, value);
  value = 2.5;
  memcpy(&floats.xmm_space[28], &value, sizeof value);
  ASSERT_OK(child.ask(PTRACE_SETFPREGS, 0, address_of(&floats)));
  EXPECT_EQ("exit 5", child.go());
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : all) CPU_SET(cpu, &set);
  EXPECT_OK(sched_setaffinity(0, sizeof set, &set));
}

TEST(Ptrace, UserArea) {
  Tracee child([] { return 5; });
  child.wait();
  errno = 0;
  EXPECT_EQ(child.registers().rip, static_cast<uint64_t>(child.ask(PTRACE_PEEKUSER, 16 * 8)));
  EXPECT_EQ(0, errno);
  EXPECT_ERRNO(EIO, child.ask(PTRACE_PEEKUSER, 3));
  EXPECT_ERRNO(EIO, child.ask(PTRACE_PEEKUSER, 100000));
}

// --- system calls

TEST(PtraceCalls, StopOnTheWayInAndOut) {
  Tracee child([] { return static_cast<int>(syscall(SYS_getppid, 1, 2, 3) > 0 ? 5 : 6); });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACESYSGOOD));
  SyscallInfo info = {};
  do {
    ASSERT_EQ("stop call", child.go(PTRACE_SYSCALL));
    EXPECT_EQ(80, child.ask(kSyscallInfo, sizeof info, address_of(&info)));
    EXPECT_EQ(1, info.op);
    if (info.entry.nr == SYS_getppid) break;
    ASSERT_EQ("stop call", child.go(PTRACE_SYSCALL));
  } while (true);
  EXPECT_EQ(0xc000003eu, info.arch);
  EXPECT_EQ(1u, info.entry.args[0]);
  EXPECT_EQ(3u, info.entry.args[2]);
  EXPECT_EQ(-ENOSYS, static_cast<int64_t>(child.registers().rax));
  ASSERT_EQ("stop call", child.go(PTRACE_SYSCALL));
  EXPECT_EQ(33, child.ask(kSyscallInfo, sizeof info, address_of(&info)));
  EXPECT_EQ(2, info.op);
  EXPECT_EQ(getpid(), info.exit.rval);
  EXPECT_EQ(0, info.exit.is_error);
  EXPECT_EQ(static_cast<uint64_t>(SYS_getppid), child.registers().orig_rax);
  EXPECT_EQ("exit 5", child.go());
}

TEST(PtraceCalls, CanBeChanged) {
  Tracee child([] {
    const long skipped = syscall(SYS_getppid);
    return skipped == 77 ? 5 : 6;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACESYSGOOD));
  user_regs_struct registers;
  do {
    ASSERT_EQ("stop call", child.go(PTRACE_SYSCALL));
    registers = child.registers();
  } while (registers.orig_rax != SYS_getppid);
  registers.orig_rax = ~0ull;
  registers.rax = 77;
  child.set_registers(registers);
  EXPECT_EQ("exit 5", child.go());
}

// --- events

TEST(PtraceEvents, ForkBringsTheChild) {
  Tracee child([] {
    const pid_t pid = fork();
    if (pid == 0) _exit(3);
    int status = 0;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status) + 2;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT));
  ASSERT_EQ("stop TRAP event 1", child.go());
  unsigned long grandchild = 0;
  ASSERT_OK(child.ask(PTRACE_GETEVENTMSG, 0, address_of(&grandchild)));
  int status = 0;
  ASSERT_EQ(static_cast<pid_t>(grandchild),
            waitpid(static_cast<pid_t>(grandchild), &status, __WALL));
  EXPECT_EQ("stop STOP", show(status));
  ASSERT_OK(ptrace(PTRACE_CONT, static_cast<pid_t>(grandchild), 0, 0));
  ASSERT_OK(child.ask(PTRACE_CONT));
  ASSERT_EQ(static_cast<pid_t>(grandchild),
            waitpid(static_cast<pid_t>(grandchild), &status, __WALL));
  EXPECT_EQ("stop TRAP event 6", show(status));
  unsigned long code = 0;
  ASSERT_OK(ptrace(PTRACE_GETEVENTMSG, static_cast<pid_t>(grandchild), 0, &code));
  EXPECT_EQ(3u << 8, code);
  ASSERT_OK(ptrace(PTRACE_CONT, static_cast<pid_t>(grandchild), 0, 0));
  ASSERT_EQ(static_cast<pid_t>(grandchild),
            waitpid(static_cast<pid_t>(grandchild), &status, __WALL));
  EXPECT_EQ("exit 3", show(status));
  for (std::string stop; (stop = child.wait()) != "exit 5";) {
    ASSERT_TRUE(stop == "stop CHLD" || stop == "stop TRAP event 6") << stop;
    ASSERT_OK(child.ask(PTRACE_CONT));
  }
}

TEST(PtraceEvents, Exec) {
  Tracee child([] {
    execl("/proc/self/exe", "tracing", "--gtest_list_tests", "--gtest_filter=none", nullptr);
    return 6;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACEEXEC));
  ASSERT_EQ("stop TRAP event 4", child.go());
  unsigned long old = 0;
  ASSERT_OK(child.ask(PTRACE_GETEVENTMSG, 0, address_of(&old)));
  EXPECT_EQ(child.pid(), static_cast<pid_t>(old));
  ASSERT_OK(child.ask(PTRACE_KILL));
  EXPECT_EQ("killed KILL", child.wait());
}

TEST(PtraceEvents, ExecOfOldIsATrap) {
  Tracee child([] {
    execl("/proc/self/exe", "tracing", "--gtest_list_tests", "--gtest_filter=none", nullptr);
    return 6;
  });
  child.wait();
  EXPECT_EQ("stop TRAP", child.go());
}

TEST(PtraceEvents, Threads) {
  Tracee child([] {
    static char stack[65536];
    static volatile int done;
    clone(
        [](void*) {
          done = 1;
          syscall(SYS_exit, 0);
          return 0;
        },
        stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD,
        nullptr);
    while (done == 0) sched_yield();
    return 5;
  });
  child.wait();
  ASSERT_OK(child.ask(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACECLONE));
  ASSERT_EQ("stop TRAP event 3", child.go());
  unsigned long thread = 0;
  ASSERT_OK(child.ask(PTRACE_GETEVENTMSG, 0, address_of(&thread)));
  int status = 0;
  ASSERT_EQ(static_cast<pid_t>(thread), waitpid(static_cast<pid_t>(thread), &status, __WALL));
  EXPECT_EQ("stop STOP", show(status));
  ASSERT_OK(ptrace(PTRACE_CONT, static_cast<pid_t>(thread), 0, 0));
  ASSERT_EQ(static_cast<pid_t>(thread), waitpid(static_cast<pid_t>(thread), &status, __WALL));
  EXPECT_EQ("exit 0", show(status));
  EXPECT_EQ("exit 5", child.go());
}

}  // namespace
}  // namespace compat
