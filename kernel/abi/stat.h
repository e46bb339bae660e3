// <sys/stat.h>, <linux/stat.h>: file types, modes, and struct stat of x86-64.
#pragma once

#include <compare>

#include "kernel/base/types.h"

namespace narwhal {

enum class FileType : u16 {
  kFifo = 0010000,
  kCharacterDevice = 0020000,
  kDirectory = 0040000,
  kBlockDevice = 0060000,
  kRegular = 0100000,
  kSymlink = 0120000,
  kSocket = 0140000,
};
inline constexpr u32 kFileTypeMask = 0170000;
inline constexpr u32 kPermissionMask = 07777;
inline constexpr u32 kSetUid = 04000;
inline constexpr u32 kSetGid = 02000;
inline constexpr u32 kSticky = 01000;

constexpr u64 make_device(u32 major, u32 minor) {
  return (u64{minor} & 0xff) | (u64{major} & 0xfff) << 8 | (u64{minor} & ~u64{0xff}) << 12 |
         (u64{major} & ~u64{0xfff}) << 32;
}

constexpr u32 device_major(u64 device) {
  return u32((device >> 8 & 0xfff) | (device >> 32 & ~u64{0xfff}));
}
constexpr u32 device_minor(u64 device) {
  return u32((device & 0xff) | (device >> 12 & ~u64{0xff}));
}

namespace abi {

struct TimeSpec {
  i64 seconds;
  i64 nanoseconds;
  friend constexpr auto operator<=>(const TimeSpec&, const TimeSpec&) = default;
};

struct Stat {
  u64 device;
  u64 inode;
  u64 links;
  u32 mode;
  u32 uid;
  u32 gid;
  u32 padding;
  u64 special_device;
  i64 size;
  i64 block_size;
  i64 blocks;  // of 512 bytes
  TimeSpec accessed;
  TimeSpec modified;
  TimeSpec changed;
  i64 reserved[3];
};
static_assert(sizeof(Stat) == 144);

}  // namespace abi
}  // namespace narwhal
