// inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2).
#include "fs/inotify/inotify.h"

#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

Result<Ref<InotifyFile>> inotify_of(Task& task, Fd fd) {
  FileRef file = TRY(task.files().get(fd.value));
  if (file->kind() != File::Kind::kInotify) return Errno::kInval;
  return static_ref_cast<InotifyFile>(std::move(file));
}

}  // namespace

SysResult sys::inotify_init(Task& task) {
  return inotify_init1(task, OpenFlags::kReadOnly);
}

SysResult sys::inotify_init1(Task& task, OpenFlags flags) {
  if (!has_only(flags, OpenFlags::kNonBlock | OpenFlags::kCloseOnExec)) return Errno::kInval;
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto file = TRY(InotifyFile::create(flags & OpenFlags::kNonBlock));
  return std::move(fd).commit(std::move(file), has(flags, OpenFlags::kCloseOnExec));
}

SysResult sys::inotify_add_watch(Task& task, Fd fd, UserString path, HexInt mask) {
  const u32 wanted = mask.value;
  if ((wanted & ~inotify::kKnownMask) || wanted == 0) return Errno::kInval;
  auto inotify = task.files().get(fd.value);
  if (!inotify.ok()) return inotify.error();
  if ((wanted & inotify::kMaskAdd) && (wanted & inotify::kMaskCreate)) return Errno::kInval;
  const auto file = TRY(inotify_of(task, fd));

  UserText text;
  TRY(text.load(path));
  LookupFlags flags = LookupFlags::kNone;
  if (!(wanted & inotify::kDontFollow)) flags |= LookupFlags::kFollow;
  if (wanted & inotify::kOnlyDirectory) flags |= LookupFlags::kDirectory;
  const Path place = TRY(vfs::lookup(task.actor(), Path(), text.view(), flags));
  TRY(vfs::check_permission(task.credentials(), place.dentry->inode(), vfs::kMayRead));
  return i64(TRY(file->queue().add_watch(place, wanted)));
}

SysResult sys::inotify_rm_watch(Task& task, Fd fd, i32 watch) {
  const auto file = TRY(inotify_of(task, fd));
  TRY(file->queue().remove_watch(watch));
  return i64{0};
}

}  // namespace narwhal
