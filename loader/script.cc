#include "loader/script.h"

namespace narwhal {
namespace {

constexpr std::string_view kBlanks = " \t";

}  // namespace

Result<ScriptLine> parse_script(std::string_view head) {
  if (!head.starts_with("#!")) return Errno::kNoExec;
  std::string_view line = head.substr(2);
  const usize newline = line.find('\n');
  const bool cut = newline == std::string_view::npos && head.size() >= kScriptHeaderSize;
  line = line.substr(0, newline);

  const usize start = line.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) return Errno::kNoExec;
  line.remove_prefix(start);
  const usize end = line.find_first_of(kBlanks);
  // Of a line that was cut, a name that runs into the cut is not the whole name.
  if (end == std::string_view::npos && cut) return Errno::kNoExec;
  ScriptLine script{line.substr(0, end), {}};
  if (end != std::string_view::npos) {
    std::string_view rest = line.substr(end);
    const usize first = rest.find_first_not_of(kBlanks);
    if (first != std::string_view::npos)
      script.argument = rest.substr(first, rest.find_last_not_of(kBlanks) - first + 1);
  }
  // A NUL ends a C string early.
  script.interpreter = script.interpreter.substr(0, script.interpreter.find('\0'));
  script.argument = script.argument.substr(0, script.argument.find('\0'));
  if (script.interpreter.empty()) return Errno::kNoExec;
  return script;
}

}  // namespace narwhal
