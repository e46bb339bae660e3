// What becomes of a process that a signal ends with a core dump: core(5), proc(5).
#pragma once

#include "kernel/base/string.h"
#include "kernel/base/vector.h"
#include "process/process.h"

namespace narwhal {

// Bits of /proc/PID/coredump_filter.
namespace core_filter {
inline constexpr u32 kAnonymousPrivate = 1;
inline constexpr u32 kAnonymousShared = 2;
inline constexpr u32 kFilePrivate = 4;
inline constexpr u32 kFileShared = 8;
inline constexpr u32 kElfHeaders = 16;
inline constexpr u32 kAll = 0x1ff;
}  // namespace core_filter

// /proc/sys/kernel/core_pattern: at most 127 bytes. EINVAL never: what is longer is cut.
inline constexpr usize kCorePatternSize = 128;
struct CorePattern {
  char text[kCorePatternSize] = {};
  u8 size = 0;
  std::string_view view() const { return {text, size}; }
};
CorePattern core_pattern();
void set_core_pattern(std::string_view text);

// /proc/sys/kernel/core_uses_pid.
bool core_uses_pid();
void set_core_uses_pid(bool uses);

// /proc/sys/kernel/core_pipe_limit: how many dumps at a time may go to programs, which the dying
// processes then wait for; 0: any number, and nobody waits.
u32 core_pipe_limit();
void set_core_pipe_limit(u32 limit);

// RLIMIT_CORE of those whose dump goes to no program, whatever the pattern says.
inline constexpr u64 kNoCorePipe = 1;

// /proc/sys/fs/suid_dumpable: what PR_GET_DUMPABLE says of a process that changed its identity.
u32 suid_dumpable();
void set_suid_dumpable(u32 value);

// What a core file's name may tell.
struct CoreNameFacts {
  u32 pid, tid, uid, gid;
  u32 cpu;
  u32 dumpable;
  Signal signal;
  i64 wall_clock_seconds;
  u64 size_limit;
  std::string_view host_name;
  std::string_view command;     // comm
  std::string_view executable;  // path
};
// ENAMETOOLONG, ENOMEM.
Result<String> core_file_name(std::string_view pattern, bool with_pid, const CoreNameFacts& facts);
// What a pattern that begins with '|' starts: the program's path and its arguments, split at spaces
// before facts are put in, which may hold spaces of their own. ENOEXEC where there is none,
// ENAMETOOLONG, ENOMEM.
Result<Vector<String>> core_helper_arguments(std::string_view pattern, const CoreNameFacts& facts);

}  // namespace narwhal
