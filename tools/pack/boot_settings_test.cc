#include "tools/pack/boot_settings.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace narwhal::tools {
namespace {

using std::string_literals::operator""s;

TEST(BootSettings, RecordsCarryAnyValue) {
  BootSettings settings;
  settings.add("program", "/bin/a b");
  settings.add("arg", "");
  settings.add("arg", "two\nlines \"quoted\"");
  EXPECT_EQ(settings.records(), "program=/bin/a b\0arg=\0arg=two\nlines \"quoted\"\0"s);
  EXPECT_THROW(settings.add("arg", "a\0b"s), Error);
}

TEST(BootSettings, CommandLineQuotesBlanks) {
  BootSettings settings;
  settings.add("net", "dhcp");
  settings.add("cwd", "/a b");
  settings.add("hostname", "");
  EXPECT_EQ(settings.command_line(), "net=dhcp cwd=\"/a b\" hostname=\"\"");
  settings.add("arg", "a\"b");
  EXPECT_THROW(settings.command_line(), Error);
}

}  // namespace
}  // namespace narwhal::tools
