// <sys/statfs.h>, <linux/stat.h>, <ustat.h>: what describes file systems, and statx(2)'s answer.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct StatFs {
  i64 type;
  i64 block_size;
  u64 blocks, blocks_free, blocks_available;
  u64 files, files_free;
  u32 id[2];
  i64 name_length;
  i64 fragment_size;
  i64 flags;
  i64 spare[4];
};
static_assert(sizeof(StatFs) == 120);

inline constexpr i64 kStatFsValid = 0x20;  // ST_VALID: the flags mean something

struct StatxTime {
  i64 seconds;
  u32 nanoseconds;
  i32 reserved;
};

struct Statx {
  u32 mask;
  u32 block_size;
  u64 attributes;
  u32 links, uid, gid;
  u16 mode;
  u16 spare0;
  u64 inode, size, blocks, attributes_mask;
  StatxTime accessed, born, changed, modified;
  u32 special_major, special_minor, device_major, device_minor;
  u64 mount_id;
  u32 direct_memory_align, direct_offset_align;
  u64 spare[12];
};
static_assert(sizeof(Statx) == 256);

inline constexpr u32 kStatxBasic = 0x7ff;
inline constexpr u32 kStatxBorn = 0x800;
inline constexpr u32 kStatxMountId = 0x1000;
inline constexpr u32 kStatxUniqueMountId = 0x4000;
inline constexpr u32 kStatxReserved = 0x80000000;
inline constexpr u64 kStatxAttributeMountRoot = 0x2000;
inline constexpr u64 kStatxAttributeAutomount = 0x1000;
inline constexpr u64 kStatxAttributeDax = 0x20'0000;
inline constexpr u64 kStatxAttributeImmutable = 0x10;  // these three as FS_*_FL
inline constexpr u64 kStatxAttributeAppend = 0x20;
inline constexpr u64 kStatxAttributeNoDump = 0x40;

struct UStat {
  i32 blocks_free;
  u32 padding;
  u64 files_free;
  char names[12];
  u32 padding2;
};
static_assert(sizeof(UStat) == 32);

}  // namespace narwhal::abi
