// Process: a thread group, with what all its threads share beyond what clone(2) lets them choose.
#pragma once

#include "fs/core/vfs.h"
#include "kernel/sched/thread.h"
#include "process/signal_state.h"

namespace narwhal {

class Task;

// getrlimit(2): index by RLIMIT_*.
struct ResourceLimit {
  u64 soft = ~u64{0};
  u64 hard = ~u64{0};
};
inline constexpr usize kResourceLimits = 16;

class Process final : public RefCounted {
 public:
  u32 pid() const { return pid_; }
  u32 parent_pid() const;
  u32 group_id() const { return group_id_; }  // process group
  u32 session_id() const { return session_id_; }

  ResourceLimit limit(usize resource) const;
  u64 soft_limit(usize resource) const { return limit(resource).soft; }

  // The program's file, for /proc/PID/exe; its command line and environment are in its memory.
  Path executable() const;
  void set_executable(Path path);

 private:
  friend class Task;
  friend struct TaskBuilder;
  Process() = default;
  u32 pid_ = 0;
  u32 group_id_ = 0;
  u32 session_id_ = 0;
};

}  // namespace narwhal
