#include "kernel/base/panic.h"

#include <cstdio>
#include <cstdlib>

#include "kernel/base/log.h"
#include "kernel/platform/fake/fake_machine.h"

namespace narwhal {

LogLevel log_level = LogLevel::kWarn;

std::string& fake::log_output() {
  static std::string& lines = *new std::string;
  return lines;
}

void log_line(LogLevel, std::string_view text) {
  std::fprintf(stderr, "%.*s\n", int(text.size()), text.data());
  fake::log_output().append(text).push_back('\n');
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
