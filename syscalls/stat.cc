// What is known about a file or a file system: stat(2), statx(2), statfs(2), ustat(2).
#include "kernel/abi/stat.h"

#include "fs/core/mount.h"
#include "kernel/abi/statfs.h"
#include "process/absent.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr DirFd kHere{kAtFdCwd};
constexpr u32 kStatxSyncFlags = 0x6000;  // AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC: no difference
constexpr u32 kKnownFlags = kAtSymlinkNoFollow | kAtNoAutomount | kAtEmptyPath | kStatxSyncFlags;

// A file's status, and where it is if it has a place.
struct Found {
  abi::Stat status;
  Path place;
};

Result<> find(Task& task, DirFd dir, UserString path, u32 flags, Found& out) {
  PathArgument argument;
  TRY(argument.load(task, dir, path, flags));
  if (File* file = argument.file_itself()) {
    out.place = argument.start();
    return file->stat(out.status);
  }
  auto place = argument.find(task.actor(), flags);
  if (place.failed(Errno::kNoEnt)) note_absent(Lookup::kStatus, argument.view());
  out.place = TRY(std::move(place));
  return out.place.dentry->inode().stat(out.status);
}

SysResult stat_path(Task& task, DirFd dir, UserString path, UserAddr out, u32 flags) {
  Found found;
  TRY(find(task, dir, path, flags, found));
  TRY(store_user(out, found.status));
  return i64{0};
}

abi::StatxTime statx_time(const abi::TimeSpec& time) {
  return {time.seconds, u32(time.nanoseconds), 0};
}

abi::Statx to_statx(const Found& found, u32 wanted) {
  const abi::Stat& from = found.status;
  abi::Statx out{};
  out.mask = abi::kStatxBasic;
  out.block_size = u32(from.block_size);
  out.links = u32(from.links);
  out.uid = from.uid;
  out.gid = from.gid;
  out.mode = u16(from.mode);
  out.inode = from.inode;
  out.size = u64(from.size);
  out.blocks = u64(from.blocks);
  out.accessed = statx_time(from.accessed);
  out.changed = statx_time(from.changed);
  out.modified = statx_time(from.modified);
  out.special_major = device_major(from.special_device);
  out.special_minor = device_minor(from.special_device);
  out.device_major = device_major(from.device);
  out.device_minor = device_minor(from.device);
  out.attributes_mask =
      abi::kStatxAttributeMountRoot | abi::kStatxAttributeAutomount | abi::kStatxAttributeDax;
  if (!found.place) return out;
  const Inode& inode = found.place.dentry->inode();
  // tmpfs tells of flags for what can't have any, too.
  constexpr u64 kFlags =
      abi::kStatxAttributeImmutable | abi::kStatxAttributeAppend | abi::kStatxAttributeNoDump;
  if (inode.shows_flags()) out.attributes_mask |= kFlags;
  out.attributes |= inode.flags() & kFlags;
  abi::TimeSpec born;
  if (inode.birth_time(born)) {
    out.mask |= abi::kStatxBorn;
    out.born = statx_time(born);
  }
  if (const Mount* mount = found.place.mount.get()) {
    const bool unique = wanted & abi::kStatxUniqueMountId;
    out.mask |= unique ? abi::kStatxUniqueMountId : abi::kStatxMountId;
    out.mount_id = unique ? mount->unique_id() : mount->id();
    if (mount->root() == found.place.dentry) out.attributes |= abi::kStatxAttributeMountRoot;
  }
  return out;
}

// --- file systems

// statfs(2)'s ST_* flags of a mount: the same bits as MS_* but for two.
i64 mount_flags(const Mount& mount) {
  constexpr u32 kSameBits =
      raw(MountFlags::kNoSetUid | MountFlags::kNoDevices | MountFlags::kNoExecute |
          MountFlags::kNoAccessTime | MountFlags::kNoDirectoryAccessTime);
  constexpr i64 kRelativeTime = 4096, kNoSymlinkFollow = 8192;
  const MountFlags flags = mount.flags();
  i64 out = abi::kStatFsValid | i64(raw(flags) & kSameBits);
  if (mount.read_only()) out |= raw(MountFlags::kReadOnly);
  if (has(flags, MountFlags::kRelativeAccessTime)) out |= kRelativeTime;
  if (has(flags, MountFlags::kNoSymlinkFollow)) out |= kNoSymlinkFollow;
  return out;
}

