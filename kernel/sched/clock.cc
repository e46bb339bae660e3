#include "kernel/sched/clock.h"

#include "kernel/sched/clock_steering.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

constinit Atomic<i64> clock_internal::adjustment_ns{0};

namespace {

constinit SpinLock<LockRank::kClock> listeners_lock;
using ListenerList = List<ClockStepListener, &ClockStepListener::node>;
constinit ListenerList listeners TA_GUARDED_BY(listeners_lock);
constinit Atomic<i32> tai_offset{0};
constinit ClockSteering steering TA_GUARDED_BY(listeners_lock);
constinit const ClockPublisher* publisher = nullptr;

// A change of the clocks, as programs see it: they wait for its end.
class Change : NonCopyable {
 public:
  Change() {
    if (publisher) publisher->begin();
  }
  ~Change() {
    if (publisher) publisher->end();
  }
};

void tell_listeners() TA_REQUIRES(listeners_lock) {
  for (ClockStepListener& listener : listeners) listener.stepped(listener);
}

}  // namespace

void set_wall_clock(i64 ns) {
  SpinGuard guard(listeners_lock);
  {
    Change change;
    clock_internal::adjustment_ns.store(
        ns - i64(platform::monotonic_ns()) - platform::boot_wall_clock_ns(), Order::kRelease);
  }
  tell_listeners();
}

void start_following_reference() {
  SpinGuard guard(listeners_lock);
  platform::ReferenceTime reading;
  if (!platform::read_reference_time(reading)) return;
  const platform::TscClock clock = platform::tsc_clock();
  steering.start(reading, clock.mult != 0 ? clock.ns_at(reading.tsc) : platform::monotonic_ns());
}

void follow_reference() {
  SpinGuard guard(listeners_lock);
  if (!steering.is_due(platform::monotonic_ns())) [[likely]]
    return;
  i64 wall_step;
  {
    // Between the reading and the new clock, nobody reads the old one.
    Change change;
    platform::ReferenceTime reading;
    if (!platform::read_reference_time(reading)) return;
    platform::set_tsc_clock(steering.next(platform::tsc_clock(), reading));
    wall_step = steering.take_wall_step();
    clock_internal::adjustment_ns.fetch_add(wall_step, Order::kRelease);
  }
  if (wall_step != 0) tell_listeners();
}

void set_clock_publisher(const ClockPublisher& with) {
  SpinGuard guard(listeners_lock);
  publisher = &with;
  Change first;
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
