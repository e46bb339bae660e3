// The lock of the tree of names: which dentry is where, which mount covers what, where a process's
// root and working directory are.
//
// A path walk takes it once, shared, and then goes from name to name with plain pointers; whoever
// links, moves or unlinks a name takes it exclusively for a few instructions. Nothing sleeps while
// it is held and no program's memory is touched, so spinning is right: the kernel is not preempted.
// Interrupt handlers never take it. Rank kNames, as a spinlock.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/sync/lock_rank.h"
#include "kernel/sync/thread_safety.h"

namespace narwhal {

class TA_CAPABILITY("names lock") NamesLock : NonCopyable {
 public:
  constexpr NamesLock() = default;

  void lock_shared() NARWHAL_TSA(acquire_shared_capability()) {
    check_rank();
    for (;;) {
      i32 holders = holders_.load(Order::kRelaxed);
      if (holders >= 0 && holders_.compare_exchange(holders, holders + 1, Order::kAcquire)) break;
      __builtin_ia32_pause();
    }
    note_held();
  }
  void unlock_shared() NARWHAL_TSA(release_shared_capability()) {
    note_released();
    holders_.fetch_sub(1, Order::kRelease);
  }
  void lock() TA_ACQUIRE() {
    check_rank();
    for (;;) {
      i32 nobody = 0;
      if (holders_.compare_exchange(nobody, kWriter, Order::kAcquire)) break;
      __builtin_ia32_pause();
    }
    note_held();
  }
  void unlock() TA_RELEASE() {
    note_released();
    holders_.store(0, Order::kRelease);
  }
  // For code that is only called with the lock held, where the compiler can't see it.
  void assert_shared() const NARWHAL_TSA(assert_shared_capability()) {
    DEBUG_ASSERT(holders_.load(Order::kRelaxed) != 0);
  }

 private:
  static constexpr i32 kWriter = -1;
#ifdef NARWHAL_DEBUG
  static constexpr u64 kBit = u64{1} << u8(LockRank::kNames);
  static void check_rank() { ASSERT((cpu_local().held_lock_ranks & (kBit * 2 - 1)) == 0); }
  static void note_held() {
    cpu_local().held_lock_ranks |= kBit;
    ++cpu_local().spinlock_depth;
  }
  static void note_released() {
    cpu_local().held_lock_ranks &= ~kBit;
    --cpu_local().spinlock_depth;
  }
#else
  static void check_rank() {}
  static void note_held() { ++cpu_local().spinlock_depth; }
  static void note_released() { --cpu_local().spinlock_depth; }
#endif

  Atomic<i32> holders_{0};  // how many readers, or kWriter
};

extern NamesLock names_lock;

class TA_SCOPED NamesReadGuard : NonCopyable {
 public:
  NamesReadGuard() NARWHAL_TSA(acquire_shared_capability(names_lock)) { names_lock.lock_shared(); }
  ~NamesReadGuard() NARWHAL_TSA(release_generic_capability()) { names_lock.unlock_shared(); }
};

class TA_SCOPED NamesWriteGuard : NonCopyable {
 public:
  NamesWriteGuard() TA_ACQUIRE(names_lock) { names_lock.lock(); }
  ~NamesWriteGuard() TA_RELEASE() { names_lock.unlock(); }
};

}  // namespace narwhal
