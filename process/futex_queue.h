// Who waits on which word: what process/futex*.cc share.
//
// A hash of queues. A bucket's spinlock guards its queue and the words themselves as far as the
// kernel changes them; two buckets are locked in order of their addresses. The words are read and
// changed with the lock held by accesses that never sleep: when the page is not there the lock is
// let go, the page fetched, and all begins again.
#pragma once

#include "process/futex.h"

namespace narwhal {

// Names a word: in private memory by address space and address, in shared memory by object and
// offset.
struct FutexKey {
  const void* owner = nullptr;
  u64 place = 0;
  // Keeps the object, so that nothing else gets its address while somebody waits. An address space
  // is kept by its tasks.
  Ref<MemoryObject> object;

  bool matches(const FutexKey& other) const { return owner == other.owner && place == other.place; }
  // EINVAL, EFAULT.
  static Result<FutexKey> of(Task& task, UserAddr address, bool shared);
};

// One wait, on the stack of the thread that waits. All but `bucket` is guarded by that bucket's
// lock.
struct FutexWaiter {
  ListNode node;
  Thread* thread = nullptr;
  FutexKey key;
  u32 bits = kFutexMatchAny;
  // Changes when it is moved to another word, with both buckets locked.
  Atomic<struct FutexBucket*> bucket{nullptr};
  Atomic<bool> woken{false};
  // Waits for a lock with an owner: the numbers of both.
  u32 tid = 0;
  u32 lock_owner = 0;  // 0: an ordinary waiter
  bool owner_ended = false;
};

struct FutexBucket {
  SpinLock<LockRank::kFutexBucket> lock;
  List<FutexWaiter, &FutexWaiter::node> waiters TA_GUARDED_BY(lock);

  static FutexBucket& of(const FutexKey& key);
  static std::span<FutexBucket> all();

  void enqueue(FutexWaiter& waiter) TA_REQUIRES(lock) {
    waiter.bucket.store(this);
    waiters.push_back(waiter);
  }
  // Takes it off the queue and lets its thread go on.
  void wake(FutexWaiter& waiter) TA_REQUIRES(lock);
};

// Locks the buckets of two words, which may be one.
class FutexBucketPair : NonCopyable {
 public:
  FutexBucketPair(FutexBucket& a, FutexBucket& b) TA_NO_ANALYSIS;
  ~FutexBucketPair() TA_NO_ANALYSIS;

 private:
  FutexBucket& low_;
  FutexBucket& high_;
  bool low_interrupts_;
  bool high_interrupts_ = false;
};

// Sleeps until one of the waiters has been woken, and takes the others off their queues. Succeeds
// with the index of the last one that was woken; else ETIMEDOUT, or EINTR.
Result<usize> futex_sleep(std::span<FutexWaiter> waiters, FutexDeadline deadline);
// Takes a waiter off its queue; false when it had been woken. After this nobody else touches it.
bool futex_dequeue(FutexWaiter& waiter);

// The end of a task that may own locks: their waiters look again.
void futex_owner_ended(Task& task);

}  // namespace narwhal
