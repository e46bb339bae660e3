#include "kernel/base/panic.h"

#include <cstdio>
#include <cstdlib>

#include "kernel/base/log.h"

namespace narwhal {

LogLevel log_level = LogLevel::kWarn;

void log_line(LogLevel, std::string_view text) {
  std::fprintf(stderr, "%.*s\n", int(text.size()), text.data());
}
void panic(const char* reason) {
  std::fprintf(stderr, "panic: %s\n", reason);
  std::abort();
}
void panic_at(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "panic: %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace narwhal
