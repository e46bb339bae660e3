// A call that waits: files say EAGAIN instead of sleeping (fs/core/file.h), and the call waits here
// until they say something else.
#pragma once

#include "fs/core/file.h"

namespace narwhal {

struct WaitLimits {
  bool may_wait = true;
  u64 deadline_ns = platform::kNoDeadline;
  // What a signal makes of the call. signal(7): calls with a time limit of their own are not
  // restarted.
  Errno interrupted = Errno::kRestartSys;
};

// Calls `attempt` until it says something else than EAGAIN. EAGAIN when it may not wait, and when
// the deadline has passed.
template <typename Attempt>
auto wait_ready(File& file, PollEvents events, const WaitLimits& limits, Attempt attempt)
    -> decltype(attempt()) {
  {
    auto first = attempt();
    if (!first.failed(Errno::kAgain) || !limits.may_wait) return first;
  }
  WaitQueue* queue = file.poll_queue();
  if (!queue) return Errno::kAgain;
  ScopedWait wait(*queue, events | PollEvents::kErr | PollEvents::kHup);
  for (;;) {
    prepare_to_sleep();
    auto again = attempt();
    if (!again.failed(Errno::kAgain)) {
      cancel_sleep();
      return again;
    }
    if (auto slept = sleep_until(limits.deadline_ns); !slept.ok())
      return slept.failed(Errno::kIntr) ? limits.interrupted : Errno::kAgain;
  }
}

}  // namespace narwhal
