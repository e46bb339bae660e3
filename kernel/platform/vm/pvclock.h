// KVM's clock for its guests (Linux's Documentation/virt/kvm/x86/msr.rst and arch/x86/include/asm/
// pvclock-abi.h): a page in which the host says how its time follows from the time-stamp counter.
// Plain arithmetic, tested on the host.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

// What the MSR MSR_KVM_SYSTEM_TIME_NEW makes the host fill in. `version` is odd while it writes.
struct PvClockTime {
  u32 version;
  u32 reserved0;
  u64 tsc_timestamp;      // counter at the moment of system_time
  u64 system_time;        // ns since the guest's boot
  u32 tsc_to_system_mul;  // 0.32
  i8 tsc_shift;
  u8 flags;
  u8 reserved1[2];
};
static_assert(sizeof(PvClockTime) == 32);

// The same for MSR_KVM_WALL_CLOCK_NEW: wall-clock time when system_time was 0.
struct PvClockWall {
  u32 version;
  u32 seconds;
  u32 nanoseconds;
};
static_assert(sizeof(PvClockWall) == 12);

constexpr i64 pvclock_wall_ns(const PvClockWall& wall) {
  return i64{wall.seconds} * 1'000'000'000 + i64{wall.nanoseconds};
}

// Ticks a second of the time-stamp counter; 0 when the host says nothing.
constexpr u64 pvclock_tsc_hz(const PvClockTime& time) {
  constexpr int kMostShift = 31;
  if (time.tsc_to_system_mul == 0 || time.tsc_shift > kMostShift || time.tsc_shift < -kMostShift)
    return 0;
  const auto unshifted = ((unsigned __int128){1'000'000'000} << 32) / time.tsc_to_system_mul;
  return u64(time.tsc_shift < 0 ? unshifted << -time.tsc_shift : unshifted >> time.tsc_shift);
}

// ns since the guest's boot at a value of the counter.
constexpr u64 pvclock_ns(const PvClockTime& time, u64 tsc) {
  if (tsc < time.tsc_timestamp) return time.system_time;
  const u64 delta = tsc - time.tsc_timestamp;
  const u64 shifted = time.tsc_shift < 0 ? delta >> -time.tsc_shift : delta << time.tsc_shift;
  return time.system_time + u64((unsigned __int128){shifted} * time.tsc_to_system_mul >> 32);
}

}  // namespace narwhal::vm
