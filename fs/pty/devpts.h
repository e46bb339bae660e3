// devpts: the file system of pseudo-terminals' slaves, one name for each while its master is open.
#pragma once

#include "fs/core/inode.h"

namespace narwhal {

class Pty;

// A new slave's inode: of the calling user, with group and mode as the file system was mounted.
Result<Ref<Inode>> make_pty_inode(Pty& pty);

// The file system, and the devices behind its names. Called once. ENOMEM.
Result<> devpts_init();

}  // namespace narwhal
