#include "tools/narwhal/profile.h"

#include <gtest/gtest.h>

namespace narwhal::tools {
namespace {

using Words = std::vector<std::string>;

Words left_of(const Words& words) {
  std::vector<const char*> all = {"narwhal", "run"};
  for (const std::string& word : words) all.push_back(word.c_str());
  return words_for_profiler(parse_command_line(static_cast<int>(all.size()), all.data()), words);
}

TEST(Profile, LeavesTheRestAlone) {
  EXPECT_EQ(left_of({"--profile", "x.svg", "nginx"}), (Words{"nginx"}));
  EXPECT_EQ(left_of({"--profile=x.svg", "--platform=process", "-m", "64M", "nginx", "-g", "x"}),
            (Words{"-m", "64M", "nginx", "-g", "x"}));
  EXPECT_EQ(left_of({"--platform", "process", "--profile", "x", "sh", "--profile", "y"}),
            (Words{"sh", "--profile", "y"}));
}

}  // namespace
}  // namespace narwhal::tools
