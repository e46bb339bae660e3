#include "kernel/sched/clock.h"

#include "kernel/sync/spinlock.h"

namespace narwhal {

constinit Atomic<i64> clock_internal::adjustment_ns{0};

namespace {

constinit SpinLock<LockRank::kClock> listeners_lock;
using ListenerList = List<ClockStepListener, &ClockStepListener::node>;
constinit ListenerList listeners TA_GUARDED_BY(listeners_lock);
constinit Atomic<i32> tai_offset{0};

}  // namespace

void set_wall_clock(i64 ns) {
  SpinGuard guard(listeners_lock);
  clock_internal::adjustment_ns.store(
      ns - i64(platform::monotonic_ns()) - platform::boot_wall_clock_ns(), Order::kRelease);
  for (ClockStepListener& listener : listeners) listener.stepped(listener);
}

void add_clock_listener(ClockStepListener& listener) {
  SpinGuard guard(listeners_lock);
  listeners.push_back(listener);
}

void remove_clock_listener(ClockStepListener& listener) {
  SpinGuard guard(listeners_lock);
  if (listener.node.linked()) listener.node.unlink();
}

i32 tai_offset_s() {
  return tai_offset.load(Order::kRelaxed);
}
void set_tai_offset_s(i32 seconds) {
  tai_offset.store(seconds, Order::kRelaxed);
}

}  // namespace narwhal
