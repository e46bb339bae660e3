// Mounts as things that have descriptors: fsopen(2), fsconfig(2), fsmount(2), fspick(2),
// open_tree(2), move_mount(2), mount_setattr(2).
#include "fs/core/mount.h"
#include "fs/core/mount_context.h"
#include "fs/core/path_file.h"
#include "kernel/abi/resource.h"
#include "syscalls/extensible_struct.h"
#include "syscalls/handlers.h"
#include "syscalls/mount_flags.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr u32 kCloseOnExec = 1;  // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC, FSPICK_CLOEXEC

// fspick(2)
constexpr u32 kPickNoFollow = 2, kPickNoAutomount = 4, kPickEmptyPath = 8;
// open_tree(2), besides the flags of the *at() calls
constexpr u32 kClone = 1;
constexpr u32 kRecursive = 0x8000;  // AT_RECURSIVE
// move_mount(2): for the source; for the target the same shifted.
constexpr u32 kFollow = 1, kAutomount = 2, kEmptyPath = 4;
constexpr u32 kTargetShift = 4;
constexpr u32 kBeneath = 0x200;
constexpr u32 kMoveFlags = (kFollow | kAutomount | kEmptyPath) * (1 | 1 << kTargetShift) | kBeneath;

enum class Command : u32 {
  kSetFlag,
  kSetString,
  kSetBinary,
  kSetPath,
  kSetPathEmpty,
  kSetFd,
  kCreate,
  kReconfigure,
};

constexpr MountFlags kAccessTimeFlags =
    MountFlags::kNoAccessTime | MountFlags::kStrictAccessTime | MountFlags::kRelativeAccessTime;

struct MountAttributes {  // struct mount_attr
  u64 set;
  u64 clear;
  u64 propagation;
  u64 user_namespace;
};

Result<> may_mount(Task& task) {
  if (!task.credentials().capable(Capability::kSysAdmin)) return Errno::kPerm;
  return {};
}

SysResult install(Task& task, FileRef file, bool close_on_exec) {
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  return std::move(fd).commit(std::move(file), close_on_exec);
}

Result<FileRef> place_file(const Path& place) {
  return FileRef(TRY(make_ref<PathFile>(place, OpenFlags::kPath)));
}

Result<Ref<MountContext>> context_of(Task& task, Fd fd) {
  FileRef file = TRY(task.files().get(fd.value));
  if (file->kind() != File::Kind::kMountContext) return Errno::kInval;
  return static_ref_cast<MountContext>(std::move(file));
}

Result<Path> find(Task& task, DirFd dir, UserString path, u32 flags) {
  PathArgument argument;
  TRY(argument.load(task, dir, path, flags));
  return argument.find(task.actor(), flags);
}

// What fsconfig(2) says of its arguments before it looks at the descriptor.
Result<> check_arguments(Command command, bool key, bool value, i32 extra) {
  constexpr i32 kMaxBlob = i32(kMiB);
  bool good = false;
  switch (command) {
    case Command::kSetFlag:
      good = key && !value && extra == 0;
      break;
    case Command::kSetString:
      good = key && value && extra == 0;
      break;
    case Command::kSetBinary:
      good = key && value && extra > 0 && extra <= kMaxBlob;
      break;
    case Command::kSetPath:
    case Command::kSetPathEmpty:
      good = key && value && (extra >= 0 || extra == kAtFdCwd);
      break;
    case Command::kSetFd:
      good = key && !value && extra >= 0;
      break;
    case Command::kCreate:
    case Command::kReconfigure:
      good = !key && !value && extra == 0;
      break;
    default:
      return Errno::kOpNotSupp;
  }
  if (!good) return Errno::kInval;
  return {};
}

template <typename Visit>
void for_each_mount_below(const Mount& top, Visit visit) {
  for (Ref<Mount> mount = MountTree::next(nullptr); mount; mount = MountTree::next(mount.get()))
    if (mount != &top && MountTree::is_below(*mount, top)) visit(*mount);
}

}  // namespace

SysResult sys::fsopen(Task& task, UserString type, HexInt flags) {
  TRY(may_mount(task));
  if (flags.value & ~kCloseOnExec) return Errno::kInval;
  UserText name;
  TRY(name.load(type, kPageSize));
  return install(task, TRY(MountContext::create(name.view())), flags.value & kCloseOnExec);
}

SysResult sys::fspick(Task& task, DirFd dir, UserString path, HexInt flags) {
  TRY(may_mount(task));
  if (flags.value & ~(kCloseOnExec | kPickNoFollow | kPickNoAutomount | kPickEmptyPath))
    return Errno::kInval;
  u32 at_flags = 0;
  if (flags.value & kPickNoFollow) at_flags |= kAtSymlinkNoFollow;
  if (flags.value & kPickEmptyPath) at_flags |= kAtEmptyPath;
  const Path place = TRY(find(task, dir, path, at_flags));
  return install(task, TRY(MountContext::pick(place)), flags.value & kCloseOnExec);
}

