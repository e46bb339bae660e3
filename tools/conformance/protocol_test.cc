#include "tools/conformance/protocol.h"

#include <gtest/gtest.h>

#include <exception>

namespace narwhal::tools {
namespace {

TEST(Protocol, EverythingComesBackAsItWasSent) {
  RunnerSettings settings;
  settings.root = "/opt/\"ltp\"";
  settings.programs = {{"a", "b/c"}};
  settings.environment = {{"NAME", "two\nlines"}};
  settings.seconds = 1.5;
  const std::string line = to_line(settings);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const RunnerSettings same = settings_from(line);
  EXPECT_EQ(same.root, settings.root);
  EXPECT_EQ(same.programs, settings.programs);
  EXPECT_EQ(same.environment, settings.environment);
  EXPECT_EQ(same.seconds, settings.seconds);

  EXPECT_EQ(ready_from(to_line(RunnerReady{{"one", "two"}})).notes.size(), 2u);
  const TestJob job = job_from(to_line(TestJob{"tag", "a 'b c' | d; \\"}));
  EXPECT_EQ(job.tag, "tag");
  EXPECT_EQ(job.command, "a 'b c' | d; \\");

  TestResult result;
  result.status = 256;
  result.time_over = true;
  result.seconds = 2.5;
  result.output = "x\ny\n";
  result.runner_end = "gone";
  const TestResult same_result = result_from(to_line(result));
  EXPECT_EQ(same_result.status, 256);
  EXPECT_TRUE(same_result.time_over);
  EXPECT_FALSE(same_result.left_over);
  EXPECT_EQ(same_result.seconds, 2.5);
  EXPECT_EQ(same_result.output, "x\ny\n");
  EXPECT_EQ(same_result.runner_end, "gone");
}

TEST(Protocol, BytesThatAreNoTextDoNoHarm) {
  TestResult result;
  result.output = "\xff\xfe ok \x01";
  EXPECT_NE(result_from(to_line(result)).output.find(" ok \x01"), std::string::npos);
}

TEST(Protocol, OtherLinesAreRefused) {
  for (const char* const line : {"", "x", "{}", "[1]", "{\"status\": \"one\"}"}) {
    EXPECT_THROW(result_from(line), std::exception) << line;
    EXPECT_THROW(ready_from(line), std::exception) << line;
  }
}

}  // namespace
}  // namespace narwhal::tools
