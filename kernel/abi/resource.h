// <sys/resource.h>: the numbers of resource limits.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr usize kLimitCpu = 0;
inline constexpr usize kLimitFileSize = 1;
inline constexpr usize kLimitData = 2;
inline constexpr usize kLimitStack = 3;
inline constexpr usize kLimitCore = 4;
inline constexpr usize kLimitResidentSet = 5;
inline constexpr usize kLimitProcesses = 6;
inline constexpr usize kLimitOpenFiles = 7;
inline constexpr usize kLimitLockedMemory = 8;
inline constexpr usize kLimitAddressSpace = 9;
inline constexpr usize kLimitFileLocks = 10;
inline constexpr usize kLimitPendingSignals = 11;
inline constexpr usize kLimitMessageQueues = 12;
inline constexpr usize kLimitNice = 13;
inline constexpr usize kLimitRealTimePriority = 14;
inline constexpr usize kLimitRealTimeTime = 15;

}  // namespace narwhal::abi
