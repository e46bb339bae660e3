// Signals, steps, faults and filters around system calls that have been made often.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "compat_tests/common/code.h"
#include "compat_tests/common/signals.h"

namespace compat {
namespace {

uintptr_t place_of(void* context) {
  return static_cast<uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}

// --- steps

constexpr size_t kMostSteps = 64;
uintptr_t steps[kMostSteps];
unsigned long numbers[kMostSteps];
size_t step_count;

void note_step(int, siginfo_t*, void* context) {
  if (step_count == kMostSteps) return;
  numbers[step_count] =
      static_cast<unsigned long>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX]);
  steps[step_count++] = place_of(context);
}

// Calls a function with the trap flag set, and returns the steps within it. Processors and
// hypervisors differ in whether there is one at `after_call`, where the kernel has just returned
// to: it is left out.
std::vector<uintptr_t> steps_in(const MadeCode& code, long argument, size_t after_call) {
  step_count = 0;
  asm volatile(
      "leaq -256(%%rsp), %%rsp\n\t"
      "pushfq\n\t"
      "orq $0x100, (%%rsp)\n\t"
      "popfq\n\t"
      "call *%[at]\n\t"
      "pushfq\n\t"
      "andq $~0x100, (%%rsp)\n\t"
      "popfq\n\t"
      "leaq 256(%%rsp), %%rsp\n\t"
      :
      : [at] "r"(code.start()), "D"(argument)
      : "rax", "rcx", "rdx", "r9", "r11", "memory", "cc");
  std::vector<uintptr_t> result;
  for (size_t i = 0; i < step_count; ++i)
    if (const uintptr_t at = steps[i] - code.address(); at < kPage && at != after_call)
      result.push_back(at);
  return result;
}

TEST(Steps, GoOverEachInstruction) {
  const ScopedAction action(SIGTRAP, note_step);
  const MadeCode code(calling(SYS_getpid));
  const std::vector<uintptr_t> each = {0, kCallAt};
  EXPECT_EQ(each, steps_in(code, 0, kAfterCallAt));
  code.warm();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(each, steps_in(code, 0, kAfterCallAt));
    for (size_t step = 0; step < step_count; ++step) {
      if (steps[step] == code.address(kCallAt)) {
        EXPECT_EQ(static_cast<unsigned long>(SYS_getpid), numbers[step]);
      }
      if (steps[step] == code.address(kAfterCallAt)) {
        EXPECT_EQ(static_cast<unsigned long>(getpid()), numbers[step]);
      }
    }
    code.warm();
  }
}

TEST(Steps, GoOverALoadBeforeTheCall) {
  const ScopedAction action(SIGTRAP, note_step);
  const MadeCode code(calling_what_is_asked());
  const std::vector<uintptr_t> each = {0, kLoadAt, kLoadCallAt};
  EXPECT_EQ(each, steps_in(code, SYS_getpid, kLoadCallAt + 2));
  code.warm(SYS_getpid);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(each, steps_in(code, SYS_getpid, kLoadCallAt + 2));
    code.warm(SYS_getpid);
  }
}

TEST(Steps, GoOverAShortInstructionBeforeTheCall) {
  const ScopedAction action(SIGTRAP, note_step);
  for (const ShortCode& made : calling_in_short()) {
    const MadeCode code(made.code);
    const size_t after = made.call_at + 2;
    std::vector<uintptr_t> each = {0, made.call_at};
    if (after + 1 < made.code.size()) each.push_back(made.code.size() - 1);
    EXPECT_EQ(each, steps_in(code, SYS_getpid, after));
    for (int i = 0; i < 3; ++i) {
      code.warm(SYS_getpid);
      EXPECT_EQ(each, steps_in(code, SYS_getpid, after));
    }
  }
}

// --- signals at any moment

std::atomic<int> interruptions;
std::atomic<uintptr_t> odd_place;
uintptr_t code_begins, code_ends;
uintptr_t allowed[4];

