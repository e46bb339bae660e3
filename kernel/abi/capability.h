// <linux/capability.h>: how capget(2) and capset(2) lay out capability sets.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr u32 kCapabilityVersion1 = 0x19980330;  // one element of CapabilityData
inline constexpr u32 kCapabilityVersion2 = 0x20071026;  // two
inline constexpr u32 kCapabilityVersion3 = 0x20080522;  // two

struct CapabilityHeader {
  u32 version;
  i32 pid;
};
struct CapabilityData {  // 32 capabilities
  u32 effective, permitted, inheritable;
};

}  // namespace narwhal::abi
