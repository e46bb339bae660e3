// Names: mkdir(2), rmdir(2), unlink(2), rename(2), link(2), symlink(2), readlink(2), mknod(2).
#include "fs/core/inode.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr DirFd kHere{kAtFdCwd};

SysResult done(const Result<>& result) {
  if (!result.ok()) return result.error();
  return i64{0};
}

}  // namespace

SysResult sys::mkdir(Task& task, UserString path, Mode mode) {
  return mkdirat(task, kHere, path, mode);
}
SysResult sys::mkdirat(Task& task, DirFd dir, UserString path, Mode mode) {
  PathArgument place;
  TRY(place.load(task, dir, path));
  return done(vfs::mkdir(task.actor(), place.start(), place.view(), mode.value));
}

SysResult sys::mknod(Task& task, UserString path, Mode mode, u32 device) {
  return mknodat(task, kHere, path, mode, device);
}
// A device number of 32 bits is the lower half of one of 64 bits.
SysResult sys::mknodat(Task& task, DirFd dir, UserString path, Mode mode, u32 device) {
  PathArgument place;
  TRY(place.load(task, dir, path));
  TRY(vfs::mknod(task.actor(), place.start(), place.view(), mode.value, device));
  return i64{0};
}

SysResult sys::rmdir(Task& task, UserString path) {
  return unlinkat(task, kHere, path, HexInt{kAtRemoveDir});
}
SysResult sys::unlink(Task& task, UserString path) {
  return unlinkat(task, kHere, path, HexInt{0});
}
SysResult sys::unlinkat(Task& task, DirFd dir, UserString path, HexInt flags) {
  if (flags.value & ~kAtRemoveDir) return Errno::kInval;
  PathArgument place;
  TRY(place.load(task, dir, path));
  return done(flags.value & kAtRemoveDir ? vfs::rmdir(task.actor(), place.start(), place.view())
                                         : vfs::unlink(task.actor(), place.start(), place.view()));
}

SysResult sys::rename(Task& task, UserString old_path, UserString new_path) {
  return renameat2(task, kHere, old_path, kHere, new_path, HexInt{0});
}
SysResult sys::renameat(Task& task, DirFd old_dir, UserString old_path, DirFd new_dir,
                        UserString new_path) {
  return renameat2(task, old_dir, old_path, new_dir, new_path, HexInt{0});
}
SysResult sys::renameat2(Task& task, DirFd old_dir, UserString old_path, DirFd new_dir,
                         UserString new_path, HexInt flags) {
  constexpr u32 kKnown = vfs::kRenameNoReplace | vfs::kRenameExchange;
  if (flags.value & ~kKnown || flags.value == kKnown) return Errno::kInval;
  PathArgument from, to;
  TRY(from.load(task, old_dir, old_path));
  TRY(to.load(task, new_dir, new_path));
  return done(
      vfs::rename(task.actor(), from.start(), from.view(), to.start(), to.view(), flags.value));
}

SysResult sys::link(Task& task, UserString old_path, UserString new_path) {
  return linkat(task, kHere, old_path, kHere, new_path, HexInt{0});
}
SysResult sys::linkat(Task& task, DirFd old_dir, UserString old_path, DirFd new_dir,
                      UserString new_path, HexInt flags) {
  if (flags.value & ~u32{kAtSymlinkFollow | kAtEmptyPath}) return Errno::kInval;
  // A name for an open file, whoever opened it: only for those who may read everything.
  const bool by_descriptor = flags.value & kAtEmptyPath;
  if (by_descriptor && !task.credentials().capable(Capability::kDacReadSearch))
    return Errno::kNoEnt;
  PathArgument from, to;
  TRY(from.load(task, old_dir, old_path, flags.value));
  TRY(to.load(task, new_dir, new_path));
  const u32 follow = flags.value & kAtSymlinkFollow ? 0 : kAtSymlinkNoFollow;
  const Path source = TRY(from.find(task.actor(), follow | (flags.value & kAtEmptyPath)));
  return done(vfs::link(task.actor(), source, to.start(), to.view()));
}

SysResult sys::symlink(Task& task, UserString target, UserString path) {
  return symlinkat(task, target, kHere, path);
}
SysResult sys::symlinkat(Task& task, UserString target, DirFd dir, UserString path) {
  UserText text;
  TRY(text.load(target));
  if (text.view().empty()) return Errno::kNoEnt;
  PathArgument place;
  TRY(place.load(task, dir, path));
  return done(vfs::symlink(task.actor(), text.view(), place.start(), place.view()));
}

SysResult sys::readlink(Task& task, UserString path, UserAddr buffer, i32 size) {
  return readlinkat(task, kHere, path, buffer, size);
}
SysResult sys::readlinkat(Task& task, DirFd dir, UserString path, UserAddr buffer, i32 size) {
  if (size <= 0) return Errno::kInval;
  PathArgument argument;
  // "" means a link that was opened with O_PATH.
  TRY(argument.load(task, dir, path, dir.value == kAtFdCwd ? 0 : kAtEmptyPath));
  const bool itself = argument.view().empty();
  if (itself && !argument.start()) return Errno::kNoEnt;
  const Path place = TRY(argument.find(task.actor(), kAtSymlinkNoFollow | kAtEmptyPath));
  if (itself && !place.dentry->inode().is_symlink()) return Errno::kNoEnt;
  const String text = TRY(vfs::read_link(task.actor(), place));
  const usize length = text.size() < usize(size) ? text.size() : usize(size);
  if (platform::copy_to_user(buffer, text.view().data(), length) != 0) return Errno::kFault;
  return i64(length);
}

}  // namespace narwhal
