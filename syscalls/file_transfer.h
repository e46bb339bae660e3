// Reading and writing as read(2), write(2) and their relatives do it, waiting where they wait.
// Rights to the descriptor and the range of offsets are the caller's business.
#pragma once

#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// Where a transfer takes place: at an offset, or where the file stands.
struct TransferPlace {
  bool positioned = false;
  u64 offset = 0;
};

// RWF_* of preadv2(2): EOPNOTSUPP for what is not known, and for what a file in memory has no use
// for, as Linux's tmpfs says it.
Result<> check_transfer_flags(const File& file, u32 flags);
SysResult read_file(File& file, IoBuffer& to, TransferPlace place, u32 flags = 0);
SysResult write_file(Task& task, File& file, IoBuffer& from, TransferPlace place, u32 flags = 0);
// One piece of the program's memory. EFAULT when it does not lie in the program's half.
Result<UserBuffer> checked_buffer(UserAddr address, usize size);

}  // namespace narwhal
