#include "process/futex.h"

#include "process/futex_queue.h"

namespace narwhal {
namespace {

// Queues a waiter on a word that has `value` still. EAGAIN when it has not.
Result<> enqueue_if(FutexWaiter& waiter, UserAddr address, u32 value) {
  FutexBucket& bucket = FutexBucket::of(waiter.key);
  for (;;) {
    {
      SpinGuard guard(bucket.lock);
      auto found = platform::atomic_load_user(address);
      if (found.ok()) {
        if (found.value() != value) return Errno::kAgain;
        bucket.enqueue(waiter);
        return {};
      }
    }
    TRY(platform::prefault_user(address, false));
  }
}

Result<u32> wake_matching(FutexBucket& bucket, const FutexKey& key, i32 count, u32 bits)
    TA_REQUIRES(bucket.lock) {
  i32 woken = 0;
  for (FutexWaiter* waiter = bucket.waiters.front(); waiter;) {
    FutexWaiter* next = bucket.waiters.next(*waiter);
    if (waiter->key.matches(key)) {
      if (waiter->lock_owner != 0) return Errno::kInval;
      if (waiter->bits & bits) {
        bucket.wake(*waiter);
        if (++woken >= count) break;
      }
    }
    waiter = next;
  }
  return u32(woken);
}

// The operand of FUTEX_WAKE_OP, and the comparison that follows it (futex(2)).
struct WakeOperation {
  enum Kind : u32 { kSet, kAdd, kOr, kAndNot, kXor, kKinds };
  enum Comparison : u32 {
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kComparisons
  };
  u32 kind, comparison;
  i32 operand, compared;

  static Result<WakeOperation> parse(u32 encoded) {
    constexpr u32 kOperandIsShift = 8;
    WakeOperation op;
    op.kind = encoded >> 28 & 7;
    op.comparison = encoded >> 24 & 15;
    op.operand = i32(encoded << 8) >> 20;
    op.compared = i32(encoded << 20) >> 20;
    if (encoded >> 28 & kOperandIsShift) op.operand = i32(1u << (op.operand & 31));
    if (op.kind >= kKinds) return Errno::kNoSys;
    return op;
  }
  u32 apply(u32 old) const {
    const u32 n = u32(operand);
    switch (kind) {
      case kSet:
        return n;
      case kAdd:
        return old + n;
      case kOr:
        return old | n;
      case kAndNot:
        return old & ~n;
      default:
        return old ^ n;
    }
  }
  Result<bool> holds(u32 word) const {
    const i32 old = i32(word);
    switch (comparison) {
      case kEqual:
        return old == compared;
      case kNotEqual:
        return old != compared;
      case kLess:
        return old < compared;
      case kLessEqual:
        return old <= compared;
      case kGreater:
        return old > compared;
      case kGreaterEqual:
        return old >= compared;
      default:
        return Errno::kNoSys;
    }
  }
};

// Changes the word and returns what was there. EFAULT when the page is not there right now.
Result<u32> apply_to_word(UserAddr address, const WakeOperation& operation) {
  u32 old = TRY(platform::atomic_load_user(address));
  for (;;) {
    const u32 found =
        TRY(platform::atomic_compare_exchange_user(address, old, operation.apply(old)));
    if (found == old) return old;
    old = found;
  }
}

// The waiters of one wait for many words.
class WaiterArray : NonCopyable {
 public:
  explicit WaiterArray(usize size)
      : waiters_(new(std::nothrow) FutexWaiter[size]), size_(waiters_ ? size : 0) {}
  ~WaiterArray() { delete[] waiters_; }
  explicit operator bool() const { return waiters_ != nullptr; }
  std::span<FutexWaiter> all() { return {waiters_, size_}; }

