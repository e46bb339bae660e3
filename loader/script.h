// `#!` scripts: the first line of a file names the program that runs it (execve(2)).
#pragma once

#include <optional>
#include <string_view>

#include "kernel/base/result.h"

namespace narwhal {

inline constexpr usize kScriptHeaderSize = 256;  // how much of the file counts

struct ScriptLine {
  std::string_view interpreter;              // may be empty, where a NUL stands instead of it
  std::optional<std::string_view> argument;  // all the rest of the line as one
};

// `head`: the first bytes of a file, at most kScriptHeaderSize; they must live as long as the
// result. ENOEXEC when it is no script, or names no interpreter, or the name does not fit.
Result<ScriptLine> parse_script(std::string_view head);

}  // namespace narwhal
