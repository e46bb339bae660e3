// The settings that the kernel reads: docs/boot-contract.md, "In: the settings".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace narwhal::tools {

class BootSettings {
 public:
  // A key may be added more than once where the contract calls it a list. Throws Error when the
  // value has a NUL byte, which no form of the settings can carry.
  void add(std::string_view key, std::string_view value);

  // For the archive's member .narwhal/boot: "key=value" and a NUL byte, for each.
  std::string records() const;

  // For the kernel's command line: words separated by blanks, quoted where a value has blanks.
  // Throws Error for a value that this form cannot carry (a quote or a line's end).
  std::string command_line() const;

  const std::vector<std::pair<std::string, std::string>>& all() const { return settings_; }

 private:
  std::vector<std::pair<std::string, std::string>> settings_;
};

}  // namespace narwhal::tools
