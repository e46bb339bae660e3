// chdir(2), chroot(2), getcwd(2), umask(2).
#include "fs/core/inode.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

Result<Path> find_directory(Task& task, UserString path) {
  PathArgument argument;
  TRY(argument.load(task, path));
  Path place = TRY(vfs::lookup(task.actor(), Path(), argument.view(),
                               LookupFlags::kFollow | LookupFlags::kDirectory));
  TRY(vfs::check_permission(task.credentials(), place.dentry->inode(), vfs::kMayExecute));
  return place;
}

}  // namespace

SysResult sys::chdir(Task& task, UserString path) {
  task.fs().set_working_directory(TRY(find_directory(task, path)));
  return i64{0};
}

SysResult sys::fchdir(Task& task, Fd fd) {
  auto file = TRY(task.files().get_any(fd.value));
  const Path* place = file->path();
  if (!place || !place->dentry->inode().is_directory()) return Errno::kNotDir;
  TRY(vfs::check_permission(task.credentials(), place->dentry->inode(), vfs::kMayExecute));
  task.fs().set_working_directory(*place);
  return i64{0};
}

SysResult sys::chroot(Task& task, UserString path) {
  Path place = TRY(find_directory(task, path));
  if (!task.credentials().capable(Capability::kSysChroot)) return Errno::kPerm;
  task.fs().set_root(std::move(place));
  return i64{0};
}

SysResult sys::getcwd(Task& task, UserAddr buffer, usize size) {
  const Path here = task.fs().working_directory();
  if (here.dentry->unlinked()) return Errno::kNoEnt;
  const String text = TRY(vfs::path_text(task.fs(), here));
  const usize length = text.size() + 1;
  if (length > kMaxPath) return Errno::kNameTooLong;
  if (length > size) return Errno::kRange;
  if (platform::copy_to_user(buffer, text.c_str(), length) != 0) return Errno::kFault;
  return i64(length);
}

SysResult sys::umask(Task& task, Mode mask) {
  return i64(task.fs().exchange_umask(mask.value));
}

}  // namespace narwhal
