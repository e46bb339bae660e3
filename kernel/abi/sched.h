// <sched.h>, <linux/sched/types.h>
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr i32 kPolicyOther = 0;
inline constexpr i32 kPolicyFifo = 1;
inline constexpr i32 kPolicyRoundRobin = 2;
inline constexpr i32 kPolicyBatch = 3;
inline constexpr i32 kPolicyIdle = 5;
inline constexpr i32 kPolicyDeadline = 6;
inline constexpr u32 kPolicyResetOnFork = 0x40000000;

// sched_setattr(2): `flags`
inline constexpr u64 kSchedResetOnFork = 0x01;
inline constexpr u64 kSchedReclaim = 0x02;
inline constexpr u64 kSchedDeadlineOverrun = 0x04;
inline constexpr u64 kSchedKeepPolicy = 0x08;
inline constexpr u64 kSchedKeepParams = 0x10;

struct SchedAttributes {
  u32 size;
  u32 policy;
  u64 flags;
  i32 nice;
  u32 priority;
  u64 runtime, deadline, period;         // SCHED_DEADLINE only
  u32 utilization_min, utilization_max;  // of later versions
};
static_assert(sizeof(SchedAttributes) == 56);
inline constexpr u32 kSchedAttributesFirstSize = 48;

}  // namespace narwhal::abi
