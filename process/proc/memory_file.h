// /proc/PID/mem: a process's memory, at its addresses; /proc/PID/pagemap.
#pragma once

#include "fs/generated/generated.h"
#include "process/proc/subject.h"

namespace narwhal {

Result<Ref<Inode>> make_proc_memory_file(GeneratedFileSystem& fs, const ProcTarget& target, u32 uid,
                                         u32 gid);

// /proc/PID/pagemap: which of a process's pages are there, and in which frames.
Result<Ref<Inode>> make_proc_page_map(GeneratedFileSystem& fs, const ProcTarget& target, u32 uid,
                                      u32 gid);

}  // namespace narwhal
