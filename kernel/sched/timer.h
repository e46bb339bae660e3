// Timers: a function called once a monotonic time has come.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/platform/machine.h"
#include "kernel/sched/pairing_heap.h"

namespace narwhal {

class TimerQueue;

// Owned by whoever embeds it; must be cancelled before it is destroyed. The callback runs in
// interrupt context with interrupts disabled and no lock held; it may arm the timer again.
//
// A timer waits on the queue of the CPU that armed it. Interrupts are not asked for more than
// needed: a cancelled timer leaves the machine's one-shot timer as it was, and its interrupt finds
// nothing to do.
class Timer : NonCopyable {
 public:
  constexpr explicit Timer(void (*callback)(Timer& timer)) : callback_(callback) {}
  ~Timer() { DEBUG_ASSERT(!armed()); }

  // Replaces an earlier deadline. kNoDeadline only cancels.
  void arm(u64 deadline_ns);
  // After it returns the callback does not run and will not, unless it is the callback itself that
  // calls. Returns whether the timer was armed. The caller may hold no lock that the callback
  // takes.
  bool cancel();
  bool armed() const { return queue_.load(Order::kAcquire) != nullptr; }
  u64 deadline() const { return deadline_; }

 private:
  friend class TimerQueue;
  // Locks the queue that the timer is on; nullptr when it is on none.
  TimerQueue* lock_queue(bool& interrupts);

  void (*callback_)(Timer&);
  u64 deadline_ = platform::kNoDeadline;
  HeapNode node_;
  // Changed from null by arm() and under the queue's lock otherwise.
  Atomic<TimerQueue*> queue_{nullptr};
};

// Runs what is due on this CPU; returns the deadline of the first timer that is left, or
// kNoDeadline. Interrupt context.
u64 run_due_timers();

// Makes sure that upcall::on_timer() comes to this CPU at `deadline_ns` or before. Asks the machine
// only when nothing as early was asked for. Interrupts are disabled.
void request_timer_interrupt(u64 deadline_ns);
// The interrupt that was asked for has come; asks for the next one, unless it is kNoDeadline.
void renew_timer_interrupt(u64 deadline_ns);

}  // namespace narwhal
