// name_to_handle_at(2), open_by_handle_at(2): files by a number instead of a name.
#include "kernel/abi/resource.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr u32 kMaxHandleSize = 128;  // MAX_HANDLE_SZ

struct HandleHeader {  // struct file_handle; the bytes follow
  u32 size;
  i32 type;
};

// What our bytes are; programs must not look.
struct Handle {
  u64 inode;
};
constexpr i32 kHandleType = 1;

// The name in the tree below `root` whose inode has this number; null when there is none (any
// more). Handles are for servers and backup programs: there is no index of numbers, a search must
// do.
Ref<Dentry> find_by_number(Dentry& root, u64 number) {
  NamesReadGuard guard;
  Dentry* at = &root;
  for (;;) {
    if (at->inode().number() == number) return Ref<Dentry>(at);
    if (Dentry* child = DentryTree::first_child(*at, 0)) {
      at = child;
      continue;
    }
    for (;;) {
      if (at == &root) return nullptr;
      Dentry& parent = *at->parent();
      if (Dentry* next = DentryTree::next_child(parent, *at)) {
        at = next;
        break;
      }
      at = &parent;
    }
  }
}

Result<Path> mount_of(Task& task, Fd fd) {
  if (fd.value == kAtFdCwd) return task.fs().working_directory();
  auto file = TRY(task.files().get_any(fd.value));
  const Path* path = file->path();
  if (!path) return Errno::kStale;
  return Path(*path);
}

}  // namespace

SysResult sys::name_to_handle_at(Task& task, DirFd dir, UserString path, UserAddr handle,
                                 UserAddr mount_id, HexInt flags) {
  // A handle that only tells files apart may be of any file system; one that finds its directory
  // again, too, is what all are here.
  constexpr u32 kOnlyIdentifies = 0x200, kConnectable = 2;  // AT_HANDLE_FID, AT_HANDLE_CONNECTABLE
  if (flags.value & ~(u32{kAtSymlinkFollow | kAtEmptyPath} | kOnlyIdentifies | kConnectable))
    return Errno::kInval;
  if ((flags.value & kConnectable) && (flags.value & (kOnlyIdentifies | kAtEmptyPath)))
    return Errno::kInval;
  PathArgument argument;
  TRY(argument.load(task, dir, path, flags.value & kAtEmptyPath));
  const u32 lookup = flags.value & kAtSymlinkFollow ? 0 : u32{kAtSymlinkNoFollow};
  const Path place = TRY(argument.find(task.actor(), (flags.value & kAtEmptyPath) | lookup));
  if (!(flags.value & kOnlyIdentifies) && !place.mount->file_system().names_pinned())
    return Errno::kOpNotSupp;
  auto header = TRY(load_user<HandleHeader>(handle));
  if (header.size > kMaxHandleSize) return Errno::kInval;
  const bool fits = header.size >= sizeof(Handle);
  header = {sizeof(Handle), fits ? kHandleType : 0};
  TRY(store_user(mount_id, i32(place.mount->id())));
  if (fits) TRY(store_user(handle + sizeof(HandleHeader), Handle{place.dentry->inode().number()}));
  TRY(store_user(handle, header));
  if (!fits) return Errno::kOverflow;
  return i64{0};
}

SysResult sys::open_by_handle_at(Task& task, Fd mount_fd, UserAddr handle, OpenFlags flags) {
  if (!task.credentials().capable(Capability::kDacReadSearch)) return Errno::kPerm;
  const Path mount = TRY(mount_of(task, mount_fd));
  const auto header = TRY(load_user<HandleHeader>(handle));
  if (header.size == 0 || header.size > kMaxHandleSize) return Errno::kInval;
  if (header.size != sizeof(Handle) || header.type != kHandleType) return Errno::kStale;
  const auto wanted = TRY(load_user<Handle>(handle + sizeof(HandleHeader)));
  FileSystem& fs = mount.mount->file_system();
  if (!fs.names_pinned()) return Errno::kStale;
  Ref<Dentry> root = TRY(fs.root());
  Ref<Dentry> found = find_by_number(*root, wanted.inode);
  if (!found) return Errno::kStale;
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  const Path place{mount.mount, std::move(found)};
  FileRef file = TRY(attempt_with_leases(!has(flags, OpenFlags::kNonBlock), [&] {
    return vfs::open_path(task.actor(), place, flags & ~OpenFlags::kCloseOnExec);
  }));
  TRY(attempt_on(*file, PollEvents::kAll, true, [&] { return file->finish_open(); }));
  return i64(std::move(fd).commit(std::move(file), has(flags, OpenFlags::kCloseOnExec)));
}

}  // namespace narwhal
