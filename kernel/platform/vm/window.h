// The kernel's window: one entry of the top-level page table, 512 GiB, chosen at boot
// (docs/decisions/0011).
#pragma once

#include "kernel/base/addr.h"

namespace narwhal::vm {

inline constexpr u64 kDirectMapOffset = 0;
inline constexpr u64 kDirectMapSize = 256 * kGiB;
inline constexpr u64 kImageOffset = 256 * kGiB;
inline constexpr u64 kStacksOffset = 320 * kGiB;
inline constexpr u64 kStacksSize = 32 * kGiB;
inline constexpr u64 kDevicesOffset = 384 * kGiB;
inline constexpr u64 kDevicesSize = 32 * kGiB;
inline constexpr u64 kWindowSize = 512 * kGiB;

// What early boot (early.cc) leaves for the rest. Physical addresses.
struct BootState {
  u64 window_base = 0;     // virtual
  u64 image_physical = 0;  // where the image's first byte lies
  u64 start_info = 0;      // PVH's hvm_start_info
  u64 root_table = 0;      // the kernel's own top-level table
  u64 first_free = 0;      // [image end, first_free) holds boot page tables
};
extern BootState boot_state;

}  // namespace narwhal::vm
