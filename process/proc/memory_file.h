// /proc/PID/mem: a process's memory, at its addresses.
#pragma once

#include "fs/generated/generated.h"
#include "process/proc/subject.h"

namespace narwhal {

Result<Ref<Inode>> make_proc_memory_file(GeneratedFileSystem& fs, const ProcTarget& target, u32 uid,
                                         u32 gid);

}  // namespace narwhal
