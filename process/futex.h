// futex(2): words of the program's memory that threads wait on.
#pragma once

#include "process/task.h"

namespace narwhal {

inline constexpr u32 kFutexMatchAny = ~u32{0};

// Wakes up to `count` waiters on a word; how many were woken. EINVAL (alignment), EFAULT.
// `shared`: the word may be in memory shared between address spaces, and the waiters elsewhere.
Result<u32> futex_wake(Task& task, UserAddr address, u32 count, u32 bits = kFutexMatchAny,
                       bool shared = true);
// Waits while the word has `value`. EAGAIN when it has not; ETIMEDOUT; kRestartSys when a signal
// came.
Result<> futex_wait(Task& task, UserAddr address, u32 value, u64 deadline_ns, u32 bits,
                    bool shared);
// Moves up to `requeue_count` waiters to another word after waking `wake_count`. `expected`: EAGAIN
// unless the first word has this value. Returns how many were woken and moved.
struct FutexRequeue {
  UserAddr from, to;
  u32 wake_count, requeue_count;
  bool compare = false;
  u32 expected = 0;
  bool shared = true;
};
struct FutexRequeued {
  u32 woken, moved;
};
Result<FutexRequeued> futex_requeue(Task& task, const FutexRequeue& request);
// FUTEX_WAKE_OP.
Result<u32> futex_wake_op(Task& task, UserAddr first, UserAddr second, u32 first_count,
                          u32 second_count, u32 operation, bool shared);
// futex_waitv(2): the index of the word that was woken.
struct FutexWaitEntry {
  UserAddr address;
  u32 value;
  bool shared;
};
inline constexpr usize kFutexWaitVMax = 128;
Result<usize> futex_wait_any(Task& task, std::span<const FutexWaitEntry> entries, u64 deadline_ns);

// The list of set_robust_list(2): locks that the ending task still holds become free and say that
// their owner died.
void release_robust_futexes(Task& task);

}  // namespace narwhal
