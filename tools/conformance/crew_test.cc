#include "tools/conformance/crew.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A stand-in for runner and guest: what it does for a test is the test's own command, in a shell
// that is the runner.
constexpr char kRunner[] =
    "read -r settings\n"
    "echo started >>log\n"
    "echo '{\"notes\": [\"a note\"]}'\n"
    "result() {\n"
    "  echo '{\"status\": '$1', \"time_over\": false, \"left_over\": '${2-false}', \"seconds\": "
    "1,'\\\n"
    "    '\"output\": \"\", \"runner_end\": \"\"}'\n"
    "}\n"
    "while read -r line; do\n"
    "  line=${line#*\\\"command\\\":\\\"}\n"
    "  eval \"${line%%\\\"*}\"\n"
    "done\n";

class CrewTest : public testing::Test {
 protected:
  CrewReport run(const std::vector<std::string>& commands, const char* script = kRunner) {
    settings_.command = {"/bin/sh", "-c", "cd '" + root_.path() + "'\n" + script};
    std::vector<TestJob> jobs;
    for (const std::string& command : commands) jobs.push_back({"tag", command});
    return run_crew(settings_, RunnerSettings(), jobs, [&](size_t job, const TestResult& result) {
      EXPECT_TRUE(results_.emplace(job, result).second) << "two results for " << job;
    });
  }

  size_t started() const {
    const std::string log = read_file(root_.path("/log")).value_or("");
    return static_cast<size_t>(std::count(log.begin(), log.end(), '\n'));
  }

  TestRoot root_;
  CrewSettings settings_;
  std::map<size_t, TestResult> results_;
};

TEST_F(CrewTest, OneRunnerDoesAll) {
  const CrewReport report = run({"result 0", "result 256", "result 11"});
  EXPECT_THAT(report.notes, ElementsAre("a note"));
  EXPECT_EQ(report.started, 1u);
  EXPECT_EQ(started(), 1u);
  ASSERT_EQ(results_.size(), 3u);
  EXPECT_EQ(results_[0].status, 0);
  EXPECT_EQ(results_[1].status, 256);
  EXPECT_EQ(results_[2].status, 11);
}

TEST_F(CrewTest, AnotherTakesThePlaceOfOneThatEnds) {
  run({"result 0", "echo 'its last words' >&2; exit 3", "result 0", "kill -KILL $$", "exit 4"});
  EXPECT_EQ(started(), 3u);
  ASSERT_EQ(results_.size(), 5u);
  EXPECT_EQ(results_[1].runner_end, "its last words");
  EXPECT_EQ(results_[2].runner_end, "");
  EXPECT_EQ(results_[3].runner_end, "Killed");
  EXPECT_EQ(results_[4].runner_end, "it ended with status 4");
}

TEST_F(CrewTest, OneThatIsSilentTooLongIsEnded) {
  settings_.seconds_to_answer = 0.5;
  run({"exec sleep 1000", "result 0"});
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_THAT(results_[0].runner_end, StartsWith("no answer"));
  EXPECT_EQ(results_[1].runner_end, "");
}

TEST_F(CrewTest, AfterATestThatLeftProcessesAnotherGoesOn) {
  run({"result 0 true; exit 0", "result 0"});
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_TRUE(results_[0].left_over);
  EXPECT_EQ(results_[1].runner_end, "");
  EXPECT_EQ(started(), 2u);
}

TEST_F(CrewTest, SeveralShareTheWork) {
  settings_.runners = 2;
  // Each waits until the other one has started its test too.
  const std::string meet =
      "echo x >>both; while [ $(wc -l <both) -lt 2 ]; do sleep 0.02; done; result 0";
  EXPECT_EQ(run({meet, meet}).started, 2u);
  EXPECT_EQ(results_.size(), 2u);
}

TEST_F(CrewTest, LinesThatAreNoResultsAreIgnored) {
  run({"echo nonsense; result 0"});
  EXPECT_EQ(results_.size(), 1u);
}

TEST_F(CrewTest, OneThatDoesNotStartIsAnError) {
  try {
    run({"result 0"}, "echo 'no such machine' >&2; exit 125");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no such machine"));
  }
}

TEST(LastWords, PreferThePanic) {
  EXPECT_EQ(last_words("narwhal: one\nnarwhal: kernel panic: x\nnarwhal: advice\n", 0),
            "narwhal: kernel panic: x");
}

}  // namespace
}  // namespace narwhal::tools
