// Links of /proc/PID that lead to places rather than paths, and its directories of descriptors.
#pragma once

#include "fs/generated/generated.h"
#include "process/proc/subject.h"

namespace narwhal {

// "cwd", "root", "exe"; ENOENT for other names.
Result<Ref<Inode>> make_proc_place_link(GeneratedFileSystem& fs, const ProcTarget& target,
                                        std::string_view name);
Result<Ref<Inode>> make_proc_fd_directory(GeneratedFileSystem& fs, const ProcTarget& target,
                                          u32 uid, u32 gid);
Result<Ref<Inode>> make_proc_fdinfo_directory(GeneratedFileSystem& fs, const ProcTarget& target,
                                              u32 uid, u32 gid);

// Makes the mount through which files are reopened that have no path. ENOMEM.
Result<> proc_links_init();

}  // namespace narwhal
