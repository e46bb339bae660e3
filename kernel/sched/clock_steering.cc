#include "kernel/sched/clock_steering.h"

namespace narwhal {
namespace {

using platform::TscClock;

// The first rate is known to some ten parts in a million only, so the first readings come soon.
constexpr u64 kFirstInterval = kNanosPerSecond / 4, kLastInterval = 8 * kNanosPerSecond;
constexpr i64 kMostSlewed = i64(kNanosPerSecond);
constexpr i64 kLeastWallStep = i64(kNanosPerMilli);
// A rate that differs by more than one in a hundred was measured while the host did other things.
constexpr u64 kMostDeviation = 100;

u64 distance(u64 a, u64 b) {
  return a > b ? a - b : b - a;
}

bool is_plausible(const TscClock& before, const TscClock& measured) {
  const u64 old_rate = u64{before.mult} << (32 - before.shift);
  const u64 new_rate = u64{measured.mult} << (32 - measured.shift);
  return distance(old_rate, new_rate) < old_rate / kMostDeviation;
}

}  // namespace

void ClockSteering::start(const platform::ReferenceTime& first, u64 now_ns) {
  last_ = first;
  offset_ = i64(first.ns - now_ns);
  wall_offset_ = first.wall_ns - i64(now_ns);
  interval_ns_ = kFirstInterval;
  due_ns_ = now_ns + interval_ns_;
}

TscClock ClockSteering::next(const TscClock& clock, const platform::ReferenceTime& reading) {
  const u64 tsc = reading.read_at;
  TscClock after = clock;
  if (clock.mult != 0) {
    // The rate, from the last reading to this one.
    if (reading.ns > last_.ns && reading.tsc > last_.tsc) {
      TscClock measured = clock;
      measured.set_rate(reading.tsc - last_.tsc, reading.ns - last_.ns);
      if (is_plausible(clock, measured)) after = measured;
    }
    // What the host's clock says now, and ours.
    const u64 now = clock.ns_at(tsc);
    u64 right = guest_ns(reading.ns) + after.ns_of(tsc - reading.tsc);
    if (const i64 ahead = i64(right - now); ahead > kMostSlewed || ahead < -kMostSlewed) {
      offset_ += ahead;
      right = now;
    }
    // Both meet after sixteen times as long as they are apart.
    const u64 until = distance(right, now) * TscClock::kSlewPart;
    after.base_tsc = tsc + after.ticks_of(until);
    after.base_ns = right + after.ns_of(after.base_tsc - tsc);
    after.set_slew(right > now   ? TscClock::Slew::kFaster
                   : right < now ? TscClock::Slew::kSlower
                                 : TscClock::Slew::kNone);
    // Rounding may have taken a nanosecond or two.
    if (const u64 start = after.ns_at(tsc); start < now) after.base_ns += now - start;
  }
  last_ = reading;
  const u64 now_ns = guest_ns(reading.ns);
  const i64 wall_offset = reading.wall_ns - i64(now_ns);
  const i64 step = wall_offset - wall_offset_;
  if (step >= kLeastWallStep || step <= -kLeastWallStep) {
    wall_step_ += step;
    wall_offset_ = wall_offset;
  }
  if (interval_ns_ < kLastInterval) interval_ns_ *= 2;
  due_ns_ = now_ns + interval_ns_;
  return after;
}

i64 ClockSteering::take_wall_step() {
  const i64 step = wall_step_;
  wall_step_ = 0;
  return step;
}

}  // namespace narwhal
