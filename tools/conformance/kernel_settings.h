// The settings below /proc/sys that no namespace separates: tests change them, and one that is
// killed does not change them back.
#pragma once

#include <map>
#include <string>

namespace narwhal::tools {

class KernelSettings {
 public:
  // Remembers what the files below `folder` hold that can be both read and written.
  explicit KernelSettings(const std::string& folder);

  // Writes back what differs from that now.
  void restore() const;

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace narwhal::tools
