// <sys/utsname.h>, <sys/sysinfo.h>
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct UtsName {
  char system[65];
  char node[65];
  char release[65];
  char version[65];
  char machine[65];
  char domain[65];
};
static_assert(sizeof(UtsName) == 390);

struct SystemInfo {
  i64 uptime;    // seconds
  u64 loads[3];  // load averages over 1, 5 and 15 minutes, times 65536
  u64 total_memory;
  u64 free_memory;
  u64 shared_memory;
  u64 buffer_memory;
  u64 total_swap;
  u64 free_swap;
  u16 processes;  // threads, in fact
  u16 padding[3];
  u64 total_high;
  u64 free_high;
  u32 memory_unit;  // bytes
  u32 end_padding;
};
static_assert(sizeof(SystemInfo) == 112);

}  // namespace narwhal::abi
