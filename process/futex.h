// futex(2): words of the program's memory that threads wait on.
//
// Words are 32 bits and aligned (EINVAL). `shared`: the word may be in memory shared between
// address spaces, and the others elsewhere; a word of a private mapping is then found all the same.
#pragma once

#include "process/task.h"

namespace narwhal {

inline constexpr u32 kFutexMatchAny = ~u32{0};

// A word's upper bits as the kernel knows them (robust and priority-inheritance futexes).
inline constexpr u32 kFutexWaiters = 0x8000'0000;
inline constexpr u32 kFutexOwnerDied = 0x4000'0000;
inline constexpr u32 kFutexTidMask = 0x3fff'ffff;

// When a wait ends: a time of the monotonic clock, or of the wall clock, whose steps it follows.
struct FutexDeadline {
  u64 ns = platform::kNoDeadline;
  bool wall_clock = false;
  bool never() const { return ns == platform::kNoDeadline; }
};

// Wakes up to `count` waiters on a word, at least one (as Linux does, even for a count of 0); how
// many were woken. EINVAL (alignment, no bits, the waiters wait for a PI lock), EFAULT.
Result<u32> futex_wake(Task& task, UserAddr address, i32 count, u32 bits = kFutexMatchAny,
                       bool shared = true);
// Waits while the word has `value`. EAGAIN when it has not; ETIMEDOUT; kRestartSys when a signal
// came.
Result<> futex_wait(Task& task, UserAddr address, u32 value, FutexDeadline deadline, u32 bits,
                    bool shared);
// Moves up to `requeue_count` waiters to another word after waking `wake_count`. `expected`: EAGAIN
// unless the first word has this value. Returns how many were woken and moved.
struct FutexRequeue {
  UserAddr from, to;
  i32 wake_count, requeue_count;
  bool compare = false;
  u32 expected = 0;
  bool from_shared = true, to_shared = true;
};
struct FutexRequeued {
  u32 woken, moved;
};
Result<FutexRequeued> futex_requeue(Task& task, const FutexRequeue& request);
// FUTEX_WAKE_OP. ENOSYS for an operation that there is none of.
Result<u32> futex_wake_op(Task& task, UserAddr first, UserAddr second, i32 first_count,
                          i32 second_count, u32 operation, bool shared);
// futex_waitv(2): the index of the word that was woken.
struct FutexWaitEntry {
  UserAddr address;
  u32 value;
  bool shared;
};
inline constexpr usize kFutexWaitVMax = 128;
Result<usize> futex_wait_any(Task& task, std::span<const FutexWaitEntry> entries,
                             FutexDeadline deadline);

// --- locks with an owner (FUTEX_LOCK_PI and its kin). The word holds the owner's number. The owner
// inherits no priority, since nobody has more of it here than fairness gives.

// EDEADLK (own it already), ESRCH (the owner is no more), ETIMEDOUT, kRestartNoIntr.
Result<> futex_lock_pi(Task& task, UserAddr address, FutexDeadline deadline, bool shared);
// EAGAIN when somebody else has it.
Result<> futex_try_lock_pi(Task& task, UserAddr address, bool shared);
// EPERM for all but the owner.
Result<> futex_unlock_pi(Task& task, UserAddr address, bool shared);

// --- the end of a task

// The list of set_robust_list(2): locks that the ending task still holds become free and say that
// their owner died. Who waits for a lock with an owner is told too.
void release_robust_futexes(Task& task);

}  // namespace narwhal
