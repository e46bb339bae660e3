#include "tools/conformance/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace narwhal::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

Row row(const std::string& tag, std::optional<Verdict> native, std::optional<Verdict> guest,
        const std::string& reason = "") {
  Row made = {{"syscalls", tag, tag + " -x"}, {}, {}};
  if (native) made.native = {*native, "", 1};
  if (guest) made.guest = {*guest, reason, 2};
  return made;
}

Table example() {
  Table table;
  table.rows = {row("both", Verdict::kPass, Verdict::kPass),
                row("fails", Verdict::kPass, Verdict::kFail, "a | b_c"),
                row("neither", Verdict::kFail, Verdict::kFail, "same"),
                row("better", Verdict::kBroken, Verdict::kPass),
                row("waits", Verdict::kPass, std::nullopt),
                row("dies", Verdict::kPass, Verdict::kMachineEnd, "panic")};
  return table;
}

TEST(Table, CountsWhatPassesNativelyAndInTheGuest) {
  const Totals totals = example().totals();
  EXPECT_EQ(totals.tests, 6u);
  EXPECT_EQ(totals.native_passes, 3u);
  EXPECT_EQ(totals.both_pass, 1u);
  EXPECT_EQ(totals.differ, 3u);
  EXPECT_NEAR(totals.percent(), 33.3, 0.1);
}

TEST(Table, NothingToPassIsNoFailure) {
  Table table;
  table.rows = {row("neither", Verdict::kFail, Verdict::kFail)};
  EXPECT_EQ(table.totals().percent(), 100);
}

TEST(Table, MarkdownListsTheDifferencesFirst) {
  const std::string text = example().as_markdown();
  const size_t all = text.find("## All tests");
  ASSERT_NE(all, std::string::npos);
  const std::string first = text.substr(0, all);
  EXPECT_THAT(first,
              HasSubstr("6 tests; 3 pass natively, and of these 1 pass in the guest: 33.3 %."));
  EXPECT_THAT(first, HasSubstr("| fails | pass | fail | yes | a \\| b\\_c |"));
  EXPECT_THAT(first, HasSubstr("| dies | pass | machine ended | yes | panic |"));
  EXPECT_THAT(first, Not(HasSubstr("| better |")));
  EXPECT_THAT(first, HasSubstr("| different from Linux | | 3 |"));
  EXPECT_THAT(text.substr(all), HasSubstr("| better | broken | pass | yes |  |"));
  EXPECT_THAT(text.substr(all), HasSubstr("| waits | pass | - |  |  |"));
}

TEST(Table, JsonHasEverything) {
  const nlohmann::json json = nlohmann::json::parse(example().as_json());
  ASSERT_EQ(json["tests"].size(), 6u);
  EXPECT_EQ(json["tests"][1]["command"], "fails -x");
  EXPECT_EQ(json["tests"][1]["guest"]["verdict"], "fail");
  EXPECT_EQ(json["tests"][1]["guest"]["reason"], "a | b_c");
  EXPECT_EQ(json["tests"][1]["differs"], true);
  EXPECT_TRUE(json["tests"][4]["guest"].is_null());
  EXPECT_EQ(json["totals"]["both pass"], 1);
}

TEST(Table, TextEndsWithTheSum) {
  const std::string text = example().as_text();
  EXPECT_THAT(text, HasSubstr("fails    pass            fail            yes      a | b_c\n"));
  EXPECT_TRUE(text.ends_with("33.3 %.\n"));
}

}  // namespace
}  // namespace narwhal::tools
