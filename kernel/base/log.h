// Kernel messages. Each goes to the home's console as one line with the time since boot.
//
//   LOG_WARN("virtio-net: queue of " << size << " is too small");
#pragma once

#include "kernel/base/format.h"

namespace narwhal {

enum class LogLevel : u8 { kError, kWarn, kInfo, kDebug };

// Messages above this level are dropped before they are formatted.
extern LogLevel log_level;

// One line, without the newline. Implemented by the home; safe in any context, interrupts included.
void log_line(LogLevel level, std::string_view text);

}  // namespace narwhal

#define NARWHAL_LOG(level, stream)                              \
  do {                                                          \
    if ((level) <= ::narwhal::log_level) {                      \
      ::narwhal::Text<240> log_text_;                           \
      log_text_ << stream; /* NOLINT: a chain of << operands */ \
      ::narwhal::log_line((level), log_text_.view());           \
    }                                                           \
  } while (0)
#define LOG_ERROR(stream) NARWHAL_LOG(::narwhal::LogLevel::kError, stream)
#define LOG_WARN(stream) NARWHAL_LOG(::narwhal::LogLevel::kWarn, stream)
#define LOG_INFO(stream) NARWHAL_LOG(::narwhal::LogLevel::kInfo, stream)
#define LOG_DEBUG(stream) NARWHAL_LOG(::narwhal::LogLevel::kDebug, stream)