void look_at_place(int, siginfo_t*, void* context) {
  const uintptr_t place = place_of(context);
  ++interruptions;
  if (place >= code_begins && place < code_ends) {
    if (std::find(std::begin(allowed), std::end(allowed), place) == std::end(allowed))
      odd_place = place;
    return;
  }
  // Elsewhere it must be a place that the program has: its own code, or a library's.
  unsigned char in_core = 0;
  if (mincore(reinterpret_cast<void*>(place & ~(kPage - 1)), kPage, &in_core) != 0)
    odd_place = place;
}

// Makes calls until signals have come this often. They are reported at an instruction of the
// program's, wherever they strike.
void interrupt(const MadeCode& code, long argument, long expected) {
  constexpr int kOften = 300;
  interruptions = 0;
  odd_place = 0;
  const ScopedAction action(SIGALRM, look_at_place, SA_RESTART);
  const itimerval often = {{0, 300}, {0, 300}}, never = {};
  ASSERT_OK(setitimer(ITIMER_REAL, &often, nullptr));
  long wrong = 0;
  while (interruptions < kOften)
    for (int i = 0; i < 100; ++i) wrong += code(argument) != expected;
  ASSERT_OK(setitimer(ITIMER_REAL, &never, nullptr));
  EXPECT_EQ(0, wrong);
  EXPECT_EQ(0u, odd_place);
}

TEST(Signals, AreReportedInTheProgram) {
  const MadeCode code(calling(SYS_getpid));
  code_begins = code.address(0) - MadeCode::kBegin;
  code_ends = code_begins + kPage;
  allowed[0] = code.address();
  allowed[1] = code.address(kCallAt);
  allowed[2] = allowed[3] = code.address(kAfterCallAt);
  interrupt(code, 0, getpid());
}

TEST(Signals, AreReportedInTheProgramWithALoadBeforeTheCall) {
  const MadeCode code(calling_what_is_asked());
  code_begins = code.address(0) - MadeCode::kBegin;
  code_ends = code_begins + kPage;
  allowed[0] = code.address();
  allowed[1] = code.address(kLoadAt);
  allowed[2] = code.address(kLoadCallAt);
  allowed[3] = code.address(kLoadCallAt + 2);
  interrupt(code, SYS_getpid, getpid());
}

TEST(Signals, AreReportedInTheProgramWithAShortInstructionBeforeTheCall) {
  for (const ShortCode& made : calling_in_short()) {
    const MadeCode code(made.code);
    code_begins = code.address(0) - MadeCode::kBegin;
    code_ends = code_begins + kPage;
    allowed[0] = code.address();
    allowed[1] = code.address(made.call_at);
    allowed[2] = code.address(made.call_at + 2);
    allowed[3] = code.address(made.code.size() - 1);
    interrupt(code, SYS_getpid, getpid());
  }
}

// --- faults

uintptr_t fault_place, fault_address;
ucontext_t way_out;
volatile bool has_faulted;

void note_fault(int, siginfo_t* info, void* context) {
  fault_place = place_of(context);
  fault_address = reinterpret_cast<uintptr_t>(info->si_addr);
  has_faulted = true;
  setcontext(&way_out);
}

// The instruction before a call reads memory that is not there.
void fault_before_the_call(const MadeCode& code) {
  const auto call = reinterpret_cast<long (*)(long, const void*)>(code.start());
  const unsigned long words[2] = {};
  for (int i = 0; i < 40; ++i) EXPECT_EQ(getpid(), call(SYS_getpid, words));
  const ScopedAction action(SIGSEGV, note_fault, SA_NODEFER);
  for (int i = 0; i < 4; ++i) {
    has_faulted = false;
    getcontext(&way_out);
    if (!has_faulted) {
      call(SYS_getpid, nullptr);
      ADD_FAILURE() << "no fault";
    }
    EXPECT_EQ(code.address(2), fault_place);
    EXPECT_EQ(8u, fault_address);
  }
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), call(SYS_getpid, words));
}

