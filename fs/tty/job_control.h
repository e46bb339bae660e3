// What terminals ask about processes, credentials(7) and setpgid(2). The answers are process/'s,
// which stands above: it gives these functions when the machine starts. Until then nobody is in the
// background and no signal is sent.
#pragma once

#include "fs/core/credentials.h"
#include "kernel/abi/signal.h"
#include "kernel/base/types.h"

namespace narwhal {

struct JobControl {
  // Of the calling process; 0 for the kernel's own threads.
  u32 (*current_process)() = nullptr;
  u32 (*current_group)() = nullptr;
  u32 (*current_session)() = nullptr;
  // The calling process has given its session's terminal up for itself (TIOCNOTTY).
  bool (*current_left_terminal)() = nullptr;
  void (*current_leaves_terminal)() = nullptr;
  // Of the calling thread.
  u32 (*current_user)() = nullptr;
  bool (*current_can)(Capability capability) = nullptr;
  void (*signal_process)(u32 process, Signal signal) = nullptr;
  // To every process of a group.
  void (*signal_group)(u32 group, Signal signal) = nullptr;
  // Whether the caller blocks a signal, or its process ignores it.
  bool (*current_ignores)(Signal signal) = nullptr;
  // No member has a parent in another group of the same session, so nobody could continue it.
  bool (*group_is_orphaned)(u32 group) = nullptr;
  // 0 when there is no such group.
  u32 (*session_of_group)(u32 group) = nullptr;
};

void set_job_control(const JobControl& functions);
const JobControl& job_control();

}  // namespace narwhal
