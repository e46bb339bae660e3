// Who may do what: inode(7), capabilities(7).
#include "fs/core/permission.h"

namespace narwhal::vfs {

Result<> check_permission(const Credentials& who, const Inode& inode, u32 mask) {
  if ((mask & kMayWrite) && inode.immutable()) [[unlikely]]
    return Errno::kPerm;
  u32 mode = inode.mode();
  if (who.fsuid == inode.uid())
    mode >>= 6;
  else if (who.in_group(inode.gid()))
    mode >>= 3;
  if ((mask & ~mode & 7) == 0) return {};

  if (inode.is_directory()) {
    if (!(mask & kMayWrite) && who.capable(Capability::kDacReadSearch)) return {};
    if (who.capable(Capability::kDacOverride)) return {};
    return Errno::kAcces;
  }
  if (mask == kMayRead && who.capable(Capability::kDacReadSearch)) return {};
  // Nobody executes what is executable for none.
  if ((!(mask & kMayExecute) || (inode.mode() & kAnyExecute)) &&
      who.capable(Capability::kDacOverride))
    return {};
  return Errno::kAcces;
}

Result<> check_access(const Credentials& who, Inode& inode, u32 mask) {
  return check_permission(who, inode, mask);
}

Result<> check_access(const Credentials& who, const Path& path, u32 mask) {
  const Inode& inode = path.dentry->inode();
  if ((mask & kMayExecute) && inode.is_regular() &&
      has(path.mount->flags(), MountFlags::kNoExecute))
    return Errno::kAcces;
  TRY(check_permission(who, inode, mask));
  // As on Linux: rights first, so that EACCES wins; writing to a device is not writing to its file
  // system.
  if ((mask & kMayWrite) && is_stored(inode) && path.mount->read_only()) return Errno::kRoFs;
  return {};
}

bool is_stored(const Inode& inode) {
  return inode.is_regular() || inode.is_directory() || inode.is_symlink();
}

Result<> may_create(const Credentials& who, const Path& directory) {
  if (directory.dentry->unlinked()) return Errno::kNoEnt;
  if (directory.mount->read_only()) return Errno::kRoFs;
  return check_permission(who, directory.dentry->inode(), kMayWrite | kMayExecute);
}

bool owns(const Credentials& who, const Inode& inode) {
  return who.fsuid == inode.uid() || who.capable(Capability::kFowner);
}

Result<> may_delete(const Credentials& who, const Inode& directory, const Inode& victim) {
  TRY(check_permission(who, directory, kMayWrite | kMayExecute));
  if (directory.append_only() || victim.append_only() || victim.immutable()) return Errno::kPerm;
  if ((directory.mode() & kSticky) && who.fsuid != victim.uid() && who.fsuid != directory.uid() &&
      !who.capable(Capability::kFowner))
    return Errno::kPerm;
  return {};
}

}  // namespace narwhal::vfs
