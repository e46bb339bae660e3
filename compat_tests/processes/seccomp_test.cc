// Filters of system calls: seccomp(2).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <atomic>
#include <thread>
#include <vector>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

using Program = std::vector<sock_filter>;

constexpr unsigned kNumber = offsetof(seccomp_data, nr);

sock_filter load(unsigned offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}
sock_filter give(unsigned value) {
  return BPF_STMT(BPF_RET | BPF_K, value);
}
sock_filter unless(unsigned value, unsigned char skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
}
// `action` for one call, and everything else is allowed.
Program only(unsigned call, unsigned action) {
  return {load(kNumber), unless(call, 1), give(action), give(SECCOMP_RET_ALLOW)};
}
Program errors(unsigned call, unsigned error) {
  return only(call, SECCOMP_RET_ERRNO | error);
}

long install(const Program& program, unsigned flags = 0) {
  const sock_fprog given = {static_cast<unsigned short>(program.size()),
                            const_cast<sock_filter*>(program.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &given);
}
// The error number; 0: it is installed.
int refusal(const Program& program, unsigned flags = 0) {
  return install(program, flags) == 0 ? 0 : errno;
}
int fails_with() {
  return syscall(SYS_getppid) == -1 ? errno : 0;
}

TEST(Seccomp, CallsFailAsTheFilterSays) {
  EXPECT_EQ(EXDEV, run_child([] {
              if (install(errors(SYS_getppid, EXDEV)) != 0) return -1;
              return fails_with();
            }));
}

TEST(Seccomp, ErrorsAreSmall) {
  EXPECT_EQ(4095 % 256, run_child([] {
              if (install(errors(SYS_getppid, 0xffff)) != 0) return -1;
              return fails_with() % 256;
            }));
}

TEST(Seccomp, ErrorZeroIsSuccess) {
  EXPECT_EQ(7, run_child([] {
              if (install(errors(SYS_getppid, 0)) != 0) return -1;
              return syscall(SYS_getppid) == 0 ? 7 : 8;
            }));
}

TEST(Seccomp, ArgumentsAreSeen) {
  const unsigned first = offsetof(seccomp_data, args);
  EXPECT_EQ(0, run_child([=] {
              const Program program = {load(kNumber),
                                       unless(SYS_getpgid, 5),
                                       load(first),
                                       unless(77, 3),
                                       load(first + 4),
                                       unless(1, 1),
                                       give(SECCOMP_RET_ERRNO | EDOM),
                                       give(SECCOMP_RET_ALLOW)};
              if (install(program) != 0) return 1;
              if (syscall(SYS_getpgid, 0) < 0) return 2;
              if (syscall(SYS_getpgid, 77) == -1 && errno == EDOM) return 3;
              if (syscall(SYS_getpgid, (1L << 32) + 77) != -1 || errno != EDOM) return 4;
              return 0;
            }));
}

TEST(Seccomp, ArchitectureIsSeen) {
  EXPECT_EQ(EBADE, run_child([] {
              const Program program = {load(offsetof(seccomp_data, arch)),
                                       unless(AUDIT_ARCH_X86_64, 3),
                                       load(kNumber),
                                       unless(SYS_getppid, 1),
                                       give(SECCOMP_RET_ERRNO | EBADE),
                                       give(SECCOMP_RET_ALLOW)};
              if (install(program) != 0) return -1;
              return fails_with();
            }));
}

TEST(Seccomp, TheMachineCalculates) {
  EXPECT_EQ(0, run_child([] {
              const auto op = [](unsigned operation, unsigned k) {
                return sock_filter(BPF_STMT(BPF_ALU | operation | BPF_K, k));
              };
              const auto by_x = [](unsigned operation) {
                return sock_filter(BPF_STMT(BPF_ALU | operation | BPF_X, 0));
              };
              const Program program = {
                  load(kNumber),
                  unless(SYS_getppid, 17),
                  BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),  // 64
                  op(BPF_ADD, 36),                        // 100
                  op(BPF_SUB, 1),                         // 99
                  op(BPF_MUL, 3),                         // 297
                  op(BPF_DIV, 2),                         // 148
                  op(BPF_OR, 3),                          // 151
                  op(BPF_AND, 0xf6),                      // 150
                  op(BPF_LSH, 4),                         // 2400
                  op(BPF_RSH, 5),                         // 75
                  BPF_STMT(BPF_ST, 5),
                  BPF_STMT(BPF_LDX | BPF_MEM, 5),
                  by_x(BPF_XOR),  // 0
                  BPF_STMT(BPF_ALU | BPF_NEG, 0),
                  by_x(BPF_ADD),  // 75
                  BPF_STMT(BPF_MISC | BPF_TAX, 0),
                  BPF_STMT(BPF_MISC | BPF_TXA, 0),
                  op(BPF_OR, SECCOMP_RET_ERRNO),
              };
              Program whole = program;
              whole.push_back(BPF_STMT(BPF_RET | BPF_A, 0));
              // Where the jump of the second instruction goes: past the return there is one more.
              whole[1].jf = static_cast<unsigned char>(whole.size() - 2);
              whole.push_back(give(SECCOMP_RET_ALLOW));
              if (install(whole) != 0) return errno;
              return fails_with() == 75 ? 0 : 100 + fails_with();
            }));
}

