#include "tools/conformance/native_results.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

const TestCase kTest = {"syscalls", "fork01", "fork01 -x"};

TEST(NativeResults, AreKept) {
  const TestRoot root;
  const std::string path = root.path("/new/folder/results.json");
  NativeResults results(path, "abc");
  EXPECT_FALSE(results.find(kTest).has_value());
  results.add(kTest, {Verdict::kNotConfigured, "why", 1.5});
  results.write();
  const auto found = NativeResults(path, "abc").find(kTest);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->verdict, Verdict::kNotConfigured);
  EXPECT_EQ(found->reason, "why");
  EXPECT_EQ(found->seconds, 1.5);
}

TEST(NativeResults, OfAnotherLtpOrCommandAreNotUsed) {
  const TestRoot root;
  NativeResults results(root.path("/results.json"), "abc");
  results.add(kTest, {});
  results.write();
  EXPECT_FALSE(NativeResults(root.path("/results.json"), "abd").find(kTest).has_value());
  const NativeResults same(root.path("/results.json"), "abc");
  EXPECT_TRUE(same.find(kTest).has_value());
  EXPECT_FALSE(same.find({"syscalls", "fork01", "fork01"}).has_value());
  EXPECT_FALSE(same.find({"other", "fork01", "fork01 -x"}).has_value());
}

TEST(NativeResults, AnotherFileIsRefused) {
  const TestRoot root;
  root.file("/results.json", "no results");
  EXPECT_THROW(NativeResults(root.path("/results.json"), "abc"), Error);
  root.file("/results.json", "{\"fingerprint\": \"abc\", \"results\": 5}");
  EXPECT_THROW(NativeResults(root.path("/results.json"), "abc"), Error);
}

TEST(ReplaceFile, SaysWhyItCannot) {
  const TestRoot root;
  root.file("/file", "x");
  EXPECT_THROW(replace_file(root.path("/file/below"), "text"), Error);
  replace_file(root.path("/file"), "text");
  EXPECT_EQ(read_file(root.path("/file")), "text");
}

}  // namespace
}  // namespace narwhal::tools
