#include "tools/narwhal/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "tools/base/files.h"

namespace narwhal::tools {

namespace {
// ECMA-48: to the line's start, and erase to its end.
constexpr std::string_view kEraseLine = "\r\x1b[K";
}  // namespace

Progress::Progress(bool wanted) : is_wanted_(wanted && isatty(STDERR_FILENO) != 0) {}

void Progress::show(std::string_view text) {
  if (!is_wanted_) return;
  is_shown_ = true;
  write_all(STDERR_FILENO, fmt::format("{}narwhal: {} ...", kEraseLine, text));
}

void Progress::clear() {
  if (!is_shown_) return;
  is_shown_ = false;
  write_all(STDERR_FILENO, kEraseLine);
}

}  // namespace narwhal::tools
