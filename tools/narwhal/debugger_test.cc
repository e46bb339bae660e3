#include "tools/narwhal/debugger.h"

#include <gmock/gmock.h>

namespace narwhal::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Debugger, IsToldOfTheKernel) {
  const std::string command =
      debugger_command({1234, "/nowhere/narwhal_process.elf", 0x6240'0000'0000, "/bin/no program"});
  EXPECT_THAT(command, StartsWith("gdb -p 1234 -ex "));
  EXPECT_THAT(command,
              HasSubstr("'add-symbol-file /nowhere/narwhal_process.debug -o 0x624000000000'"));
  EXPECT_THAT(command, Not(HasSubstr("no program")));
  EXPECT_THAT(command, HasSubstr("'set var narwhal_debugger_came = 1'"));
}

}  // namespace
}  // namespace narwhal::tools