TEST(Signals, FaultBeforeTheCall) {
  // movl %edi, %eax; movq 8(%rsi), %r9 with a displacement of four bytes; syscall; ret
  fault_before_the_call(MadeCode({0x89, 0xf8, 0x4c, 0x8b, 0x8e, 0x08, 0, 0, 0, 0x0f, 0x05, 0xc3}));
  // The same with a displacement of one byte.
  fault_before_the_call(MadeCode({0x89, 0xf8, 0x4c, 0x8b, 0x4e, 0x08, 0x0f, 0x05, 0xc3}));
}

// --- calls that are begun again

int pipe_in;

void feed(int, siginfo_t*, void*) {
  const char byte = 'x';
  static_cast<void>(!write(pipe_in, &byte, 1));
}

TEST(Signals, CallIsBegunAgain) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  pipe_in = ends[1];
  const MadeCode code(calling(SYS_read));
  const auto read_byte = reinterpret_cast<long (*)(int, void*, size_t)>(code.start());
  char byte = 0;
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(1, write(ends[1], "w", 1));
    ASSERT_EQ(1, read_byte(ends[0], &byte, 1));
  }
  for (int i = 0; i < 3; ++i) {
    const ScopedAction action(SIGALRM, feed, SA_RESTART);
    const itimerval soon = {{0, 0}, {0, 20'000}};
    ASSERT_OK(setitimer(ITIMER_REAL, &soon, nullptr));
    EXPECT_EQ(1, read_byte(ends[0], &byte, 1));
    EXPECT_EQ('x', byte);
  }
  close(ends[0]);
  close(ends[1]);
}

// --- filters

int status_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  return status;
}

TEST(Filters, SeeCallsThatWereMadeOften) {
  const MadeCode code(calling(SYS_getppid));
  code.warm();
  const pid_t child = fork();
  if (child == 0) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 3),
        // Only from there.
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(code.address(kAfterCallAt)), 0,
                 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMLINK),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog program = {std::size(filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(90);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(91);
    int wrong = 0;
    for (int i = 0; i < 8; ++i) wrong += code() != -EMLINK;
    _exit(wrong);
  }
  EXPECT_EQ(0, status_of(child));
}

TEST(Filters, StrictModeKills) {
  const MadeCode code(calling(SYS_getppid));
  code.warm();
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(91);
    code();
    syscall(SYS_exit, 0);
  }
  const int status = status_of(child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

// --- threads and processes that begin and end at such places

TEST(Places, ProcessEndsAtOne) {
  const MadeCode leave(calling(SYS_exit_group));
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    if (child == 0) leave(7);
    const int status = status_of(child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(7, WEXITSTATUS(status));
  }
}

TEST(Places, ProcessBeginsAtOne) {
  const MadeCode code(calling(SYS_fork));
  for (int i = 0; i < 8; ++i) {
    const auto child = static_cast<pid_t>(code());
    if (child == 0) _exit(3);
    ASSERT_LT(0, child);
    const int status = status_of(child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(3, WEXITSTATUS(status));
  }
}

TEST(Places, ProgramIsReplacedAtOne) {
  const MadeCode code(calling(SYS_execve));
  const auto execute =
      reinterpret_cast<long (*)(const char*, char* const*, char* const*)>(code.start());
  for (int i = 0; i < 8; ++i) EXPECT_EQ(-ENOENT, execute("/no/such/program", nullptr, nullptr));
  const pid_t child = fork();
  if (child == 0) {
    char name[] = "calls", filter[] = "--gtest_filter=Code.CallReachedByAJump";
    char* const arguments[] = {name, filter, nullptr};
    char* const environment[] = {nullptr};
    // What it prints would be taken for verdicts of this program.
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    execute("/proc/self/exe", arguments, environment);
    _exit(90);
  }
  EXPECT_EQ(0, status_of(child));
}

}  // namespace
}  // namespace compat
