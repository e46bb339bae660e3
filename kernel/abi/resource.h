// <sys/resource.h>: the numbers of resource limits, and what getrusage(2) and wait4(2) tell.
#pragma once

#include "kernel/abi/time.h"

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

struct ResourceLimit {  // struct rlimit64
  u64 soft;
  u64 hard;
};

// struct rusage. What nobody counts is 0, as much of it is on Linux.
struct ResourceUsage {
  TimeVal user_time;
  TimeVal system_time;
  i64 peak_resident_kib;
  i64 shared_memory, private_data, private_stack;
  i64 minor_faults, major_faults;
  i64 swaps;
  i64 blocks_in, blocks_out;
  i64 messages_sent, messages_received;
  i64 signals;
  i64 voluntary_switches, involuntary_switches;
};
static_assert(sizeof(ResourceUsage) == 144);

}  // namespace narwhal::abi
