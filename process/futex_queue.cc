#include "process/futex_queue.h"

#include "kernel/sched/clock.h"

namespace narwhal {
namespace {

constexpr usize kBuckets = 256;
constinit FutexBucket buckets[kBuckets];

// Wakes the thread when the wall clock is set, so that it looks anew how long to sleep.
class WakeOnClockStep : public ClockStepListener {
 public:
  explicit WakeOnClockStep(const FutexDeadline& deadline) : thread_(*current_thread()) {
    if (!deadline.wall_clock || deadline.never()) return;
    stepped = [](ClockStepListener& listener) {
      wake_thread(static_cast<WakeOnClockStep&>(listener).thread_);
    };
    add_clock_listener(*this);
    added_ = true;
  }
  ~WakeOnClockStep() {
    if (added_) remove_clock_listener(*this);
  }

 private:
  Thread& thread_;
  bool added_ = false;
};

u64 monotonic_deadline(const FutexDeadline& deadline) {
  if (!deadline.wall_clock || deadline.never()) return deadline.ns;
  return monotonic_from_wall_clock(i64(deadline.ns));
}

bool any_woken(std::span<FutexWaiter> waiters) {
  for (const FutexWaiter& waiter : waiters)
    if (waiter.woken.load()) return true;
  return false;
}

Result<> sleep_until_any_woken(std::span<FutexWaiter> waiters, const FutexDeadline& deadline) {
  WakeOnClockStep look_again(deadline);
  for (;;) {
    prepare_to_sleep();
    if (any_woken(waiters)) {
      cancel_sleep();
      return {};
    }
    TRY(sleep_until(monotonic_deadline(deadline)));
  }
}

}  // namespace

Result<FutexKey> FutexKey::of(Task& task, UserAddr address, bool shared) {
  if (!is_aligned(address.value, sizeof(u32))) return Errno::kInval;
  if (!user_range_ok(address, sizeof(u32))) return Errno::kFault;
  FutexKey key;
  if (shared) {
    // The key of a shared word is the page behind it, so there has to be one (futex(2), EFAULT).
    if (!platform::atomic_load_user(address).ok()) TRY(platform::prefault_user(address, false));
    auto location = TRY(task.memory().shared_location(address));
    if (location.object) {
      key.owner = location.object.get();
      key.place = location.offset;
      key.object = std::move(location.object);
      return key;
    }
  }
  key.owner = &task.memory();
  key.place = address.value;
  return key;
}

FutexBucket& FutexBucket::of(const FutexKey& key) {
  return buckets[mix_hash(u64(reinterpret_cast<uptr>(key.owner)) ^ mix_hash(key.place)) % kBuckets];
}

std::span<FutexBucket> FutexBucket::all() {
  return buckets;
}

void FutexBucket::wake(FutexWaiter& waiter) {
  waiter.node.unlink();
  waiter.woken.store(true);
  // The thread takes this lock before it goes away, so it is there still.
  wake_thread(*waiter.thread);
}

FutexBucketPair::FutexBucketPair(FutexBucket& a, FutexBucket& b)
    : low_(&a < &b ? a : b), high_(&a < &b ? b : a), low_interrupts_(low_.lock.lock()) {
  if (&low_ != &high_) high_interrupts_ = high_.lock.lock_nested();
}

FutexBucketPair::~FutexBucketPair() {
  if (&low_ != &high_) high_.lock.unlock_nested(high_interrupts_);
  low_.lock.unlock(low_interrupts_);
}

bool futex_dequeue(FutexWaiter& waiter) {
  for (;;) {
    FutexBucket* bucket = waiter.bucket.load();
    if (!bucket) return true;  // never was on a queue
    SpinGuard guard(bucket->lock);
    if (waiter.bucket.load() != bucket) continue;  // moved just now
    if (waiter.woken.load()) return false;
    waiter.node.unlink();
    return true;
  }
}

Result<usize> futex_sleep(std::span<FutexWaiter> waiters, FutexDeadline deadline) {
  auto slept = sleep_until_any_woken(waiters, deadline);
  usize woken = waiters.size();
  for (usize i = 0; i < waiters.size(); ++i)
    if (!futex_dequeue(waiters[i])) woken = i;
  if (woken < waiters.size()) return woken;
  return slept.error();
}

}  // namespace narwhal
