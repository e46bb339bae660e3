#include "tools/bazel/selftest/third_party.h"

#include <archive.h>
#include <fmt/format.h>
#include <libelf.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

#include "gtest/gtest.h"

namespace narwhal {
namespace {

TEST(ThirdPartyTest, ZydisDecodesAndFormats) {
  const uint8_t mov_60_eax[] = {0xb8, 0x3c, 0x00, 0x00, 0x00};
  char text[64] = {};
  EXPECT_EQ(disassemble(mov_60_eax, text), 5u);
  EXPECT_STREQ(text, "mov $0x3C, %eax");
}

TEST(ThirdPartyTest, PackagedLibrariesLink) {
  EXPECT_NE(elf_version(EV_CURRENT), unsigned{EV_NONE});
  EXPECT_EQ(fmt::format("{}", 4), "4");
  EXPECT_EQ(nlohmann::json::parse("[1]").size(), 1u);
  EXPECT_GE(archive_version_number(), 3'000'000);
  CLI::App app("test");
  bool flag = false;
  app.add_flag("--flag", flag);
  app.parse("--flag");
  EXPECT_TRUE(flag);
}

}  // namespace
}  // namespace narwhal
