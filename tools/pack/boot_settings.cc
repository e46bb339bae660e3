#include "tools/pack/boot_settings.h"

#include "tools/base/error.h"

namespace narwhal::tools {

void BootSettings::add(std::string_view key, std::string_view value) {
  if (value.find('\0') != std::string_view::npos) fail("the setting {} has a NUL byte in it", key);
  settings_.emplace_back(key, value);
}

std::string BootSettings::records() const {
  std::string text;
  for (const auto& [key, value] : settings_) {
    text += key + "=" + value;
    text += '\0';
  }
  return text;
}

std::string BootSettings::command_line() const {
  std::string text;
  for (const auto& [key, value] : settings_) {
    if (value.find_first_of("\"\n\r") != std::string::npos) {
      fail("the setting {} cannot be passed on the kernel's command line: {}", key, value);
    }
    if (!text.empty()) text += ' ';
    // The key stays outside the quotes: that is how Linux's own parameters are written.
    const bool blank = value.empty() || value.find_first_of(" \t") != std::string::npos;
    text += key + "=" + (blank ? "\"" + value + "\"" : value);
  }
  return text;
}

}  // namespace narwhal::tools
