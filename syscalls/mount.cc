// mount(2), umount2(2).
#include "fs/core/mount.h"

#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

// MS_* that say what to do, besides those of a mount (MountFlags).
constexpr u32 kRemount = 0x20;
constexpr u32 kBind = 0x1000;
constexpr u32 kMove = 0x2000;
constexpr u32 kRecursive = 0x4000;
constexpr u32 kSilent = 0x8000;
constexpr u32 kUnbindable = 1 << 17, kPrivate = 1 << 18, kSlave = 1 << 19, kShared = 1 << 20;
constexpr u32 kPropagation = kUnbindable | kPrivate | kSlave | kShared;
constexpr u32 kNoUser = 1u << 31;

// umount2(2)
constexpr u32 kForce = 1;
constexpr u32 kDetach = 2;
constexpr u32 kExpire = 4;
constexpr u32 kNoFollowUnmount = 8;

constexpr MountFlags kKept = MountFlags::kReadOnly | MountFlags::kNoSetUid |
                             MountFlags::kNoDevices | MountFlags::kNoExecute |
                             MountFlags::kNoSymlinkFollow | MountFlags::kNoAccessTime |
                             MountFlags::kNoDirectoryAccessTime | MountFlags::kStrictAccessTime;

MountFlags mount_flags(u32 flags) {
  MountFlags kept = MountFlags(flags) & kKept;
  // The default since Linux 2.6.30.
  if (!has(kept, MountFlags::kNoAccessTime | MountFlags::kStrictAccessTime))
    kept |= MountFlags::kRelativeAccessTime;
  return kept;
}

bool is_mount_root(const Path& place) {
  return place.dentry == place.mount->root();
}

// A string argument that may be null.
Result<> load_optional(UserText& text, UserAddr address) {
  if (address.value == 0) return {};
  return text.load(UserString{address}, kPageSize);
}

Result<Path> find(Task& task, std::string_view path) {
  return vfs::lookup(task.actor(), Path(), path, LookupFlags::kFollow);
}

SysResult remount(const Path& place, u32 flags, std::string_view options) {
  if (!is_mount_root(place)) return Errno::kInval;
  // With MS_BIND only this mount's flags change, not the file system.
  if (!(flags & kBind)) {
    FileSystem& file_system = place.mount->file_system();
    if (!options.empty()) TRY(file_system.reconfigure(options));
    if (!(flags & raw(MountFlags::kReadOnly))) file_system.set_read_only(false);
  }
  place.mount->set_flags(mount_flags(flags));
  return i64{0};
}

SysResult bind_tree(Task& task, std::string_view source, std::string_view target, bool recursive) {
  if (source.empty()) return Errno::kInval;
  const Path from = TRY(find(task, source));
  TRY(vfs::bind_mount(task.actor(), from, target, recursive));
  return i64{0};
}

// There is one tree of mounts for all, in which nothing propagates: what a program asks for here
// makes no difference that it could see.
SysResult change_propagation(const Path& place, u32 flags) {
  const u32 kind = flags & kPropagation;
  if ((flags & ~(kRecursive | kSilent | kPropagation)) || (kind & (kind - 1))) return Errno::kInval;
  return is_mount_root(place) ? SysResult(i64{0}) : SysResult(Errno::kInval);
}

SysResult move(Task& task, std::string_view source, const Path& to) {
  if (source.empty()) return Errno::kInval;
  TRY(vfs::move_mount(TRY(find(task, source)), to));
  return i64{0};
}

}  // namespace

SysResult sys::mount(Task& task, UserAddr source_argument, UserString target_argument,
                     UserAddr type_argument, u64 flags_argument, UserAddr data_argument) {
  u32 flags = u32(flags_argument);
  constexpr u32 kOldMagic = 0xc0ed0000, kOldMagicMask = 0xffff0000;
  if ((flags & kOldMagicMask) == kOldMagic) flags &= ~kOldMagicMask;

  UserText type, source, options, target;
  TRY(load_optional(type, type_argument));
  TRY(load_optional(source, source_argument));
  TRY(load_optional(options, data_argument));
  TRY(target.load(target_argument));
  const Path place = TRY(find(task, target.view()));
  if (!task.credentials().capable(Capability::kSysAdmin)) return Errno::kPerm;
  if (flags & kNoUser) return Errno::kInval;

  if (flags & kRemount) return remount(place, flags, options.view());
  if (flags & kBind) return bind_tree(task, source.view(), target.view(), flags & kRecursive);
  if (flags & kPropagation) return change_propagation(place, flags);
  if (flags & kMove) return move(task, source.view(), place);
  if (type_argument.value == 0) return Errno::kInval;
  auto file_system = TRY(create_file_system(type.view(), options.view()));
  // A file system of its own is read-only as such; one that others see is so by this mount alone.
  if ((flags & raw(MountFlags::kReadOnly)) && file_system->ref_count() == 1)
    file_system->set_read_only(true);
  TRY(vfs::mount(task.actor(), target.view(), std::move(file_system), raw(mount_flags(flags)),
                 source.view()));
  return i64{0};
}

SysResult sys::umount2(Task& task, UserString target, HexInt flags) {
  if (flags.value & ~(kForce | kDetach | kExpire | kNoFollowUnmount)) return Errno::kInval;
  if ((flags.value & kExpire) && (flags.value & (kForce | kDetach))) return Errno::kInval;
  UserText path;
  TRY(path.load(target));
  if (!task.credentials().capable(Capability::kSysAdmin)) return Errno::kPerm;
  const auto how = flags.value & kDetach   ? vfs::Unmounting::kLazily
                   : flags.value & kExpire ? vfs::Unmounting::kIfExpired
                                           : vfs::Unmounting::kIfUnused;
  TRY(vfs::unmount(task.actor(), path.view(), how, !(flags.value & kNoFollowUnmount)));
  return i64{0};
}

}  // namespace narwhal
