#include "tools/narwhal/outcome.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace narwhal::tools {
namespace {

TEST(Outcome, WaitsForADebugger) {
  Outcome outcome;
  outcome.take_control_line("debugger 0x624000000000");
  EXPECT_EQ(outcome.waiting_at, 0x6240'0000'0000u);
  for (const char* const line : {"debugger", "debugger 12", "debugger 0x", "debugger 0x12 rm"}) {
    outcome.take_control_line(line);
    EXPECT_EQ(outcome.waiting_at, std::nullopt) << line;
  }
}

TEST(Outcome, ReadsWhatAHostileKernelSays) {
  Outcome outcome;
  for (const char* const line :
       {"exit", "exit ", "exit -1", "exit 256", "exit 1x", "exit 99999999999999999999", "exit\t0",
        "killed 0", "killed 65", "killed", "", " ", "exit  0", "EXIT 0"})
    outcome.take_control_line(line);
  EXPECT_FALSE(outcome.is_complete());
  outcome.take_control_line("exit 3");
  outcome.take_control_line("killed 9");
  outcome.take_control_line("exit 0");
  EXPECT_EQ(outcome.exit_status, 3);
  EXPECT_FALSE(outcome.killed_by);
}

TEST(Outcome, KeepsABoundedPart) {
  Outcome outcome;
  for (int i = 0; i < 100'000; ++i)
    for (const char* const line : {"error x", "missing x 1", "absent /bin/x"})
      outcome.take_control_line(line);
  EXPECT_LT(outcome.errors.size() + outcome.missing.size() + outcome.absent.size(), 10'000u);
}

TEST(Outcome, PrintsNothingThatATerminalObeys) {
  EXPECT_EQ(printable("a\x1b[31mb\r\n\x07\x7f\t"), "a?[31mb?????");
  EXPECT_EQ(printable("\xc3\xa4\xc2\x9b\x32J\xc2\xa0"), "\xc3\xa4?2J\xc2\xa0");
  EXPECT_EQ(printable("\xc2"), "\xc2");
  Outcome outcome;
  outcome.take_control_line("error \x1b]0;owned\x07");
  outcome.take_control_line("exit 1");
  EXPECT_EQ(make_report(outcome, "p", false, false).text, "narwhal: p: ?]0;owned?\n");
}

TEST(Outcome, TellsOfAForbiddenHostCallWhateverTheGuestSaid) {
  Outcome outcome;
  outcome.is_process = true;
  outcome.qemu_status = SIGSYS;
  outcome.take_control_line("exit 0");
  const Report report = make_report(outcome, "p", false, false);
  EXPECT_EQ(report.status, 128 + SIGSYS);
  EXPECT_NE(report.text.find("p asked the host for something that is forbidden"),
            std::string::npos);
}

TEST(Outcome, TellsHowCallsCameWhereItIsAskedFor) {
  Outcome outcome;
  outcome.take_control_line("calls 100 20 3");
  outcome.take_control_line("exit 0");
  EXPECT_EQ(make_report(outcome, "p", false, false).text, "");
  EXPECT_EQ(make_report(outcome, "p", true, false).text,
            "narwhal: system calls: 100 direct, from 3 places; 20 caught by the host\n");
  for (const char* const line : {"calls", "calls 1 2", "calls x y z"}) {
    outcome.take_control_line(line);
    EXPECT_EQ(make_report(outcome, "p", true, false).text, "") << line;
  }
}

TEST(Outcome, TellsWhoEnded) {
  Outcome outcome;
  outcome.qemu_status = SIGKILL;
  EXPECT_NE(make_report(outcome, "p", false, false).text.find("QEMU was killed by signal 9"),
            std::string::npos);
  outcome.is_process = true;
  EXPECT_NE(make_report(outcome, "p", false, false)
                .text.find("its kernel's process was killed by signal 9 (Killed), by somebody or"),
            std::string::npos);
}

}  // namespace
}  // namespace narwhal::tools
