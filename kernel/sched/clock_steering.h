// How the guest's clock follows the host's, which is corrected all the time (NTP) while the
// time-stamp counter goes on at its own pace. Plain arithmetic, the same in every home.
//
// Now and then the host's clocks are read together with the counter. Two such readings give the
// counter's true rate; the time by which the guest's clock is ahead or behind is made up for by a
// rate that differs by a sixteenth until it is right, so monotonic time never goes back and never
// leaps. A difference of more than a second is none of rates: the host slept, or was moved; then
// monotonic time goes on from where it is.
#pragma once

#include "kernel/platform/machine.h"

namespace narwhal {

class ClockSteering {
 public:
  // From the first reading on the guest's clock counts as right. `now_ns` is what it says at that.
  void start(const platform::ReferenceTime& first, u64 now_ns);

  // The clock as it shall be from the reading's end on, where it says the same as `clock`. One
  // without a rate, which is the host's own, comes back as it is. Called when is_due().
  platform::TscClock next(const platform::TscClock& clock, const platform::ReferenceTime& reading);
  // By how much the host's wall clock has been set since this was asked last, seen from the
  // guest's monotonic time: what the guest's wall clock has to be set by. 0 for less than a
  // millisecond.
  i64 take_wall_step();

  bool is_due(u64 now_ns) const { return now_ns >= due_ns_; }

 private:
  // The guest's monotonic time at a time of the host's clock.
  u64 guest_ns(u64 host_ns) const { return u64(i64(host_ns) - offset_); }

  platform::ReferenceTime last_{};
  i64 offset_ = 0;       // what the host's monotonic clock is ahead of the guest's
  i64 wall_offset_ = 0;  // the host's wall clock, less the guest's monotonic one
  i64 wall_step_ = 0;
  u64 due_ns_ = ~u64{0};
  u64 interval_ns_ = 0;
};

}  // namespace narwhal