TEST(Seccomp, BadProgramsAreRefused) {
  EXPECT_EQ(0, run_child([] {
              const Program bad[] = {
                  {load(0)},                                           // no return
                  {load(64), give(0)},                                 // behind the data
                  {load(2), give(0)},                                  // not a word
                  {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), give(0)},    // bytes
                  {BPF_STMT(BPF_JMP | BPF_JA, 5), give(0)},            // jumps out
                  {unless(1, 9), give(0)},                             //
                  {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), give(0)},   //
                  {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), give(0)},  //
                  {BPF_STMT(BPF_LD | BPF_MEM, 3), give(0)},            // never written
                  {BPF_STMT(BPF_ST, 16), give(0)},                     // there is no such word
                  {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), give(0)},   // not for seccomp
                  {unless(1, 1), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), give(0)},
              };
              int number = 1;
              for (const Program& each : bad) {
                if (refusal(each) != EINVAL) return number;
                ++number;
              }
              return 0;
            }));
}

TEST(Seccomp, RequestsAreChecked) {
  EXPECT_ERRNO(EINVAL, syscall(SYS_seccomp, 99, 0, nullptr));
  EXPECT_ERRNO(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, nullptr));
  EXPECT_ERRNO(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 20, nullptr));
  EXPECT_ERRNO(EFAULT, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr));
  sock_fprog empty = {0, nullptr};
  EXPECT_ERRNO(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty));
  empty.len = 1;
  EXPECT_ERRNO(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty));
  empty.filter = bad_pointer<sock_filter>();
  EXPECT_ERRNO(EFAULT, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty));
  EXPECT_ERRNO(EINVAL, prctl(PR_SET_SECCOMP, 99, 0, 0, 0));
}

TEST(Seccomp, ActionsMayBeAskedFor) {
  for (unsigned action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                          SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW})
    EXPECT_OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  unsigned unknown = 0x1234'0000;
  EXPECT_ERRNO(EOPNOTSUPP, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown));
}

TEST(Seccomp, NeedsPrivilegesOrTheirEnd) {
  EXPECT_EQ(0, run_child([] {
              if (geteuid() == 0 && setuid(1000) != 0) return 1;
              if (refusal(errors(SYS_getppid, 1)) != EACCES) return 2;
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              return refusal(errors(SYS_getppid, 1));
            }));
}

TEST(Seccomp, TheStrictestOfManyCounts) {
  EXPECT_EQ(EBADF, run_child([] {
              install(errors(SYS_getppid, EBADF));
              install(only(SYS_getppid, SECCOMP_RET_ALLOW));
              install(only(SYS_getppid, SECCOMP_RET_LOG));
              return fails_with();
            }));
  EXPECT_EQ(ENOMEM, run_child([] {
              install(errors(SYS_getppid, EBADF));
              install(errors(SYS_getppid, ENOMEM));
              return fails_with();
            }))
      << "of equal ones the latest";
}

