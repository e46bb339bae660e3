// How a call waits for a file, which never sleeps itself (fs/core/file.h), and what signals a
// failed write sends besides its error.
#pragma once

#include "fs/core/inode.h"
#include "fs/core/lease.h"
#include "kernel/abi/resource.h"
#include "process/signals.h"
#include "syscalls/wait_ready.h"

namespace narwhal {

// Waits, unless told not to, until `attempt` says something else than EAGAIN.
template <typename Attempt>
auto attempt_on(File& file, PollEvents events, bool may_wait, Attempt attempt)
    -> decltype(attempt()) {
  WaitLimits limits;
  limits.may_wait = may_wait;
  return wait_ready(file, events, limits, attempt);
}

// Opens or truncates what others may have leases on: waits, if it may, until they let go.
template <typename Attempt>
auto attempt_with_leases(bool may_wait, Attempt attempt) -> decltype(attempt()) {
  for (;;) {
    auto done = attempt();
    if (!done.failed(Errno::kAgain) || !may_wait || !Leases::any_breaking()) return done;
    // Leases are also taken away when their time is over: so look again from time to time.
    const u64 deadline = platform::monotonic_ns() + kNanosPerSecond / 4;
    auto later = block_until_ready(Leases::queue(), PollEvents::kAll, deadline, attempt);
    if (!later.failed(Errno::kTimedOut)) return later;
  }
}

// SIGPIPE for writing where nobody reads (write(2)).
inline Errno broken_pipe_raised(Task& task, Errno error) {
  if (error == Errno::kPipe) raise_signal(task, Signal::kPipe);
  return error;
}

// A file that shall grow beyond RLIMIT_FSIZE: SIGXFSZ and EFBIG (setrlimit(2)).
inline Result<> check_size_limit(Task& task, Inode& inode, u64 size) {
  const u64 limit = task.process().soft_limit(abi::kLimitFileSize);
  if (size <= limit || !inode.is_regular()) return {};
  abi::Stat status;
  TRY(inode.stat(status));
  if (size <= u64(status.size)) return {};
  raise_signal(task, Signal::kXfsz);
  return Errno::kFBig;
}

}  // namespace narwhal
