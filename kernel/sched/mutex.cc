#include "kernel/sched/mutex.h"

#include "kernel/sched/thread.h"

namespace narwhal {

void MutexBase::acquire_slowly() {
  DEBUG_ASSERT(!held_by_current());
  waiters_.fetch_add(1);
  {
    ScopedWait wait(queue_, PollEvents::kIn, /*exclusive=*/true);
    for (;;) {
      prepare_to_sleep();
      Thread* nobody = nullptr;
      if (owner_.compare_exchange(nobody, current_thread(), Order::kAcquire)) break;
      sleep(Interruptible::kNo).ignore();
    }
    cancel_sleep();
  }
  waiters_.fetch_sub(1);
}

#ifdef NARWHAL_DEBUG

namespace {
u64 rank_bit(LockRank rank) {
  return u64{1} << (u8(rank) - u8(LockRank::kMemoryObject));
}
}  // namespace

void MutexBase::check_rank(LockRank rank) {
  ASSERT(cpu_local().spinlock_depth == 0 && cpu_local().interrupt_depth == 0);
  // Nothing of this rank or a lower one may be held.
  if (const Thread* thread = current_thread())
    ASSERT((thread->held_mutex_ranks & (rank_bit(rank) * 2 - 1)) == 0);
}
void MutexBase::note_acquired(LockRank rank) {
  if (Thread* thread = current_thread()) thread->held_mutex_ranks |= rank_bit(rank);
}
void MutexBase::note_released(LockRank rank) {
  if (Thread* thread = current_thread()) thread->held_mutex_ranks &= ~rank_bit(rank);
}

#endif

}  // namespace narwhal
