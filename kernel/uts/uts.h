// What uname(2) and /proc/sys/kernel say of the system: its names and versions.
#pragma once

#include <string_view>

#include "kernel/base/result.h"

namespace narwhal {

// Programs read the release to learn which of Linux's features they may use, so it is that of the
// Linux whose interface this kernel has, with a mark of its own.
inline constexpr std::string_view kSystemName = "Linux";
inline constexpr std::string_view kKernelRelease = "6.12.0-narwhal";
inline constexpr std::string_view kKernelVersion = "#1 Narwhal";
inline constexpr std::string_view kMachineName = "x86_64";

// Linux's __NEW_UTS_LEN.
inline constexpr usize kMaxHostName = 64;

// A copy of a name, NUL-terminated.
struct HostName {
  char text[kMaxHostName + 1] = {};
  u8 size = 0;
  std::string_view view() const { return {text, size}; }
};

// "narwhal" until somebody sets it (the boot setting `hostname`, sethostname(2)). Any context.
HostName host_name();
// NIS domain; "(none)" at first, as on Linux.
HostName domain_name();
// EINVAL when longer than kMaxHostName.
Result<> set_host_name(std::string_view name);
Result<> set_domain_name(std::string_view name);

}  // namespace narwhal
