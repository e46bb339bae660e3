// The wall clock: the machine's at boot, plus the time since, plus what the program set
// (clock_settime(2)).
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/list.h"
#include "kernel/platform/machine.h"

namespace narwhal {

namespace clock_internal {
// Wall clock minus platform::monotonic_ns(); minus what boot_wall_clock_ns() says.
extern Atomic<i64> adjustment_ns;
}  // namespace clock_internal

// Nanoseconds since 1970 at monotonic time 0.
inline i64 wall_clock_offset_ns() {
  return platform::boot_wall_clock_ns() + clock_internal::adjustment_ns.load(Order::kRelaxed);
}
inline i64 wall_clock_ns() {
  return wall_clock_offset_ns() + i64(platform::monotonic_ns());
}
// The monotonic time at which the wall clock will show `ns`, 0 for times before boot. A later step
// of the clock changes the answer: see ClockStepListener.
inline u64 monotonic_from_wall_clock(i64 ns) {
  const i64 since_boot = ns - wall_clock_offset_ns();
  return since_boot > 0 ? u64(since_boot) : 0;
}

// Steps the wall clock, and tells the listeners. No spinlock held.
void set_wall_clock(i64 ns);

// From now on the clocks follow those of the machine's reference (clock_steering.h). How they are
// set by the program, its wall clock is by that much ahead of the host's, whatever happens to that.
void start_following_reference();
// Called where the CPU is in the kernel anyway, with interrupts off: nothing wakes up for it.
void follow_reference();

// Who gives the clocks to programs (the vDSO). Between `begin` and `end` they change.
struct ClockPublisher {
  void (*begin)();
  void (*end)();
};
void set_clock_publisher(const ClockPublisher& publisher);

// Told after each step of the wall clock: timers that wait for a wall-clock time, the vDSO's data.
// `stepped` runs under the clock's spinlock: it may arm timers and wake queues, nothing more.
struct ClockStepListener {
  ListNode node;
  void (*stepped)(ClockStepListener& listener) = nullptr;
};
void add_clock_listener(ClockStepListener& listener);
void remove_clock_listener(ClockStepListener& listener);

// International Atomic Time is that many seconds ahead of the wall clock (adjtimex(2)); 0 until the
// program says otherwise, as on Linux.
i32 tai_offset_s();
void set_tai_offset_s(i32 seconds);

}  // namespace narwhal
