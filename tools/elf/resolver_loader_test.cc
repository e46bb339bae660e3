// Holds the resolver against the loader itself: for stock programs, its answer and ours must be the
// same.
//
// The loader is asked as ldd(1) asks it, but through the program and not by its own name: ldd
// starts ld.so with the program as an argument, and then $ORIGIN is the folder of a symbolic link,
// which it is not when the program runs.
#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

#include <map>
#include <string>

#include "tools/base/error.h"
#include "tools/elf/resolver.h"

namespace narwhal::tools {
namespace {

// Programs that stand on any Debian machine, and some that the project's set-up installs.
constexpr const char* kPrograms[] = {
    "/bin/bash",
    "/bin/ls",
    "/bin/tar",
    "/usr/bin/curl",
    "/usr/bin/gdb",
    "/usr/bin/git",
    "/usr/bin/memcached",
    "/usr/bin/openssl",
    "/usr/bin/perl",
    "/usr/bin/python3",
    "/usr/bin/qemu-system-x86_64",
    "/usr/bin/redis-server",
    "/usr/bin/sqlite3",
    "/usr/bin/ssh",
    "/usr/sbin/nginx",
    "/usr/bin/apt-get",
    "/usr/bin/cmake",
    "/usr/bin/strace",
    "/usr/bin/clang-19",
};

// name -> path, as ldd prints it: "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f...)".
std::map<std::string, std::string> ask_the_loader(const std::string& program) {
  std::map<std::string, std::string> answer;
  FILE* const output = popen(("LD_TRACE_LOADED_OBJECTS=1 exec " + program).c_str(), "r");
  if (output == nullptr) return answer;
  char line[4096];
  while (fgets(line, sizeof line, output) != nullptr) {
    std::string text(line);
    text.erase(0, text.find_first_not_of(" \t"));
    const size_t arrow = text.find(" => ");
    const size_t end = text.rfind(" (");
    if (arrow == std::string::npos || end == std::string::npos || end < arrow) continue;
    answer[text.substr(0, arrow)] = text.substr(arrow + 4, end - arrow - 4);
  }
  pclose(output);
  return answer;
}

class AgainstTheLoader : public testing::TestWithParam<const char*> {};

TEST_P(AgainstTheLoader, SameLibraries) {
  const std::string program = GetParam();
  if (access(program.c_str(), X_OK) != 0) GTEST_SKIP() << "this machine has no " << program;
  HostView host;
  Resolver resolver(host, {});
  resolver.add_program(program);
  ASSERT_NE(resolver.interpreter(), "") << "without a loader, the program itself would run";
  const auto expected = ask_the_loader(program);
  std::map<std::string, std::string> found;
  for (const LoadedLibrary& library : resolver.libraries()) found[library.name] = library.path;
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(resolver.missing().empty());
}

INSTANTIATE_TEST_SUITE_P(Programs, AgainstTheLoader, testing::ValuesIn(kPrograms),
                         [](const auto& param) {
                           std::string name(base_name(param.param));
                           for (char& c : name) {
                             if (!isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace narwhal::tools
