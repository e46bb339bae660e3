// What a tracer sees of system calls that a program has made often.
#include "compat_tests/common/code.h"
#include "compat_tests/tracing/tracee.h"

namespace compat {
namespace {

long word_at(const Tracee& child, uintptr_t address) {
  errno = 0;
  const long word = child.ask(PTRACE_PEEKTEXT, address);
  EXPECT_EQ(0, errno);
  return word;
}

long word_of(const Code& code) {
  long word;
  memcpy(&word, code.data(), sizeof word);
  return word;
}

// A child that has made the call often before it is traced.
class Often : public Tracee {
 public:
  explicit Often(const MadeCode& code)
      : Tracee(
            [&code] {
              code.warm();
              if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) return 90;
              raise(SIGSTOP);
              return code() == getpid() ? 5 : 6;
            },
            false) {}
};

TEST(TracedCalls, CodeIsAsItWasWritten) {
  const MadeCode code(calling(SYS_getpid));
  Often child(code);
  ASSERT_EQ("stop STOP", child.wait());
  EXPECT_EQ(word_of(calling(SYS_getpid)), word_at(child, code.address()));
  EXPECT_EQ("exit 5", child.go());
}

TEST(TracedCalls, StepsGoOverEachInstruction) {
  const MadeCode code(calling(SYS_getpid));
  Often child(code);
  ASSERT_EQ("stop STOP", child.wait());
  // A breakpoint at the beginning, then steps.
  const long original = word_at(child, code.address());
  ASSERT_OK(child.ask(PTRACE_POKETEXT, code.address(),
                      (static_cast<uintptr_t>(original) & ~uintptr_t{0xff}) | 0xcc));
  ASSERT_EQ("stop TRAP", child.go());
  ASSERT_OK(child.ask(PTRACE_POKETEXT, code.address(), static_cast<uintptr_t>(original)));
  user_regs_struct registers = child.registers();
  ASSERT_EQ(code.address() + 1, registers.rip);
  --registers.rip;
  child.set_registers(registers);
  ASSERT_EQ("stop TRAP", child.go(PTRACE_SINGLESTEP));
  EXPECT_EQ(code.address(kCallAt), child.registers().rip);
  ASSERT_EQ("stop TRAP", child.go(PTRACE_SINGLESTEP));
  EXPECT_EQ(code.address(kAfterCallAt), child.registers().rip);
  EXPECT_EQ(static_cast<unsigned long>(child.pid()), child.registers().rax);
  EXPECT_EQ("exit 5", child.go());
}

TEST(TracedCalls, BreakpointAtTheCallItself) {
  const MadeCode code(calling(SYS_getpid));
  Often child(code);
  ASSERT_EQ("stop STOP", child.wait());
  // The word ends behind the call, so that only this byte changes.
  const uintptr_t word = code.address(kCallAt);
  const long original = word_at(child, word);
  ASSERT_OK(child.ask(PTRACE_POKETEXT, word,
                      (static_cast<uintptr_t>(original) & ~uintptr_t{0xff}) | 0xcc));
  ASSERT_EQ("stop TRAP", child.go());
  user_regs_struct registers = child.registers();
  EXPECT_EQ(code.address(kCallAt) + 1, registers.rip);
  EXPECT_EQ(static_cast<unsigned long>(SYS_getpid), registers.rax);
  ASSERT_OK(child.ask(PTRACE_POKETEXT, word, static_cast<uintptr_t>(original)));
  --registers.rip;
  child.set_registers(registers);
  EXPECT_EQ("exit 5", child.go());
}

TEST(TracedCalls, StopsAroundCalls) {
  const MadeCode code(calling(SYS_getpid));
  Often child(code);
  ASSERT_EQ("stop STOP", child.wait());
  ASSERT_OK(child.ask(PTRACE_SETOPTIONS, 0, PTRACE_O_TRACESYSGOOD));
  ASSERT_EQ("stop call", child.go(PTRACE_SYSCALL));
  const user_regs_struct at_entry = child.registers();
  EXPECT_EQ(static_cast<unsigned long>(SYS_getpid), at_entry.orig_rax);
  EXPECT_EQ(code.address(kAfterCallAt), at_entry.rip);
  EXPECT_EQ(static_cast<unsigned long>(-ENOSYS), at_entry.rax);
  ASSERT_EQ("stop call", child.go(PTRACE_SYSCALL));
  EXPECT_EQ(static_cast<unsigned long>(child.pid()), child.registers().rax);
  EXPECT_EQ("exit 5", child.go());
}

// One that runs when the tracer comes.
TEST(TracedCalls, AttachedWhileItCalls) {
  const MadeCode code(calling(SYS_getpid));
  Tracee child(
      [&code] {
        for (;;) code();
        return 0;
      },
      false);
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(child.ask(PTRACE_ATTACH));
    ASSERT_EQ("stop STOP", child.wait());
    EXPECT_EQ(word_of(calling(SYS_getpid)), word_at(child, code.address()));
    const uintptr_t place = child.registers().rip;
    if (place - code.address() < kPage) {
      EXPECT_TRUE(place == code.address() || place == code.address(kCallAt) ||
                  place == code.address(kAfterCallAt))
          << place - code.address();
    }
    ASSERT_OK(child.ask(PTRACE_DETACH));
  }
}

}  // namespace
}  // namespace compat
