// siginfo_t as an argument: rt_sigqueueinfo(2), pidfd_send_signal(2).
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/platform/user.h"

namespace narwhal {

inline Result<abi::SignalInfo> load_signal_info(UserAddr address) {
  abi::SignalInfo info;
  if (platform::copy_from_user(&info, address, sizeof info) != 0) return Errno::kFault;
  return info;
}

// Only the kernel's word and kill's may be taken for granted by others, so nobody may feign them.
inline bool feigned(const abi::SignalInfo& info) {
  return info.code >= 0 || info.code == abi::kCodeTkill;
}

}  // namespace narwhal
