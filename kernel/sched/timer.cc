#include "kernel/sched/timer.h"

#include "kernel/platform/cpu_local.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

// The timers of one CPU. What is taken off the heap is still "running" until its callback has
// returned, so that cancel() on another CPU can wait for it.
class alignas(64) TimerQueue {
 public:
  constexpr TimerQueue() = default;

  void insert(Timer& timer, u64 deadline_ns) TA_REQUIRES(lock_) {
    timer.deadline_ = deadline_ns;
    heap_.insert(timer);
  }
  void remove(Timer& timer) TA_REQUIRES(lock_) { heap_.remove(timer); }

  u64 run_due() {
    u64 now = platform::monotonic_ns();
    bool interrupts = lock_.lock();
    while (Timer* timer = heap_.first()) {
      if (timer->deadline_ > now) {
        now = platform::monotonic_ns();
        if (timer->deadline_ > now) break;
      }
      heap_.remove(*timer);
      running_.store(timer, Order::kRelease);
      timer->queue_.store(nullptr, Order::kRelease);
      lock_.unlock(interrupts);
      timer->callback_(*timer);  // may have ended the timer's life
      running_.store(nullptr, Order::kRelease);
      interrupts = lock_.lock();
    }
    const Timer* next = heap_.first();
    const u64 deadline = next ? next->deadline_ : platform::kNoDeadline;
    lock_.unlock(interrupts);
    return deadline;
  }

  bool running(const Timer& timer) const { return running_.load(Order::kAcquire) == &timer; }

  struct Earlier {
    static bool before(const Timer& a, const Timer& b) { return a.deadline_ < b.deadline_; }
  };
  SpinLock<LockRank::kTimers> lock_;
  // The interrupt asked for, 0 for none; for its CPU alone, with interrupts disabled.
  u64 requested_ns = 0;

 private:
  PairingHeap<Timer, &Timer::node_, Earlier> heap_ TA_GUARDED_BY(lock_);
  Atomic<Timer*> running_{nullptr};
};

namespace {
[[clang::no_destroy]] constinit TimerQueue timer_queues[kMaxCpus];
}  // namespace

TimerQueue* Timer::lock_queue(bool& interrupts) TA_NO_ANALYSIS {
  for (;;) {
    TimerQueue* queue = queue_.load(Order::kAcquire);
    if (!queue) return nullptr;
    interrupts = queue->lock_.lock();
    if (queue_.load(Order::kRelaxed) == queue) return queue;
    queue->lock_.unlock(interrupts);
  }
}

void Timer::arm(u64 deadline_ns) TA_NO_ANALYSIS {
  bool interrupts;
  if (TimerQueue* old = lock_queue(interrupts)) {
    old->remove(*this);
    queue_.store(nullptr, Order::kRelease);
    old->lock_.unlock(interrupts);
  }
  if (deadline_ns == platform::kNoDeadline) return;
  InterruptGuard no_interrupts;
  TimerQueue& mine = timer_queues[cpu_local().index];
  const bool were_enabled = mine.lock_.lock();
  TimerQueue* nobody = nullptr;
  // Somebody else arming it at the same time may have won; then that deadline stands.
  if (queue_.compare_exchange(nobody, &mine, Order::kAcqRel)) mine.insert(*this, deadline_ns);
  mine.lock_.unlock(were_enabled);
  request_timer_interrupt(deadline_ns);
}

bool Timer::cancel() TA_NO_ANALYSIS {
  bool was_armed = false;
  for (;;) {
    bool interrupts;
    if (TimerQueue* queue = lock_queue(interrupts)) {
      was_armed = true;
      queue->remove(*this);
      queue_.store(nullptr, Order::kRelease);
      queue->lock_.unlock(interrupts);
    }
    // The callback may run on another CPU, and arm the timer once more.
    bool running = false;
    for (u32 cpu = 0; cpu < platform::cpu_count(); ++cpu)
      if (timer_queues[cpu].running(*this) && cpu != cpu_local().index) running = true;
    if (!running && !armed()) return was_armed;
    __builtin_ia32_pause();
  }
}

u64 run_due_timers() {
  return timer_queues[cpu_local().index].run_due();
}

void request_timer_interrupt(u64 deadline_ns) {
  u64& requested_ns = timer_queues[cpu_local().index].requested_ns;
  if (requested_ns != 0 && deadline_ns >= requested_ns) return;
  requested_ns = deadline_ns;
  platform::set_timer(deadline_ns);
}

void renew_timer_interrupt(u64 deadline_ns) {
  timer_queues[cpu_local().index].requested_ns = 0;
  if (deadline_ns != platform::kNoDeadline) request_timer_interrupt(deadline_ns);
}

}  // namespace narwhal
