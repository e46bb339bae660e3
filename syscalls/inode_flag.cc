#include "syscalls/inode_flag.h"

#include "fs/core/inode.h"
#include "fs/core/vfs.h"
#include "kernel/abi/ioctl.h"

namespace narwhal {
namespace {

// struct fsxattr of <linux/fs.h>.
struct ExtendedFlags {
  u32 flags;
  u32 extent_size;
  u32 extents;
  u32 project;
  u32 copy_extent_size;
  u8 reserved[8];
};
static_assert(sizeof(ExtendedFlags) == 28);

constexpr u32 kKept = kInodeImmutable | kInodeAppendOnly | kInodeNoDump | kInodeNoAccessTime;

// FS_XFLAG_*: the same flags with other numbers.
struct Pair {
  u8 flag;
  u32 extended;
};
constexpr Pair kPairs[] = {{kInodeImmutable, 0x08},
                           {kInodeAppendOnly, 0x10},
                           {kInodeNoAccessTime, 0x40},
                           {kInodeNoDump, 0x80}};

u32 to_extended(u8 flags) {
  u32 out = 0;
  for (const Pair& pair : kPairs)
    if (flags & pair.flag) out |= pair.extended;
  return out;
}

Result<u8> from_extended(const ExtendedFlags& from) {
  u32 left = from.flags;
  u8 flags = 0;
  for (const Pair& pair : kPairs) {
    if (left & pair.extended) flags |= pair.flag;
    left &= ~pair.extended;
  }
  // Nothing of a disk's layout, and no quotas of projects.
  if (left != 0 || from.extent_size != 0 || from.project != 0 || from.copy_extent_size != 0)
    return Errno::kOpNotSupp;
  return flags;
}

Result<u8> load_flags(UserAddr argument) {
  const u32 flags = TRY(load_user<u32>(argument));
  if (flags & ~kKept) return Errno::kOpNotSupp;
  return u8(flags);
}

}  // namespace

SysResult inode_flag_ioctl(Task& task, const File& file, u32 command, UserAddr argument) {
  const Inode* inode = file.inode();
  if (!inode || !inode->has_flags()) return Errno::kNotTty;
  switch (command) {
    case abi::kGetInodeFlags:
      TRY(store_user(argument, u32{inode->flags()}));
      return i64{0};
    case abi::kGetExtendedInodeFlags: {
      ExtendedFlags out{};
      out.flags = to_extended(inode->flags());
      TRY(store_user(argument, out));
      return i64{0};
    }
    case abi::kSetInodeFlags:
      TRY(vfs::change_flags(task.actor(), *file.path(), TRY(load_flags(argument))));
      return i64{0};
    default: {
      const auto given = TRY(load_user<ExtendedFlags>(argument));
      TRY(vfs::change_flags(task.actor(), *file.path(), TRY(from_extended(given))));
      return i64{0};
    }
  }
}

}  // namespace narwhal
