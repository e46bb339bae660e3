// Timers: a function called once a monotonic time has come.
#pragma once

#include "kernel/base/list.h"
#include "kernel/platform/machine.h"

namespace narwhal {

// Owned by whoever embeds it; must be cancelled before it is destroyed. The callback runs in
// interrupt context with interrupts disabled and no lock held; it may arm the timer again.
class Timer : NonCopyable {
 public:
  constexpr explicit Timer(void (*callback)(Timer& timer)) : callback_(callback) {}
  ~Timer();

  // Replaces an earlier deadline.
  void arm(u64 deadline_ns);
  // After it returns the callback does not run and will not. Returns whether the timer was armed.
  bool cancel();
  bool armed() const { return heap_index_ != kNotQueued; }
  u64 deadline() const { return deadline_; }

 private:
  friend class TimerQueue;
  static constexpr u32 kNotQueued = ~u32{0};
  void (*callback_)(Timer&);
  u64 deadline_ = platform::kNoDeadline;
  u32 heap_index_ = kNotQueued;
  // Links of a pairing heap (sched/timer.cc).
  Timer* child_ = nullptr;
  Timer* sibling_ = nullptr;
  Timer* previous_ = nullptr;
};

// Runs what is due and asks the home for the next interrupt. Called from upcall::on_timer().
void run_due_timers();

}  // namespace narwhal