TEST(Seccomp, ProcessesAreKilled) {
  const int status = wait_status(spawn([] {
    install(only(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
    std::thread([] { syscall(SYS_getppid); }).join();
    return 1;
  }));
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(SIGSYS, WTERMSIG(status));
}

TEST(Seccomp, KillingIsNotToBePrevented) {
  EXPECT_EQ(-SIGSYS, run_child([] {
    signal(SIGSYS, SIG_IGN);
    const sigset_t set = set_of({SIGSYS});
    sigprocmask(SIG_BLOCK, &set, nullptr);
    install(only(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
    syscall(SYS_getppid);
    return 1;
  }));
}

TEST(Seccomp, ThreadsAreKilledAlone) {
  EXPECT_EQ(3, run_child([] {
              std::atomic<pid_t> tid = 0;
              std::thread victim([&] {
                install(only(SYS_getppid, SECCOMP_RET_KILL_THREAD));
                tid = gettid();
                syscall(SYS_getppid);
                tid = -1;
              });
              victim.detach();
              while (tid == 0) nap(1);
              const bool gone = eventually([&] { return tgkill(getpid(), tid, 0) == -1; });
              return gone && tid > 0 ? 3 : 4;
            }));
}

TEST(Seccomp, TheOnlyThreadIsTheProcess) {
  EXPECT_EQ(-SIGSYS, run_child([] {
    install(only(SYS_getppid, SECCOMP_RET_KILL_THREAD));
    syscall(SYS_getppid);
    return 1;
  }));
}

TEST(Seccomp, UnknownActionsKill) {
  EXPECT_EQ(-SIGSYS, run_child([] {
    install(only(SYS_getppid, 0x8765'0000));
    syscall(SYS_getppid);
    return 1;
  }));
}

siginfo_t seen;
unsigned long long seen_rax;

TEST(Seccomp, TrapsTellTheCall) {
  EXPECT_EQ(0, run_child([] {
              ScopedAction action(SIGSYS, [](int, siginfo_t* info, void* context) {
                seen = *info;
                auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
                seen_rax = static_cast<unsigned long long>(registers[REG_RAX]);
                registers[REG_RAX] = 1234;  // what the call is to have returned
              });
              install(only(SYS_getppid, SECCOMP_RET_TRAP | 55));
              if (syscall(SYS_getppid) != 1234) return 1;
              if (seen.si_code != 1 || seen.si_errno != 55) return 2;  // SYS_SECCOMP
              if (seen.si_syscall != SYS_getppid || seen.si_arch != AUDIT_ARCH_X86_64) return 3;
              if (seen_rax != SYS_getppid) return 4;
              return seen.si_call_addr == nullptr ? 5 : 0;
            }));
}

TEST(Seccomp, ChildrenAndProgramsKeepIt) {
  EXPECT_EQ(EPERM, run_child([] {
              install(errors(SYS_getppid, EPERM));
              return run_child([] { return fails_with(); });
            }));
  EXPECT_EQ(2, run_role("seccomp") + 2);
  EXPECT_EQ(2, run_child([] {
              install(only(SYS_getppid, SECCOMP_RET_LOG));
              return become("seccomp");
            }));
}

TEST(Seccomp, OtherThreadsHaveTheirOwn) {
  EXPECT_EQ(0, run_child([] {
              int in_thread = -1;
              std::thread([&] {
                install(errors(SYS_getppid, EPERM));
                in_thread = fails_with();
              }).join();
              return in_thread == EPERM ? fails_with() : 99;
            }));
}

TEST(Seccomp, ThreadsMayBeBroughtInLine) {
  EXPECT_EQ(ECHILD, run_child([] {
              std::atomic<int> state = 0;
              int found = 0;
              std::thread other([&] {
                state = 1;
                while (state != 2) nap(1);
                found = fails_with();
              });
              while (state != 1) nap(1);
              if (install(errors(SYS_getppid, ECHILD), SECCOMP_FILTER_FLAG_TSYNC) != 0) return -1;
              state = 2;
              other.join();
              return found;
            }));
}

TEST(Seccomp, ThreadsWithFiltersOfTheirOwnMayNot) {
  EXPECT_EQ(0, run_child([] {
              std::atomic<pid_t> tid = 0;
              std::atomic<bool> end = false;
              std::thread other([&] {
                install(errors(SYS_getppid, EPERM));
                tid = gettid();
                while (!end) nap(1);
              });
              while (tid == 0) nap(1);
              const Program program = errors(SYS_getppid, ECHILD);
              const bool told = install(program, SECCOMP_FILTER_FLAG_TSYNC) == tid;
              const unsigned both = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
              const int error = refusal(program, both);
              end = true;
              other.join();
              return told && error == ESRCH ? fails_with() : 99;
            }));
}

TEST(Seccomp, ModesAreTold) {
  EXPECT_EQ(0, prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  EXPECT_EQ(2, run_child([] {
              install(only(SYS_getppid, SECCOMP_RET_LOG));
              return prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
            }));
  EXPECT_EQ(0, run_child([] {
              install(only(SYS_getppid, SECCOMP_RET_LOG));
              const std::string status = read_file("/proc/self/status");
              return status.find("Seccomp:\t2\n") != std::string::npos ? 0 : 1;
            }));
}

TEST(Seccomp, StrictMode) {
  EXPECT_EQ(9, run_child([] {
              if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0) syscall(SYS_exit, 1);
              char byte;
              (void)!read(-1, &byte, 1);
              syscall(SYS_exit, 9);
              return 2;
            }));
  EXPECT_EQ(-SIGKILL, run_child([] {
    syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, nullptr);
    syscall(SYS_getpid);
    syscall(SYS_exit, 1);
    return 2;
  }));
  EXPECT_EQ(EINVAL, run_child([] {
              install(only(SYS_getppid, SECCOMP_RET_LOG));
              return syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, nullptr) == 0 ? 0 : errno;
            }));
}

TEST(Seccomp, LeavesAreTheTracers) {
  EXPECT_EQ(ENOSYS, run_child([] {
              install(only(SYS_getppid, SECCOMP_RET_TRACE | 7));
              return fails_with();
            }))
      << "without a tracer";
  const pid_t pid = spawn([] {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    install(only(SYS_getppid, SECCOMP_RET_TRACE | 7));
    return syscall(SYS_getppid) == getpid() ? 17 : 18;
  });
  ASSERT_TRUE(WIFSTOPPED(wait_status(pid)));
  ASSERT_OK(ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
  ASSERT_OK(ptrace(PTRACE_CONT, pid, nullptr, nullptr));
  EXPECT_EQ(SIGTRAP | PTRACE_EVENT_SECCOMP << 8, wait_status(pid) >> 8);
  unsigned long message = 0;
  EXPECT_OK(ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &message));
  EXPECT_EQ(7u, message);
  user_regs_struct registers;
  EXPECT_OK(ptrace(PTRACE_GETREGS, pid, nullptr, &registers));
  EXPECT_EQ(static_cast<unsigned long long>(SYS_getppid), registers.orig_rax);
  registers.orig_rax = SYS_getpid;
  EXPECT_OK(ptrace(PTRACE_SETREGS, pid, nullptr, &registers));
  EXPECT_OK(ptrace(PTRACE_CONT, pid, nullptr, nullptr));
  EXPECT_EQ(17, outcome(pid)) << "the call is another";
}

TEST(Seccomp, ManyFiltersAreTooMany) {
  EXPECT_EQ(ENOMEM, run_child([] {
              const Program large(4096, give(SECCOMP_RET_ALLOW));
              for (int i = 0; i < 20; ++i)
                if (const int error = refusal(large)) return error;
              return 0;
            }));
}

}  // namespace
}  // namespace compat
