// Who is told by a signal of what happens to a file, and how: F_SETOWN and its kin (fcntl(2)), and
// the ioctls that say the same.
#pragma once

#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// F_SETOWN, FIOSETOWN, SIOCSPGRP: negative numbers are process groups. EINVAL, ESRCH, ENOMEM.
Result<> set_file_owner(Task& task, File& file, i32 who);
// F_GETOWN in the same way; 0 when there is nobody of that name any more.
i32 file_owner(const File& file);

// F_SETOWN_EX, F_GETOWN_EX
Result<> load_file_owner(Task& task, File& file, UserAddr from);
Result<> store_file_owner(const File& file, UserAddr to);

// F_SETSIG, F_GETSIG
Result<> set_file_signal(File& file, u64 signal);
u8 file_signal(const File& file);

// Owns the file from now on unless somebody does already.
Result<> own_if_nobody_does(Task& task, File& file);

// Whose readiness can be told by a signal.
bool can_be_asynchronous(const File& file);
// O_ASYNC was turned on or off; `fd` is the descriptor that signals will tell.
Result<> switch_asynchronous(Task& task, File& file, i32 fd, bool on);

}  // namespace narwhal
