// The text files of /proc/PID and /proc/PID/task/TID, as a table.
#pragma once

#include "fs/generated/generated.h"
#include "process/proc/subject.h"

namespace narwhal {

struct ProcFileKind {
  std::string_view name;
  u32 mode;
  Result<> (*show)(const ProcSubject& subject, TextSink& out);
  Result<> (*store)(const ProcSubject& subject, std::string_view text) = nullptr;
  bool guarded = false;  // opens only for who may inspect the process: EACCES
  bool in_task = true;   // in /proc/PID/task/TID too
  TextChanges* changes = nullptr;
  Result<i64> (*control)(const ProcSubject& subject, u32 command, UserAddr argument) = nullptr;
};

std::span<const ProcFileKind> proc_status_files();   // status, stat, statm, sched, ...
std::span<const ProcFileKind> proc_memory_files();   // maps, smaps, cmdline, environ, auxv
std::span<const ProcFileKind> proc_mount_files();    // mounts, mountinfo, mountstats
void proc_watch_mounts();                            // for those who poll(2) them
std::span<const ProcFileKind> proc_setting_files();  // comm, limits, oom_score_adj, ...

}  // namespace narwhal
