#include "kernel/platform/vm/pvclock.h"

#include <gtest/gtest.h>

namespace narwhal::vm {
namespace {

// As KVM computes them (kvm_get_time_scale): the multiplier lies in [2^31, 2^32).
PvClockTime scale_for(u64 hz) {
  PvClockTime time{};
  u64 base = hz;
  while (base > 2'000'000'000) base >>= 1, --time.tsc_shift;
  while (base <= 1'000'000'000) base <<= 1, ++time.tsc_shift;
  time.tsc_to_system_mul = u32(((unsigned __int128){1'000'000'000} << 32) / base);
  return time;
}

TEST(PvClock, FrequencyComesBack) {
  for (const u64 hz : {u64{900'000'000}, u64{1'000'000'001}, u64{2'000'000'000}, u64{2'499'999'000},
                       u64{3'700'000'000}, u64{5'200'000'000}}) {
    const u64 found = pvclock_tsc_hz(scale_for(hz));
    EXPECT_LT(found > hz ? found - hz : hz - found, hz / 100'000'000 + 8) << hz;
  }
}

TEST(PvClock, NothingSaidIsNoFrequency) {
  EXPECT_EQ(pvclock_tsc_hz({}), 0u);
  PvClockTime absurd = scale_for(2'000'000'000);
  absurd.tsc_shift = 64;
  EXPECT_EQ(pvclock_tsc_hz(absurd), 0u);
  absurd.tsc_shift = -128;
  EXPECT_EQ(pvclock_tsc_hz(absurd), 0u);
}

TEST(PvClock, TimeFollowsTheCounter) {
  PvClockTime time = scale_for(2'500'000'000);
  time.tsc_timestamp = 1'000'000;
  time.system_time = 77'000;
  EXPECT_EQ(pvclock_ns(time, 1'000'000), 77'000u);
  const u64 after = pvclock_ns(time, 1'000'000 + 2'500'000'000);
  EXPECT_NEAR(double(after), 1'000'077'000.0, 20);
  // Another processor's counter may lie a little behind.
  EXPECT_EQ(pvclock_ns(time, 999'999), 77'000u);
}

}  // namespace
}  // namespace narwhal::vm
