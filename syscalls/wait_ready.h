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
  WaitQueue* queue = file.poll_queue();
  if (!limits.may_wait || !queue) {
    auto done = attempt();
    if (events == kPollWritable && done.failed(Errno::kAgain)) file.note_lack_of_room();
    return done;
  }
  return block_until_ready(*queue, events, limits.deadline_ns, attempt,
                           {Errno::kAgain, limits.interrupted});
}

}  // namespace narwhal
