// Time from the time-stamp counter.
#pragma once

#include <bit>

#include "kernel/base/atomic.h"
#include "kernel/base/types.h"

namespace narwhal::platform {

// From `base_tsc` on, ns = base_ns + (((tsc - base_tsc) * mult) >> shift). Before it, with
// `slew_mult` for `mult`: where the clock was ahead or behind, the two lines meet at the base. The
// vDSO computes the same.
struct TscClock {
  u64 base_tsc;
  u64 base_ns;
  u32 mult;
  u32 shift;
  u32 slew_mult;

  // The slewed rate differs by that part.
  static constexpr u32 kSlewPart = 16;
  enum class Slew { kNone, kFaster, kSlower };

  u64 ns_of(u64 ticks) const { return scaled(ticks, mult); }
  u64 ticks_of(u64 ns) const {
    const u32 zeros = u32(std::countl_zero(ns));
    const u32 up = zeros < shift ? zeros : shift;
    return (ns << up) / mult << (shift - up);
  }
  u64 ns_at(u64 tsc) const {
    const u64 since = tsc - base_tsc;
    if (i64(since) < 0) [[unlikely]]
      return base_ns - scaled(0 - since, slew_mult);
    return base_ns + scaled(since, mult);
  }
  // The most exact `mult` that fits, and leaves room for a faster one, for a counter of `ticks` in
  // `ns` nanoseconds.
  void set_rate(u64 ticks, u64 ns) {
    while (ns >> 31 != 0) {
      ns >>= 1;
      ticks >>= 1;
    }
    shift = 32;
    while ((ns << shift) / ticks > 0xf000'0000) --shift;
    mult = slew_mult = u32((ns << shift) / ticks);
  }
  void set_slew(Slew slew) {
    const u32 part = slew == Slew::kNone ? 0 : mult / kSlewPart;
    slew_mult = slew == Slew::kSlower ? mult - part : mult + part;
  }

 private:
  u64 scaled(u64 ticks, u32 by) const { return u64((unsigned __int128){ticks} * by >> shift); }
};

// One that changes now and then, while others read it: the two take turns. Changed by one at a
// time.
class LatchedTscClock {
 public:
  constexpr LatchedTscClock() = default;
  TscClock get() const {
    for (;;) {
      const u32 turn = turn_.load(Order::kAcquire);
      const TscClock clock = clocks_[turn % 2];
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      if (turn_.load(Order::kRelaxed) == turn) [[likely]]
        return clock;
    }
  }
  void set(const TscClock& clock) {
    const u32 next = turn_.load(Order::kRelaxed) + 1;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    clocks_[next % 2] = clock;
    turn_.store(next, Order::kRelease);
  }

 private:
  TscClock clocks_[2] = {};
  Atomic<u32> turn_{0};
};

}  // namespace narwhal::platform