 private:
  FutexWaiter* waiters_;
  usize size_;
};

}  // namespace

Result<u32> futex_wake(Task& task, UserAddr address, i32 count, u32 bits, bool shared) {
  if (bits == 0) return Errno::kInval;
  const FutexKey key = TRY(FutexKey::of(task, address, shared));
  FutexBucket& bucket = FutexBucket::of(key);
  SpinGuard guard(bucket.lock);
  return wake_matching(bucket, key, count, bits);
}

Result<> futex_wait(Task& task, UserAddr address, u32 value, FutexDeadline deadline, u32 bits,
                    bool shared) {
  if (bits == 0) return Errno::kInval;
  FutexWaiter waiter;
  waiter.key = TRY(FutexKey::of(task, address, shared));
  waiter.thread = &task;
  waiter.bits = bits;
  TRY(enqueue_if(waiter, address, value));
  auto slept = futex_sleep({&waiter, 1}, deadline);
  if (slept.ok()) return {};
  return slept.failed(Errno::kIntr) ? Errno::kRestartSys : slept.error();
}

Result<usize> futex_wait_any(Task& task, std::span<const FutexWaitEntry> entries,
                             FutexDeadline deadline) {
  WaiterArray array(entries.size());
  if (!array) return Errno::kNoMem;
  const auto waiters = array.all();
  for (usize i = 0; i < entries.size(); ++i) {
    waiters[i].key = TRY(FutexKey::of(task, entries[i].address, entries[i].shared));
    waiters[i].thread = &task;
  }
  for (usize i = 0; i < entries.size(); ++i) {
    auto queued = enqueue_if(waiters[i], entries[i].address, entries[i].value);
    if (queued.ok()) continue;
    // One of those before may have been woken by now: that counts more than the failure.
    usize woken = entries.size();
    for (usize before = 0; before < i; ++before)
      if (!futex_dequeue(waiters[before])) woken = before;
    if (woken < entries.size()) return woken;
    return queued.error();
  }
  auto slept = futex_sleep(waiters, deadline);
  if (slept.failed(Errno::kIntr)) return Errno::kRestartSys;
  return slept;
}

Result<FutexRequeued> futex_requeue(Task& task, const FutexRequeue& request) TA_NO_ANALYSIS {
  if (request.wake_count < 0 || request.requeue_count < 0) return Errno::kInval;
  const FutexKey from = TRY(FutexKey::of(task, request.from, request.from_shared));
  const FutexKey to = TRY(FutexKey::of(task, request.to, request.to_shared));
  FutexBucket& source = FutexBucket::of(from);
  FutexBucket& target = FutexBucket::of(to);
  for (;;) {
    {
      FutexBucketPair locked(source, target);
      bool readable = true;
      if (request.compare) {
        auto found = platform::atomic_load_user(request.from);
        readable = found.ok();
        if (readable && found.value() != request.expected) return Errno::kAgain;
      }
      if (readable) {
        FutexRequeued done{0, 0};
        for (FutexWaiter* waiter = source.waiters.front(); waiter;) {
          if (done.woken == u32(request.wake_count) && done.moved >= u32(request.requeue_count))
            break;
          FutexWaiter* next = source.waiters.next(*waiter);
          if (waiter->key.matches(from)) {
            if (waiter->lock_owner != 0) return Errno::kInval;
            if (done.woken < u32(request.wake_count)) {
              source.wake(*waiter);
              ++done.woken;
            } else {
              // Neither reference can be the last one: this function has both.
              waiter->key = to;
              if (&source != &target) {
                waiter->node.unlink();
                target.enqueue(*waiter);
              }
              ++done.moved;
            }
          }
          waiter = next;
        }
        return done;
      }
    }
    TRY(platform::prefault_user(request.from, false));
  }
}

Result<u32> futex_wake_op(Task& task, UserAddr first, UserAddr second, i32 first_count,
                          i32 second_count, u32 encoded, bool shared) TA_NO_ANALYSIS {
  const FutexKey first_key = TRY(FutexKey::of(task, first, shared));
  const FutexKey second_key = TRY(FutexKey::of(task, second, shared));
  const WakeOperation operation = TRY(WakeOperation::parse(encoded));
  FutexBucket& first_bucket = FutexBucket::of(first_key);
  FutexBucket& second_bucket = FutexBucket::of(second_key);
  for (;;) {
    {
      FutexBucketPair locked(first_bucket, second_bucket);
      auto old = apply_to_word(second, operation);
      if (old.ok()) {
        const bool also_second = TRY(operation.holds(old.value()));
        u32 woken = TRY(wake_matching(first_bucket, first_key, first_count, kFutexMatchAny));
        if (also_second)
          woken += TRY(wake_matching(second_bucket, second_key, second_count, kFutexMatchAny));
        return woken;
      }
    }
    TRY(platform::prefault_user(second, true));
  }
}

}  // namespace narwhal
