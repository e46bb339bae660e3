// Locks with an owner: FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI.
#include "process/futex_queue.h"
#include "process/pid_table.h"

namespace narwhal {
namespace {

enum class Attempt : u8 { kOwned, kMustWait, kPageAway };

// Threads inside futex_lock_pi(), so that the end of a task costs nothing when there are none.
constinit Atomic<u32> lockers;

class CountedLocker : NonCopyable {
 public:
  CountedLocker() { lockers.fetch_add(1); }
  ~CountedLocker() { lockers.fetch_sub(1); }
};

// A task that is ending counts as gone: futex_owner_ended() may have passed already.
bool owner_lives(u32 tid) {
  SpinGuard guard(thread_list_lock);
  const Task* task = pid_table::task(tid);
  return task && !task->ending();
}

FutexWaiter* first_waiter(FutexBucket& bucket, const FutexKey& key) TA_REQUIRES(bucket.lock) {
  for (FutexWaiter& waiter : bucket.waiters)
    if (waiter.key.matches(key)) return &waiter;
  return nullptr;
}

// Stores `wanted` if the word is `found`; kMustWait when it has changed meanwhile.
Attempt exchange(UserAddr address, u32 found, u32 wanted) {
  auto before = platform::atomic_compare_exchange_user(address, found, wanted);
  if (!before.ok()) return Attempt::kPageAway;
  return before.value() == found ? Attempt::kOwned : Attempt::kMustWait;
}

// One attempt to own the word, under the bucket's lock. kMustWait: `owner` has it, and the word
// says that somebody waits (unless only tried). `inherits`: the caller waited for an owner who
// ended.
Result<Attempt> try_to_own(FutexBucket& bucket, const FutexKey& key, UserAddr address, u32 tid,
                           bool only_try, bool inherits, u32& owner) TA_REQUIRES(bucket.lock) {
  for (;;) {
    auto loaded = platform::atomic_load_user(address);
    if (!loaded.ok()) return Attempt::kPageAway;
    const u32 word = loaded.value();
    owner = word & kFutexTidMask;
    if (owner == tid) return Errno::kDeadLk;
    FutexWaiter* waiting = first_waiter(bucket, key);
    if (waiting && waiting->lock_owner == 0) return Errno::kInval;
    if (owner != 0 && !owner_lives(owner)) {
      // Nobody will ever unlock it. Those who waited when the owner ended get it; the others are
      // told that the word is nonsense.
      if (!inherits && !waiting) return Errno::kSrch;
      if (inherits) owner = 0;
    }
    Attempt attempt;
    if (owner == 0) {
      const u32 marks = inherits ? kFutexOwnerDied : word & kFutexOwnerDied;
      const u32 others = waiting ? kFutexWaiters : 0;
      attempt = exchange(address, word, tid | marks | others);
      if (attempt == Attempt::kOwned && waiting)
        for (FutexWaiter& waiter : bucket.waiters)
          if (waiter.key.matches(key)) waiter.lock_owner = tid;
      if (attempt != Attempt::kMustWait) return attempt;
    } else {
      if (only_try) return Attempt::kMustWait;
      attempt = exchange(address, word, word | kFutexWaiters);
      if (attempt == Attempt::kOwned) return Attempt::kMustWait;
      if (attempt == Attempt::kPageAway) return attempt;
    }
  }
}

}  // namespace

Result<> futex_lock_pi(Task& task, UserAddr address, FutexDeadline deadline, bool shared) {
  CountedLocker counted;
  bool inherits = false;
  for (;;) {
    FutexWaiter waiter;
    waiter.key = TRY(FutexKey::of(task, address, shared));
    waiter.thread = &task;
    waiter.tid = task.tid();
    FutexBucket& bucket = FutexBucket::of(waiter.key);
    Attempt attempt;
    {
      SpinGuard guard(bucket.lock);
      attempt = TRY(
          try_to_own(bucket, waiter.key, address, task.tid(), false, inherits, waiter.lock_owner));
      if (attempt == Attempt::kMustWait) bucket.enqueue(waiter);
    }
    if (attempt == Attempt::kOwned) return {};
    if (attempt == Attempt::kPageAway) {
      TRY(platform::prefault_user(address, true));
      continue;
    }
    auto slept = futex_sleep({&waiter, 1}, deadline);
    if (slept.failed(Errno::kIntr)) return Errno::kRestartNoIntr;
    if (!slept.ok()) return slept.error();
    if (!waiter.owner_ended) return {};  // handed over: the word names us already
    inherits = true;
  }
}

Result<> futex_try_lock_pi(Task& task, UserAddr address, bool shared) {
  const FutexKey key = TRY(FutexKey::of(task, address, shared));
  FutexBucket& bucket = FutexBucket::of(key);
  for (;;) {
    {
      SpinGuard guard(bucket.lock);
      u32 owner;
      const Attempt attempt = TRY(try_to_own(bucket, key, address, task.tid(), true, false, owner));
      if (attempt == Attempt::kOwned) return {};
      if (attempt == Attempt::kMustWait) return Errno::kAgain;
    }
    TRY(platform::prefault_user(address, true));
  }
}

Result<> futex_unlock_pi(Task& task, UserAddr address, bool shared) {
  const FutexKey key = TRY(FutexKey::of(task, address, shared));
  FutexBucket& bucket = FutexBucket::of(key);
  for (;;) {
    {
      SpinGuard guard(bucket.lock);
      auto loaded = platform::atomic_load_user(address);
      if (loaded.ok()) {
        const u32 word = loaded.value();
        if ((word & kFutexTidMask) != task.tid()) return Errno::kPerm;
        FutexWaiter* heir = first_waiter(bucket, key);
        if (heir && heir->lock_owner == 0) return Errno::kInval;
        // The heir unlocks through the kernel, whoever else waits, as on Linux.
        const Attempt attempt = exchange(address, word, heir ? heir->tid | kFutexWaiters : 0);
        if (attempt == Attempt::kMustWait) continue;  // changed: look again
        if (attempt == Attempt::kOwned) {
          if (heir) {
            const u32 owner = heir->tid;
            bucket.wake(*heir);
            for (FutexWaiter& waiter : bucket.waiters)
              if (waiter.key.matches(key)) waiter.lock_owner = owner;
          }
          return {};
        }
      }
    }
    TRY(platform::prefault_user(address, true));
  }
}

void futex_owner_ended(Task& task) {
  // Either the locker is seen here, or it sees that the task is ending.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (lockers.load() == 0) return;
  for (FutexBucket& bucket : FutexBucket::all()) {
    SpinGuard guard(bucket.lock);
    for (FutexWaiter* waiter = bucket.waiters.front(); waiter;) {
      FutexWaiter* next = bucket.waiters.next(*waiter);
      if (waiter->lock_owner == task.tid()) {
        waiter->owner_ended = true;
        bucket.wake(*waiter);
      }
      waiter = next;
    }
  }
}

}  // namespace narwhal
