#include "tools/conformance/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace narwhal::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

ConformanceOptions parse(std::vector<const char*> words) {
  words.insert(words.begin(), "conformance");
  return parse_conformance(static_cast<int>(words.size()), words.data());
}

std::string error_of(std::vector<const char*> words) {
  try {
    parse(std::move(words));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ConformanceOptions, HaveDefaults) {
  const ConformanceOptions options = parse({"--ltp", "/opt/ltp"});
  EXPECT_EQ(options.ltp, "/opt/ltp");
  EXPECT_THAT(options.suites, ElementsAre("syscalls"));
  EXPECT_EQ(options.seconds, 60);
  EXPECT_EQ(options.at_least, 100);
  EXPECT_EQ(options.guests, 1u);
  EXPECT_EQ(options.processors, 1u);
  EXPECT_TRUE(options.runs_native);
}

TEST(ConformanceOptions, ListsAddUp) {
  const ConformanceOptions options =
      parse({"--ltp=x", "--suite", "syscalls", "--suite", "math", "--only", "a*", "--only", "b*",
             "--skip", "c", "-e", "LTP_DEBUG=1"});
  EXPECT_THAT(options.suites, ElementsAre("syscalls", "math"));
  EXPECT_THAT(options.only, ElementsAre("a*", "b*"));
  EXPECT_THAT(options.skipped, ElementsAre("c"));
  EXPECT_THAT(options.environment, ElementsAre(Pair("LTP_DEBUG", "1")));
}

TEST(ConformanceOptions, RefuseWhatMakesNoSense) {
  EXPECT_THAT(error_of({}), HasSubstr("--ltp DIR"));
  EXPECT_THAT(error_of({"--ltp", "x", "--time-limit", "0"}), HasSubstr("--time-limit"));
  EXPECT_THAT(error_of({"--ltp", "x", "--at-least", "101"}), HasSubstr("--at-least"));
  EXPECT_THAT(error_of({"--ltp", "x", "--jobs", "0"}), HasSubstr("--jobs"));
  EXPECT_THAT(error_of({"--ltp", "x", "--cpus", "0"}), HasSubstr("--cpus"));
  EXPECT_THAT(error_of({"--ltp", "x", "--accel", "xen"}), HasSubstr("--accel"));
  EXPECT_THAT(error_of({"--ltp", "x", "--platform", "auto"}), HasSubstr("--platform"));
  EXPECT_THAT(error_of({"--ltp", "x", "--platform", "process", "--accel", "tcg"}),
              HasSubstr("--platform vm"));
  EXPECT_THAT(error_of({"--ltp", "x", "-m", "much"}), HasSubstr("much"));
  EXPECT_THAT(error_of({"--ltp", "x", "--without-native", "--native-again"}),
              HasSubstr("contradict"));
  EXPECT_THAT(error_of({"--ltp", "x", "fork01"}), HasSubstr("--help"));
}

}  // namespace
}  // namespace narwhal::tools
