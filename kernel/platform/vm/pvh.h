// What a PVH loader hands over (Xen, include/public/arch-x86/hvm/start_info.h). All addresses are
// physical.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

struct PvhStartInfo {
  u32 magic;
  u32 version;
  u32 flags;
  u32 module_count;
  u64 module_list;
  u64 command_line;
  u64 rsdp;
  // From version 1 on:
  u64 memory_map;
  u32 memory_map_count;
  u32 reserved;
};
inline constexpr u32 kPvhMagic = 0x336ec578;

struct PvhModule {
  u64 address;
  u64 size;
  u64 command_line;
  u64 reserved;
};

struct PvhMemoryRange {
  u64 address;
  u64 size;
  u32 type;  // as in the E820 map
  u32 reserved;
};
inline constexpr u32 kPvhMemoryRam = 1;

}  // namespace narwhal::vm
