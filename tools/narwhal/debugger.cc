#include "tools/narwhal/debugger.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vector>

#include "tools/base/unique_fd.h"
#include "tools/narwhal/machine.h"

namespace narwhal::tools {
namespace {

// Whether an ELF file is loaded where it was linked for.
bool has_fixed_place(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Elf64_Ehdr header;
  return file && pread(file.get(), &header, sizeof header, 0) == sizeof header &&
         memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_type == ET_EXEC;
}

std::string full_path(const std::string& path) {
  char full[PATH_MAX];
  return realpath(path.c_str(), full) != nullptr ? full : path;
}

}  // namespace

std::string debugger_command(const Debuggee& debuggee) {
  constexpr std::string_view kImage = ".elf", kSymbols = ".debug";
  std::string symbols = full_path(debuggee.kernel);
  if (symbols.ends_with(kImage)) symbols.replace(symbols.size() - kImage.size(), 4, kSymbols);
  std::vector<std::string> words = {"gdb", "-p", std::to_string(debuggee.pid)};
  const auto say = [&](std::string command) {
    words.emplace_back("-ex");
    words.push_back(std::move(command));
  };
  say("set confirm off");
  say(fmt::format("add-symbol-file {} -o {:#x}", symbols, debuggee.image));
  if (has_fixed_place(debuggee.program)) say("add-symbol-file " + full_path(debuggee.program));
  // The program's system calls and faults, the timer and devices.
  say("handle SIGSYS SIGSEGV SIGBUS SIGALRM SIGIO nostop noprint pass");
  say("set var narwhal_debugger_came = 1");
  return quoted_for_shell(words);
}

}  // namespace narwhal::tools
