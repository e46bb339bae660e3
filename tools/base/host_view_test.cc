#include "tools/base/host_view.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/files.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HostViewTest : public testing::Test {
 protected:
  HostViewTest() : view_(root_.path()) {
    root_.file("/usr/lib/libx.so.1", "x");
    root_.link("/lib", "usr/lib");
    root_.link("/usr/lib/libx.so", "libx.so.1");
    root_.link("/etc/absolute", "/usr/lib");
    root_.link("/up", "../../../usr");
    root_.link("/loop", "loop");
    root_.link("/dangling", "nowhere/at/all");
  }

  TestRoot root_;
  HostView view_;
};

TEST_F(HostViewTest, LinksAreFollowedAndReportedInOrder) {
  const auto walked = view_.walk("/lib/libx.so");
  EXPECT_EQ(walked.error, 0);
  EXPECT_EQ(walked.path, "/usr/lib/libx.so.1");
  EXPECT_TRUE(walked.is_regular());
  EXPECT_THAT(walked.links, ElementsAre("/lib", "/usr/lib/libx.so"));
}

TEST_F(HostViewTest, AbsoluteLinksStayInTheRoot) {
  EXPECT_EQ(view_.walk("/etc/absolute/libx.so").path, "/usr/lib/libx.so.1");
  EXPECT_EQ(view_.read("/etc/absolute/libx.so"), "x");
}

TEST_F(HostViewTest, NoWayAboveTheRoot) {
  EXPECT_EQ(view_.walk("/../../usr/./lib").path, "/usr/lib");
  EXPECT_EQ(view_.walk("/up/lib").path, "/usr/lib");
}

TEST_F(HostViewTest, DotDotIsTakenAfterLinks) {
  EXPECT_EQ(view_.walk("/lib/../lib/libx.so.1").path, "/usr/lib/libx.so.1");
}

TEST_F(HostViewTest, TheLinkItself) {
  const auto walked = view_.walk_to_link("/lib/libx.so");
  EXPECT_EQ(walked.path, "/usr/lib/libx.so");
  EXPECT_TRUE(S_ISLNK(walked.status.st_mode));
  EXPECT_EQ(view_.read_link(walked.path), "libx.so.1");
}

TEST_F(HostViewTest, Errors) {
  EXPECT_EQ(view_.walk("/usr/absent").error, ENOENT);
  EXPECT_EQ(view_.walk("/usr/absent/more").error, ENOENT);
  EXPECT_EQ(view_.walk("/usr/lib/libx.so.1/more").error, ENOTDIR);
  EXPECT_EQ(view_.walk("/loop").error, ELOOP);
  EXPECT_EQ(view_.walk("/loop/more").error, ELOOP);
  EXPECT_EQ(view_.walk("/dangling").error, ENOENT);
  EXPECT_EQ(view_.walk("/dangling").path, "/nowhere/at/all");
}

TEST_F(HostViewTest, Lists) {
  EXPECT_THAT(view_.list("/lib"), ElementsAre("libx.so", "libx.so.1"));
  EXPECT_THAT(view_.list("/absent"), IsEmpty());
}

TEST(Paths, Clean) {
  EXPECT_EQ(clean_path("/a/./b//c/.."), "/a/b");
  EXPECT_EQ(clean_path("a/b", "/base"), "/base/a/b");
  EXPECT_EQ(clean_path("../x", "/base/deep"), "/base/x");
  EXPECT_EQ(clean_path("/../.."), "/");
  EXPECT_EQ(clean_path("/"), "/");
}

TEST(Paths, Parts) {
  EXPECT_EQ(base_name("/a/b"), "b");
  EXPECT_EQ(base_name("b"), "b");
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("a"), ".");
  EXPECT_TRUE(is_inside("/a/b", "/a"));
  EXPECT_TRUE(is_inside("/a", "/a"));
  EXPECT_TRUE(is_inside("/a", "/"));
  EXPECT_FALSE(is_inside("/ab", "/a"));
}

TEST(Files, SizesForPeople) {
  EXPECT_EQ(format_size(312), "312 bytes");
  EXPECT_EQ(format_size(200 << 10), "200 KiB");
  EXPECT_EQ(format_size(11744051), "11.2 MiB");
  EXPECT_EQ(format_size(12ull << 30), "12.0 GiB");
}

TEST(Files, FilesWithoutASizeAreReadToo) {
  const auto contents = read_file("/proc/self/status");
  ASSERT_TRUE(contents.has_value());
  EXPECT_NE(contents->find("Pid:"), std::string::npos);
}

}  // namespace
}  // namespace narwhal::tools
