// A lock that may be held for long and over sleeps. Never from interrupt context, never under a
// spinlock.
#pragma once

#include "kernel/sched/wait_queue.h"

namespace narwhal {

// Not a template, so that waiting is compiled once.
class MutexBase : NonCopyable {
 public:
  constexpr MutexBase() = default;
  bool held_by_current() const { return owner_.load(Order::kRelaxed) == current_thread(); }

 protected:
  void acquire(LockRank rank) {
    check_rank(rank);
    acquire_unranked();
    note_acquired(rank);
  }
  void acquire_unranked() {
    Thread* nobody = nullptr;
    if (!owner_.compare_exchange(nobody, current_thread(), Order::kAcquire)) acquire_slowly();
  }
  void release_unranked() {
    owner_.store(nullptr, Order::kSeqCst);  // before the look at waiters_
    if (waiters_.load(Order::kRelaxed) != 0) queue_.wake(PollEvents::kIn);
  }
  bool try_acquire(LockRank rank) {
    Thread* nobody = nullptr;
    if (!owner_.compare_exchange(nobody, current_thread(), Order::kAcquire)) return false;
    note_acquired(rank);
    return true;
  }
  void release(LockRank rank) {
    note_released(rank);
    release_unranked();
  }

 private:
  void acquire_slowly();
#ifdef NARWHAL_DEBUG
  static void check_rank(LockRank rank);
  static void note_acquired(LockRank rank);
  static void note_released(LockRank rank);
#else
  static void check_rank(LockRank) {}
  static void note_acquired(LockRank) {}
  static void note_released(LockRank) {}
#endif
  Atomic<Thread*> owner_{nullptr};
  Atomic<u32> waiters_{0};
  WaitQueue queue_;
};

template <LockRank Rank>
class TA_CAPABILITY("mutex") Mutex : public MutexBase {
  static_assert(!is_spinlock_rank(Rank));

 public:
  constexpr Mutex() = default;
  void lock() TA_ACQUIRE() { acquire(Rank); }
  bool try_lock() TA_TRY_ACQUIRE(true) { return try_acquire(Rank); }
  void unlock() TA_RELEASE() { release(Rank); }
  // For a lock of the same rank as one that is held, where the class says how it orders the two
  // (docs/lock-order.md).
  void lock_nested() TA_ACQUIRE() { acquire_unranked(); }
  void unlock_nested() TA_RELEASE() { release_unranked(); }
  void assert_held() const TA_ASSERT_HELD() { DEBUG_ASSERT(held_by_current()); }
};

template <typename M>
class TA_SCOPED Guard : NonCopyable {
 public:
  explicit Guard(M& mutex) TA_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Guard() TA_RELEASE() { mutex_.unlock(); }

 private:
  M& mutex_;
};

}  // namespace narwhal