SysResult sys::fsconfig(Task& task, Fd fd, u32 command_number, UserAddr key_address,
                        UserAddr value_address, i32 extra) {
  if (fd.value < 0) return Errno::kInval;
  const Command command = Command(command_number);
  TRY(check_arguments(command, key_address.value != 0, value_address.value != 0, extra));
  const auto context = TRY(context_of(task, fd));
  constexpr usize kMaxText = 256;  // of a key, and of a string
  UserText key, value;
  if (key_address.value != 0) {
    if (auto loaded = key.load(UserString{key_address}, kMaxText); !loaded.ok())
      return loaded.failed(Errno::kNameTooLong) ? Errno::kInval : loaded.error();
  }
  if (command == Command::kSetString) {
    if (auto loaded = value.load(UserString{value_address}, kMaxText); !loaded.ok())
      return loaded.failed(Errno::kNameTooLong) ? Errno::kInval : loaded.error();
  }
  switch (command) {
    case Command::kSetFlag:
    case Command::kSetString:
      TRY(context->set(key.view(), value.view()));
      return i64{0};
    case Command::kSetFd:
      TRY(task.files().get(extra));
      [[fallthrough]];
    case Command::kSetBinary:
    case Command::kSetPath:
    case Command::kSetPathEmpty:
      TRY(context->set_common(key.view()));
      return i64{0};
    case Command::kCreate:
      TRY(may_mount(task));
      TRY(context->create_file_system());
      return i64{0};
    case Command::kReconfigure:
      TRY(may_mount(task));
      TRY(context->reconfigure());
      return i64{0};
  }
  return Errno::kOpNotSupp;
}

SysResult sys::fsmount(Task& task, Fd fd, HexInt flags, HexInt attributes) {
  TRY(may_mount(task));
  if ((flags.value & ~kCloseOnExec) || (attributes.value & ~kMountAttributes)) return Errno::kInval;
  const MountFlags mount_flags =
      mount_flags_of(attributes.value) | TRY(access_time_of(attributes.value));
  const auto context = TRY(context_of(task, fd));
  const Path root = TRY(context->mount(raw(mount_flags)));
  return install(task, TRY(place_file(root)), flags.value & kCloseOnExec);
}

SysResult sys::open_tree(Task& task, DirFd dir, UserString path, HexInt flags) {
  constexpr u32 kCloexec = raw(OpenFlags::kCloseOnExec);
  if (flags.value &
      ~(kClone | kCloexec | kRecursive | kAtEmptyPath | kAtNoAutomount | kAtSymlinkNoFollow))
    return Errno::kInval;
  const bool clone = flags.value & kClone;
  if ((flags.value & kRecursive) && !clone) return Errno::kInval;
  if (clone) TRY(may_mount(task));
  Path place = TRY(find(task, dir, path, flags.value & (kAtEmptyPath | kAtSymlinkNoFollow)));
  if (clone) {
    // A tree without a place has one mount: what is mounted below can't come along.
    bool has_more = false;
    if (flags.value & kRecursive)
      for_each_mount_below(*place.mount, [&](Mount&) { has_more = true; });
    if (has_more) return Errno::kInval;
    place = TRY(vfs::clone_mount(place));
  }
  return install(task, TRY(place_file(place)), flags.value & kCloexec);
}

SysResult sys::move_mount(Task& task, DirFd from_dir, UserString from_path, DirFd to_dir,
                          UserString to_path, HexInt flags) {
  TRY(may_mount(task));
  if (flags.value & ~kMoveFlags) return Errno::kInval;
  const auto at_flags = [](u32 side) {
    return (side & kFollow ? 0u : u32{kAtSymlinkNoFollow}) |
           (side & kEmptyPath ? u32{kAtEmptyPath} : 0u);
  };
  const Path from = TRY(find(task, from_dir, from_path, at_flags(flags.value)));
  const Path to = TRY(find(task, to_dir, to_path, at_flags(flags.value >> kTargetShift)));
  if (flags.value & kBeneath)
    TRY(vfs::move_mount_beneath(from, to));
  else
    TRY(vfs::move_mount(from, to));
  return i64{0};
}

SysResult sys::mount_setattr(Task& task, DirFd dir, UserString path, HexInt flags,
                             UserAddr attributes, usize size) {
  if (flags.value & ~(kAtEmptyPath | kRecursive | kAtSymlinkNoFollow | kAtNoAutomount))
    return Errno::kInval;
  const auto wanted = TRY(load_extensible<MountAttributes>(attributes, size));
  TRY(may_mount(task));
  if (wanted.set == 0 && wanted.clear == 0 && wanted.propagation == 0) return i64{0};
  // MS_SHARED and its like, one at most: nothing propagates (mount(2) here), so nothing changes.
  constexpr u64 kPropagation = 0xf << 17;
  if ((wanted.propagation & ~kPropagation) || (wanted.propagation & (wanted.propagation - 1)))
    return Errno::kInval;
  if ((wanted.set | wanted.clear) & ~kMountAttributes) return Errno::kInval;
  const bool changes_access_time = wanted.clear & abi::kMountAccessTimes;
  if (changes_access_time && (wanted.clear & abi::kMountAccessTimes) != abi::kMountAccessTimes)
    return Errno::kInval;
  if ((wanted.set & abi::kMountAccessTimes) && !changes_access_time) return Errno::kInval;
  const MountFlags access_time = TRY(access_time_of(wanted.set));
  const Path place = TRY(find(task, dir, path, flags.value & (kAtEmptyPath | kAtSymlinkNoFollow)));
  if (place.dentry != place.mount->root()) return Errno::kInval;

  const auto change = [&](Mount& mount) {
    MountFlags result =
        (mount.flags() & ~mount_flags_of(wanted.clear)) | mount_flags_of(wanted.set);
    if (changes_access_time) result = (result & ~kAccessTimeFlags) | access_time;
    mount.set_flags(result);
  };
  change(*place.mount);
  if (flags.value & kRecursive) for_each_mount_below(*place.mount, change);
  return i64{0};
}

}  // namespace narwhal
