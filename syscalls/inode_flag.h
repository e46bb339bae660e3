// Flags of inodes for ioctl(2): FS_IOC_GETFLAGS(2const), FS_IOC_FSGETXATTR.
#pragma once

#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// One of abi::kGetInodeFlags and its like. ENOTTY: the file has none. EBADF, EFAULT, EOPNOTSUPP: a
// flag that is not kept; EROFS, EPERM.
SysResult inode_flag_ioctl(Task& task, const File& file, u32 command, UserAddr argument);

}  // namespace narwhal
