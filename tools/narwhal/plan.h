// From the command line to a plan of the guest's root.
#pragma once

#include "tools/narwhal/command_line.h"
#include "tools/pack/planner.h"

namespace narwhal::tools {

PackPlan plan_for(const HostView& host, const Options& options);

// QEMU's user network: these addresses are always the same.
inline constexpr char kUserAddress[] = "10.0.2.15/24,10.0.2.2";
inline constexpr char kUserNameServer[] = "10.0.2.3";

inline constexpr char kHostname[] = "narwhal";

}  // namespace narwhal::tools
