// MOUNT_ATTR_* of <linux/mount.h> and the flags of a mount, one as the other.
#pragma once

#include "fs/core/mount.h"
#include "kernel/abi/mount.h"

namespace narwhal {

struct MountAttributeFlag {
  u64 attribute;
  MountFlags flag;
};
inline constexpr MountAttributeFlag kMountAttributeFlags[] = {
    {0x1, MountFlags::kReadOnly},
    {0x2, MountFlags::kNoSetUid},
    {0x4, MountFlags::kNoDevices},
    {0x8, MountFlags::kNoExecute},
    {0x80, MountFlags::kNoDirectoryAccessTime},
    {0x200000, MountFlags::kNoSymlinkFollow}};
inline constexpr u64 kMountAttributes = 0x20008f | abi::kMountAccessTimes;

// Without those of access times, of which there is one at a time.
constexpr MountFlags mount_flags_of(u64 attributes) {
  MountFlags flags = MountFlags::kNone;
  for (const MountAttributeFlag& known : kMountAttributeFlags)
    if (attributes & known.attribute) flags |= known.flag;
  return flags;
}
// EINVAL when more than one of them is asked for.
constexpr Result<MountFlags> access_time_of(u64 attributes) {
  switch (attributes & abi::kMountAccessTimes) {
    case 0:
      return MountFlags::kRelativeAccessTime;
    case abi::kMountNoAccessTime:
      return MountFlags::kNoAccessTime;
    case abi::kMountStrictAccessTime:
      return MountFlags::kStrictAccessTime;
    default:
      return Errno::kInval;
  }
}
constexpr u64 mount_attributes(MountFlags flags) {
  u64 attributes = 0;
  for (const MountAttributeFlag& known : kMountAttributeFlags)
    if (has(flags, known.flag)) attributes |= known.attribute;
  if (has(flags, MountFlags::kNoAccessTime)) attributes |= abi::kMountNoAccessTime;
  if (has(flags, MountFlags::kStrictAccessTime)) attributes |= abi::kMountStrictAccessTime;
  return attributes;
}

}  // namespace narwhal
