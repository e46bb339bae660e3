// <linux/mount.h>: mounts by number, and their attributes.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

// struct mnt_id_req
struct MountIdRequest {
  u32 size;
  u32 spare;
  u64 mount;
  u64 parameter;
  u64 name_space;
};
static_assert(sizeof(MountIdRequest) == 32);
inline constexpr usize kMountIdRequestSizeAtFirst = 24;  // MNT_ID_REQ_SIZE_VER0

// struct statmount; texts follow.
struct StatMount {
  u32 size;
  u32 spare1;
  u64 mask;
  u32 device_major, device_minor;
  u64 magic;
  u32 file_system_flags;
  u32 type;
  u64 mount, parent;
  u32 old_mount, old_parent;
  u64 attributes;
  u64 propagation;
  u64 peer_group, master, propagate_from;
  u32 root, point;
  u64 spare2[50];
};
static_assert(sizeof(StatMount) == 512);

// MOUNT_ATTR_*
inline constexpr u64 kMountAccessTimes = 0x70;
inline constexpr u64 kMountNoAccessTime = 0x10;
inline constexpr u64 kMountStrictAccessTime = 0x20;

}  // namespace narwhal::abi
