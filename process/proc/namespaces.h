// /proc/PID/ns: links to namespaces, of which there is one of each kind (namespaces(7)).
#pragma once

#include "fs/generated/generated.h"
#include "process/proc/subject.h"

namespace narwhal {

Result<Ref<Inode>> make_proc_namespace_directory(GeneratedFileSystem& fs, const ProcTarget& target,
                                                 u32 uid, u32 gid);

// Makes what the links lead to. ENOMEM.
Result<> namespace_files_init();

}  // namespace narwhal
