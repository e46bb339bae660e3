// A lock for a few instructions: spins, with interrupts off on this CPU. Nothing may sleep while it
// is held.
//
//   SpinGuard guard(lock_);
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/sync/lock_rank.h"
#include "kernel/sync/thread_safety.h"

namespace narwhal {

template <LockRank Rank>
class TA_CAPABILITY("spinlock") SpinLock : NonCopyable {
  static_assert(is_spinlock_rank(Rank));

 public:
  constexpr SpinLock() = default;

  // Returns whether interrupts were enabled, for unlock().
  [[nodiscard]] bool lock() TA_ACQUIRE() {
    bool were_enabled = platform::interrupts_save_disable();
    while (locked_.exchange(true, Order::kAcquire)) __builtin_ia32_pause();
    ++cpu_local().spinlock_depth;
    check_rank();
    return were_enabled;
  }
  void unlock(bool interrupts_were_enabled) TA_RELEASE() {
#ifdef NARWHAL_DEBUG
    cpu_local().held_lock_ranks &= ~(u64{1} << u8(Rank));
#endif
    --cpu_local().spinlock_depth;
    locked_.store(false, Order::kRelease);
    platform::interrupts_restore(interrupts_were_enabled);
  }
  // For a lock of the same rank as one that is held, where the class says how it orders the two.
  [[nodiscard]] bool lock_nested() TA_ACQUIRE() {
    bool were_enabled = platform::interrupts_save_disable();
    while (locked_.exchange(true, Order::kAcquire)) __builtin_ia32_pause();
    ++cpu_local().spinlock_depth;
    return were_enabled;
  }
  void unlock_nested(bool interrupts_were_enabled) TA_RELEASE() {
    --cpu_local().spinlock_depth;
    locked_.store(false, Order::kRelease);
    platform::interrupts_restore(interrupts_were_enabled);
  }
  bool held() const { return locked_.load(Order::kRelaxed); }

 private:
  void check_rank() {
#ifdef NARWHAL_DEBUG
    u64& held = cpu_local().held_lock_ranks;
    ASSERT((held & ((u64{2} << u8(Rank)) - 1)) == 0);
    held |= u64{1} << u8(Rank);
#endif
  }
  Atomic<bool> locked_{false};
};

template <LockRank Rank>
class TA_SCOPED SpinGuard : NonCopyable {
 public:
  explicit SpinGuard(SpinLock<Rank>& lock) TA_ACQUIRE(lock) : lock_(lock), on_(lock.lock()) {}
  ~SpinGuard() TA_RELEASE() {
    if (!released_) lock_.unlock(on_);
  }
  // Gives the lock back before the end of the scope.
  void release() TA_RELEASE() {
    released_ = true;
    lock_.unlock(on_);
  }

 private:
  SpinLock<Rank>& lock_;
  bool on_;
  bool released_ = false;
};

}  // namespace narwhal