abi::StatFs to_statfs(const FileSystem::Usage& usage) {
  abi::StatFs out{};
  out.type = usage.magic;
  out.block_size = out.fragment_size = usage.block_size;
  out.blocks = usage.blocks;
  out.blocks_free = out.blocks_available = usage.blocks_free;
  out.files = usage.files;
  out.files_free = usage.files_free;
  out.name_length = kMaxName;
  out.flags = abi::kStatFsValid;
  return out;
}

SysResult statfs_path(const Path& place, UserAddr address) {
  FileSystem& file_system = place.dentry->inode().file_system();
  abi::StatFs out = to_statfs(TRY(file_system.usage()));
  out.id[0] = u32(file_system.device());
  out.id[1] = u32(file_system.device() >> 32);
  if (place.mount) out.flags = mount_flags(*place.mount);
  TRY(store_user(address, out));
  return i64{0};
}

// Files without a place among names live on file systems of the kernel's own.
SysResult statfs_unnamed(const File& file, UserAddr address) {
  FileSystem::Usage usage;
  switch (file.kind()) {
    case File::Kind::kPipe:
      usage.magic = 0x50495045;  // PIPEFS_MAGIC
      break;
    case File::Kind::kSocket:
      usage.magic = 0x534f434b;  // SOCKFS_MAGIC
      break;
    default:
      usage.magic = 0x09041934;  // ANON_INODE_FS_MAGIC
      break;
  }
  TRY(store_user(address, to_statfs(usage)));
  return i64{0};
}

}  // namespace

SysResult sys::stat(Task& task, UserString path, UserAddr status) {
  return stat_path(task, kHere, path, status, 0);
}
SysResult sys::lstat(Task& task, UserString path, UserAddr status) {
  return stat_path(task, kHere, path, status, kAtSymlinkNoFollow);
}
SysResult sys::newfstatat(Task& task, DirFd dir, UserString path, UserAddr status, HexInt flags) {
  if (flags.value & ~kKnownFlags) return Errno::kInval;
  return stat_path(task, dir, path, status, flags.value);
}

SysResult sys::fstat(Task& task, Fd fd, UserAddr status) {
  auto file = TRY(task.files().get_any(fd.value));
  abi::Stat out;
  TRY(file->stat(out));
  TRY(store_user(status, out));
  return i64{0};
}

SysResult sys::statx(Task& task, DirFd dir, UserString path, HexInt flags, HexInt mask,
                     UserAddr status) {
  if (mask.value & abi::kStatxReserved) return Errno::kInval;
  if ((flags.value & kStatxSyncFlags) == kStatxSyncFlags) return Errno::kInval;
  if (flags.value & ~kKnownFlags) return Errno::kInval;
  Found found;
  TRY(find(task, dir, path, flags.value, found));
  TRY(store_user(status, to_statx(found, mask.value)));
  return i64{0};
}

SysResult sys::statfs(Task& task, UserString path, UserAddr status) {
  PathArgument argument;
  TRY(argument.load(task, path));
  return statfs_path(TRY(argument.find(task.actor())), status);
}

SysResult sys::fstatfs(Task& task, Fd fd, UserAddr status) {
  auto file = TRY(task.files().get_any(fd.value));
  const Path* place = file->path();
  return place ? statfs_path(*place, status) : statfs_unnamed(*file, status);
}

SysResult sys::ustat(Task&, u32 device, UserAddr status) {
  for (Ref<Mount> mount = MountTree::next(nullptr); mount; mount = MountTree::next(mount.get())) {
    if (mount->file_system().device() != device) continue;
    const FileSystem::Usage usage = TRY(mount->file_system().usage());
    abi::UStat out{};
    out.blocks_free = i32(usage.blocks_free);
    out.files_free = usage.files_free;
    TRY(store_user(status, out));
    return i64{0};
  }
  return Errno::kInval;
}

}  // namespace narwhal
