// Checks that several operations on names share. Only for fs/core/; others use vfs.h.
#pragma once

#include "fs/core/vfs.h"

namespace narwhal::vfs {

// Whether its content is kept by the file system, so that a read-only mount forbids writing it:
// not a device, FIFO or socket.
bool is_stored(const Inode& inode);
// New names in a directory: EROFS, EACCES, ENOENT (the directory itself is gone).
Result<> may_create(const Credentials& who, const Path& directory);
// Names taken from a directory: EACCES; EPERM where the sticky bit or an inode's flags say so.
Result<> may_delete(const Credentials& who, const Inode& directory, const Inode& victim);
// The owner, or who acts for all owners (CAP_FOWNER).
bool owns(const Credentials& who, const Inode& inode);

}  // namespace narwhal::vfs
