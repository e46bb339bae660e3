#include "tools/conformance/verdict.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace narwhal::tools {
namespace {

Judgement judge_exit(int status, const std::string& output = "") {
  TestResult result;
  result.status = status << 8;
  result.output = output;
  return judge(result);
}

TEST(Judge, ReadsTheBitsOfAnExitStatus) {
  EXPECT_EQ(judge_exit(0).verdict, Verdict::kPass);
  EXPECT_EQ(judge_exit(1).verdict, Verdict::kFail);
  EXPECT_EQ(judge_exit(2).verdict, Verdict::kBroken);
  EXPECT_EQ(judge_exit(4).verdict, Verdict::kWarning);
  EXPECT_EQ(judge_exit(32).verdict, Verdict::kNotConfigured);
  // The worst of several.
  EXPECT_EQ(judge_exit(1 | 2 | 32).verdict, Verdict::kFail);
  EXPECT_EQ(judge_exit(2 | 32).verdict, Verdict::kBroken);
  EXPECT_EQ(judge_exit(4 | 32).verdict, Verdict::kNotConfigured);
}

TEST(Judge, KnowsHowAShellTellsOfASignal) {
  const Judgement crash = judge_exit(128 + SIGSEGV, "before\nSegmentation fault (core dumped)\n");
  EXPECT_EQ(crash.verdict, Verdict::kCrash);
  EXPECT_EQ(crash.reason, "Segmentation fault after: before");
  EXPECT_EQ(judge_exit(128 + SIGKILL, "Killed\n").reason, "Killed");
  EXPECT_EQ(judge_exit(128).verdict, Verdict::kFail);
}

TEST(Judge, TakesOtherStatusesForFailures) {
  EXPECT_EQ(judge_exit(255).verdict, Verdict::kFail);
  EXPECT_EQ(judge_exit(8).verdict, Verdict::kFail);
  const Judgement missing = judge_exit(127, "sh: 1: fork99: not found\n");
  EXPECT_EQ(missing.verdict, Verdict::kBroken);
  EXPECT_EQ(missing.reason, "sh: 1: fork99: not found");
}

TEST(Judge, TheReasonIsTheLastLineThatSaysSo) {
  const std::string output =
      "a.c:10: TFAIL: the first\n"
      "a.c:11: TCONF: something else\n"
      "\x1b[1;31ma.c:12: TFAIL\x1b[0m: the\tlast: EPERM (1)\x1b[0m\n"
      "Summary:\nfailed   2\n";
  EXPECT_EQ(judge_exit(1, output).reason, "the last: EPERM (1)");
  EXPECT_EQ(judge_exit(32, output).reason, "something else");
  EXPECT_EQ(judge_exit(0, output).reason, "");
}

TEST(Judge, WithoutSuchALineTheReasonIsTheLastOne) {
  EXPECT_EQ(judge_exit(1, "one\ntwo\n\n").reason, "two");
  EXPECT_EQ(judge_exit(1, "").reason, "exit status 1");
}

TEST(Judge, CutsLongReasonsBetweenLetters) {
  std::string line = "a.c:1: TFAIL: ";
  for (int i = 0; i < 200; ++i) line += "\xc3\xa4";
  const std::string reason = judge_exit(1, line + "\n").reason;
  EXPECT_LE(reason.size(), 163u);
  EXPECT_EQ(reason.substr(reason.size() - 5), "\xc3\xa4...");
}

TEST(Judge, TellsSignalsTimeAndTheMachineApart) {
  TestResult result;
  result.status = SIGSEGV;
  result.output = "before\n";
  EXPECT_EQ(judge(result).verdict, Verdict::kCrash);
  EXPECT_EQ(judge(result).reason, "Segmentation fault after: before");
  result.time_over = true;
  EXPECT_EQ(judge(result).verdict, Verdict::kTimeOver);
  EXPECT_EQ(judge(result).reason, "after: before");
  result.runner_end = "kernel panic: out of frames";
  EXPECT_EQ(judge(result).verdict, Verdict::kMachineEnd);
  EXPECT_EQ(judge(result).reason, "kernel panic: out of frames");
}

}  // namespace
}  // namespace narwhal::tools
