// The kernel's log on the machine's console.
#include "kernel/base/log.h"

#include "kernel/platform/machine.h"

namespace narwhal {

constinit LogLevel log_level = LogLevel::kWarn;

void log_line(LogLevel level, std::string_view text) {
  constexpr std::string_view kNames[] = {"error: ", "warning: ", "", ""};
  const u64 us = platform::monotonic_ns() / kNanosPerMicro;
  Text<320> line;
  line << '[' << us / 1'000'000 << '.' << padded(us % 1'000'000, 6, '0')
       << "] narwhal: " << kNames[u8(level)] << text << '\n';
  platform::console_write(line.view());
}

}  // namespace narwhal
