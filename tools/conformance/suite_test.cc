#include "tools/conformance/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

std::vector<std::string> tags_of(const std::vector<TestCase>& tests) {
  std::vector<std::string> tags;
  for (const TestCase& test : tests) tags.push_back(test.tag);
  return tags;
}

std::string error_of(const TestRoot& root, const std::vector<std::string>& suites) {
  try {
    find_ltp(root.path(), suites);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseSuite, TakesTagsAndCommandsAndNothingElse) {
  const std::vector<TestCase> tests =
      parse_suite("syscalls",
                  "# a heading\n"
                  "\n"
                  "abort01 abort01\n"
                  "  #indented comment\n"
                  "fcntl17\tfcntl17 -a  'two words' | cat; true \r\n"
                  "lonely\n"
                  "last last -x");
  ASSERT_EQ(tests.size(), 4u);
  EXPECT_EQ(tests[0].suite, "syscalls");
  EXPECT_EQ(tests[0].command, "abort01");
  EXPECT_EQ(tests[1].tag, "fcntl17");
  EXPECT_EQ(tests[1].command, "fcntl17 -a  'two words' | cat; true");
  EXPECT_EQ(tests[2].command, "lonely");
  EXPECT_EQ(tests[3].command, "last -x");
}

TEST(SelectTests, TakesPatternsAsAShellDoes) {
  const std::vector<TestCase> all = parse_suite("s", "fork01 a\nfork02 b\nvfork01 c\nopen01 d\n");
  EXPECT_EQ(tags_of(select_tests(all, {}, {})).size(), 4u);
  EXPECT_THAT(tags_of(select_tests(all, {"fork*", "open0?"}, {})),
              ElementsAre("fork01", "fork02", "open01"));
  EXPECT_THAT(tags_of(select_tests(all, {}, {"*fork*"})), ElementsAre("open01"));
  EXPECT_THAT(tags_of(select_tests(all, {"fork*"}, {"fork02"})), ElementsAre("fork01"));
}

TEST(FindLtp, KnowsAnInstalledOne) {
  const TestRoot root;
  root.file("/runtest/syscalls", "one one\ntwo one -2\n");
  root.file("/runtest/math", "three three\n");
  root.file("/testcases/bin/one", "x", 0755);
  const Ltp ltp = find_ltp(root.path(), {"syscalls", "math"});
  EXPECT_EQ(ltp.root, root.path());
  EXPECT_THAT(tags_of(ltp.tests), ElementsAre("one", "two", "three"));
  EXPECT_EQ(ltp.tests[2].suite, "math");
  EXPECT_TRUE(ltp.programs.empty());
}

TEST(FindLtp, FindsTheProgramsOfABuiltSourceTree) {
  const TestRoot root;
  root.file("/runtest/syscalls", "one one\n");
  root.file("/testcases/kernel/syscalls/one/one", "x", 0755);
  root.file("/testcases/kernel/syscalls/one/one.c", "x");
  root.file("/testcases/lib/helper.sh", "x", 0755);
  EXPECT_THAT(find_ltp(root.path(), {"syscalls"}).programs,
              UnorderedElementsAre(Pair("one", "testcases/kernel/syscalls/one/one"),
                                   Pair("helper.sh", "testcases/lib/helper.sh")));
}

TEST(FindLtp, SaysWhatIsMissing) {
  const TestRoot root;
  EXPECT_THAT(error_of(root, {"syscalls"}), HasSubstr("no runtest/"));
  root.file("/runtest/math", "one one\n");
  root.file("/runtest/syscalls", "one one\n");
  EXPECT_THAT(error_of(root, {"sycalls"}), HasSubstr("math, syscalls"));
  EXPECT_THAT(error_of(root, {"../runtest/math"}), HasSubstr("math, syscalls"));
  EXPECT_THAT(error_of(root, {"syscalls"}), HasSubstr("build LTP there first"));
  root.file("/testcases/lib/helper.sh", "x", 0755);
  EXPECT_THAT(error_of(root, {"syscalls"}), HasSubstr("build LTP there first"));
  EXPECT_THROW(find_ltp(root.path("/nowhere"), {"syscalls"}), Error);
}

TEST(FindLtp, ItsFingerprintChangesWithTheProgramsAlone) {
  const TestRoot root;
  root.file("/runtest/syscalls", "one one\n");
  root.file("/testcases/bin/one", "x", 0755);
  const std::string before = find_ltp(root.path(), {"syscalls"}).fingerprint;
  EXPECT_EQ(find_ltp(root.path(), {"syscalls"}).fingerprint, before);
  root.file("/testcases/bin/one", "longer", 0755);
  EXPECT_NE(find_ltp(root.path(), {"syscalls"}).fingerprint, before);
}

}  // namespace
}  // namespace narwhal::tools
