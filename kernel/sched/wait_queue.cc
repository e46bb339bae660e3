#include "kernel/sched/wait_queue.h"

#include "kernel/sched/before_sleep.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/timer.h"

namespace narwhal {

void WaitQueue::add(Waiter& waiter) {
  SpinGuard guard(lock_);
  if (waiter.exclusive)
    waiters_.push_back(waiter);
  else
    waiters_.push_front(waiter);
  count_.store(count_.load(Order::kRelaxed) + 1);
}

void WaitQueue::remove(Waiter& waiter) {
  SpinGuard guard(lock_);
  if (!waiter.node.linked()) return;
  waiter.node.unlink();
  count_.store(count_.load(Order::kRelaxed) - 1, Order::kRelaxed);
}

bool WaitQueue::wake_waiters(PollEvents events, usize max_exclusive) {
  bool used_up = false;
  usize exclusive_left = max_exclusive;
  for (Waiter* waiter = waiters_.front(); waiter;) {
    Waiter* next = waiters_.next(*waiter);
    if (has(waiter->mask, events)) {
      const bool exclusive = waiter->exclusive;
      if (waiter->on_wake(*waiter, events)) {
        used_up = true;
        if (exclusive && --exclusive_left == 0) break;
      }
    }
    waiter = next;
  }
  return used_up;
}

inline bool WaitQueue::anybody_waits() const {
  // A full barrier. Compilers make mfence of __atomic_thread_fence(), which takes four times as
  // long as a locked instruction (which is one too: Intel's manual, volume 3, section 9.2.3.9).
  asm volatile("lock orl $0, (%%rsp)" ::: "memory", "cc");
  return count_.load(Order::kRelaxed) != 0;
}

void WaitQueue::wake(PollEvents events, usize max_exclusive) {
  if (!anybody_waits()) return;
  if (has(events, PollEvents::kErr | PollEvents::kHup)) max_exclusive = ~usize{0};
  SpinGuard guard(lock_);
  wake_waiters(events, max_exclusive);
}

bool WaitQueue::wake_nested(PollEvents events, usize max_exclusive) TA_NO_ANALYSIS {
  if (!anybody_waits()) return false;
  if (has(events, PollEvents::kErr | PollEvents::kHup)) max_exclusive = ~usize{0};
  const bool interrupts = lock_.lock_nested();
  const bool used_up = wake_waiters(events, max_exclusive);
  lock_.unlock_nested(interrupts);
  return used_up;
}

ScopedWait::ScopedWait(WaitQueue& queue, PollEvents events, bool exclusive) : queue_(queue) {
  waiter_.mask = events;
  waiter_.exclusive = exclusive;
  waiter_.thread = current_thread();
  waiter_.on_wake = [](Waiter& waiter, PollEvents) {
    auto& mine = static_cast<ThreadWaiter&>(waiter);
    mine.woken = true;
    // False when the thread runs already: it will look again by itself, and an event meant for one
    // waiter goes to the next.
    return wake_thread(*mine.thread);
  };
  queue_.add(waiter_);
}

ScopedWait::~ScopedWait() {
  queue_.remove(waiter_);
}

void prepare_to_sleep() {
  Scheduler::announce_sleep(*current_thread());
}

void cancel_sleep() {
  Scheduler::cancel_sleep(*current_thread());
}

namespace {

struct SleepTimer : Timer {
  explicit SleepTimer(Thread& t)
      : Timer([](Timer& timer) { wake_thread(static_cast<SleepTimer&>(timer).thread); }),
        thread(t) {}
  Thread& thread;
};

constinit Atomic<void (*)()> before_sleep{nullptr};

void leave_cpu() {
  if (before_sleep.load(Order::kRelaxed)) [[unlikely]]
    if (auto function = before_sleep.exchange(nullptr)) function();
  InterruptGuard no_interrupts;
  Scheduler::schedule(Scheduler::Leaving::kSleeping);
}

}  // namespace

void call_before_sleep(void (*function)()) {
  before_sleep.store(function);
}

// The reasons to end the wait are looked at before sleeping, not after: whoever slept tries once
// more what it wants, and what happened together with the deadline or the signal is not lost.
Result<> sleep_until(u64 deadline_ns, Interruptible interruptible) {
  Thread& self = *current_thread();
  if (interruptible == Interruptible::kYes && self.interrupted()) {
    cancel_sleep();
    return Errno::kIntr;
  }
  if (deadline_ns == platform::kNoDeadline) {
    leave_cpu();
    return {};
  }
  if (platform::monotonic_ns() >= deadline_ns) {
    cancel_sleep();
    return Errno::kTimedOut;
  }
  SleepTimer timer(self);
  timer.arm(deadline_ns);
  leave_cpu();
  timer.cancel();
  return {};
}

}  // namespace narwhal
