#include "tools/conformance/test_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "tools/base/files.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

using testing::HasSubstr;

class RunTest : public testing::Test {
 protected:
  TestResult run(const std::string& command, double seconds = 30) {
    return processes_.run(command, {{"PATH", "/usr/bin:/bin"}, {"NAME", "a value"}}, root_.path(),
                          seconds);
  }

  TestRoot root_;
  TestProcesses processes_;
};

TEST_F(RunTest, TellsStatusAndOutput) {
  const TestResult result = run("echo out; echo error >&2; exit 33");
  ASSERT_TRUE(WIFEXITED(result.status));
  EXPECT_EQ(WEXITSTATUS(result.status), 33);
  EXPECT_EQ(result.output, "out\nerror\n");
  EXPECT_FALSE(result.time_over);
  EXPECT_FALSE(result.left_over);
}

TEST_F(RunTest, GivesTheFolderTheEnvironmentAndAnEmptyInput) {
  const TestResult result =
      run("pwd; echo \"$NAME ${HOME-none}\"; cat; ps -o sid= -p $$ >/dev/null");
  EXPECT_EQ(result.output, root_.path() + "\na value none\n");
}

TEST_F(RunTest, SignalsAreAsAtAProgramsStart) {
  const TestResult result = run("grep -E 'Sig(Blk|Ign)' /proc/self/status");
  EXPECT_EQ(result.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(RunTest, TellsSignals) {
  const TestResult result = run("kill -SEGV $$");
  ASSERT_TRUE(WIFSIGNALED(result.status));
  EXPECT_EQ(WTERMSIG(result.status), SIGSEGV);
}

TEST_F(RunTest, EndsWhatTakesTooLong) {
  const TestResult result = run("echo before; sleep 1000 & sleep 1000", 0.3);
  EXPECT_TRUE(result.time_over);
  EXPECT_EQ(result.output, "before\n");
  EXPECT_LT(result.seconds, 20);
}

TEST_F(RunTest, EndsWhatATestLeaves) {
  // In a session of its own, so that killing the test's group does not reach it; and it holds the
  // output.
  const TestResult result =
      run("setsid sh -c 'echo $$ >pid; exec sleep 1000' & while ! [ -s pid ]; do sleep 0.02; done");
  EXPECT_EQ(result.status, 0);
  EXPECT_FALSE(result.left_over);
  const pid_t pid = atoi(read_file(root_.path("/pid")).value_or("0").c_str());
  ASSERT_GT(pid, 0);
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(RunTest, KeepsAnOutputsStartAndEnd) {
  const TestResult result = run("echo first; seq 100000; echo last");
  EXPECT_LT(result.output.size(), 40000u);
  EXPECT_TRUE(result.output.starts_with("first\n1\n"));
  EXPECT_TRUE(result.output.ends_with("100000\nlast\n"));
  EXPECT_THAT(result.output, HasSubstr("\n[...]\n"));
}

TEST(BoundedText, LeavesShortTextsAlone) {
  BoundedText text;
  std::string whole;
  for (int i = 0; i < 300; ++i) {
    const std::string piece(100, static_cast<char>('a' + i % 26));
    text.add(piece);
    whole += piece;
  }
  EXPECT_EQ(text.take(), whole);
  EXPECT_EQ(text.take(), "");
}

}  // namespace
}  // namespace narwhal::tools
