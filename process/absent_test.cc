#include "process/absent.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace narwhal {
namespace {

std::vector<std::string>& told() {
  static std::vector<std::string> paths;
  return paths;
}

std::vector<std::string> all() {
  told().clear();
  for_each_absent([](std::string_view path) { told().emplace_back(path); });
  return told();
}

// One test: what was noted stays noted.
TEST(Absent, KeepsTheLastNamesOnceAndTellsOfCommandsThatWereUnknown) {
  EXPECT_TRUE(all().empty());
  note_absent(Lookup::kStatus, "/usr/bin/awk");
  note_absent(Lookup::kStatus, "/etc/settings");
  note_absent(Lookup::kStatus, "bin/relative");
  EXPECT_TRUE(all().empty());  // perhaps it was found elsewhere
  note_absent(Lookup::kExecute, "/opt/tool");
  note_absent(Lookup::kOpen, "data");
  note_absent(Lookup::kOpen, "data");
  EXPECT_EQ(all(), (std::vector<std::string>{"/opt/tool", "data"}));
  note_unknown_command();
  EXPECT_EQ(all(), (std::vector<std::string>{"/usr/bin/awk", "/opt/tool", "data"}));
  note_absent(Lookup::kExecute, "/" + std::string(200, 'x'));
  note_absent(Lookup::kExecute, "");
  for (int i = 0; i < 10; ++i) note_absent(Lookup::kOpen, "file" + std::to_string(i));
  const auto paths = all();
  ASSERT_EQ(paths.size(), 10u);
  EXPECT_EQ(paths[1], "/opt/tool");
  EXPECT_EQ(paths[2], "file2");
  EXPECT_EQ(paths[9], "file9");
}

}  // namespace
}  // namespace narwhal
