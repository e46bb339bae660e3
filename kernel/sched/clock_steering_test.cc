#include "kernel/sched/clock_steering.h"

#include <gtest/gtest.h>

namespace narwhal {
namespace {

using platform::ReferenceTime;
using platform::TscClock;

constexpr u64 kHz = 3'000'000'000;
constexpr u64 kSecond = kNanosPerSecond;
constexpr i64 kWallAtStart = 1'700'000'000 * i64(kSecond);

// A machine whose counter runs faster than was measured, by some parts in a million; and the guest
// on it, which looks at the host's clock when it is due, every now and then.
class ClockSteeringTest : public ::testing::Test {
 protected:
  ClockSteeringTest() {
    clock_.set_rate(kHz, kSecond);
    clock_.base_tsc = tsc();
    clock_.base_ns = 0;
    clock_.set_slew(TscClock::Slew::kNone);
    steering_.start(reading(), 0);
  }

  u64 tsc() const { return tsc_; }
  u64 guest() const { return clock_.ns_at(tsc_); }
  // The guest's error, from the host's clock.
  i64 error() const { return i64(guest()) - i64(host_ns_ - kHostAtStart); }
  ReferenceTime reading() const { return {tsc(), host_ns_, wall_ns_, tsc()}; }

  void pass(u64 ns) {
    const u64 before = guest();
    host_ns_ += ns;
    wall_ns_ += i64(ns);
    // In parts, so that no product is too large.
    tsc_ += ns * 3 + ns * 3 / 1000 * u64(kOffset + ppm_) / 1000 - ns * 3 / 1000 * kOffset / 1000;
    EXPECT_GE(guest(), before) << "monotonic time went back";
  }
  void look() {
    const u64 before = guest();
    clock_ = steering_.next(clock_, reading());
    EXPECT_GE(guest(), before) << "monotonic time went back";
    EXPECT_LE(guest(), before + 4) << "monotonic time leapt";
    wall_step_ += steering_.take_wall_step();
  }
  // The guest is awake for so long, and looks when it is due.
  void run(u64 ns, u64 tick = kSecond / 100) {
    for (u64 passed = 0; passed < ns; passed += tick) {
      pass(tick);
      if (steering_.is_due(guest())) look();
    }
  }

  static constexpr u64 kHostAtStart = 777 * kSecond;
  static constexpr u64 kOffset = 1000;  // keeps `ppm_` above zero
  i64 ppm_ = 0;
  u64 tsc_ = 123'456'789;
  u64 host_ns_ = kHostAtStart;
  i64 wall_ns_ = kWallAtStart;
  i64 wall_step_ = 0;
  TscClock clock_{};
  ClockSteering steering_;
};

TEST_F(ClockSteeringTest, CounterThatIsRight) {
  run(100 * kSecond);
  EXPECT_NEAR(double(error()), 0, 50);
  EXPECT_EQ(wall_step_, 0);
}

// 100 ppm are 8.64 s a day.
TEST_F(ClockSteeringTest, CounterThatRunsFast) {
  ppm_ = 100;
  run(20 * kSecond);
  for (int i = 0; i < 100; ++i) {
    run(kSecond);
    EXPECT_NEAR(double(error()), 0, 200) << i;
  }
  run(86'400 * kSecond, kSecond);
  EXPECT_NEAR(double(error()), 0, 200);
  EXPECT_EQ(wall_step_, 0);
}

TEST_F(ClockSteeringTest, CounterThatRunsSlow) {
  ppm_ = -100;
  run(20 * kSecond);
  for (int i = 0; i < 100; ++i) {
    run(kSecond);
    EXPECT_NEAR(double(error()), 0, 200) << i;
  }
}

TEST_F(ClockSteeringTest, WithoutLookingItWouldDrift) {
  ppm_ = 100;
  pass(100 * kSecond);
  EXPECT_NEAR(double(error()), 10e6, 1e5);
}

// The host's clock is itself made faster and slower (NTP).
TEST_F(ClockSteeringTest, RateThatChanges) {
  for (const i64 ppm : {40, -250, 500, 0}) {
    ppm_ = ppm;
    run(60 * kSecond);
    EXPECT_NEAR(double(error()), 0, 500) << ppm;
  }
}

// Nobody looked for an hour, in which the rate changed. What has come together is made up for by
// and by, and after that there is no more of it, whenever the guest looks next.
TEST_F(ClockSteeringTest, AfterALongSleep) {
  run(20 * kSecond);
  look();
  ppm_ = 100;
  pass(3600 * kSecond);
  EXPECT_NEAR(double(error()), 360e6, 1e6);
  look();
  const double at_first = double(error());
  pass(kSecond);
  EXPECT_NEAR(double(error()), at_first - double(kSecond) / 16, 1e6);
  pass(100 * kSecond);
  EXPECT_NEAR(double(error()), 0, 1000);
  pass(3600 * kSecond);
  EXPECT_NEAR(double(error()), 0, 10'000);
}

// The counter went on while the host slept, which the host's clock does not count.
TEST_F(ClockSteeringTest, HostThatSlept) {
  run(20 * kSecond);
  tsc_ += 8 * 3600 * kHz;
  wall_ns_ += 8 * 3600 * i64(kSecond);
  const u64 before = guest();
  look();
  pass(kSecond);
  EXPECT_NEAR(double(guest() - before), double(kSecond), 1000) << "at the true rate";
  EXPECT_EQ(wall_step_, 0) << "the counter's time was the wall clock's";
}

TEST_F(ClockSteeringTest, CounterThatStoodStill) {
  run(20 * kSecond);
  host_ns_ += 3600 * kSecond;
  wall_ns_ += 3600 * i64(kSecond);
  const u64 before = guest();
  look();
  pass(kSecond);
  EXPECT_NEAR(double(guest() - before), double(kSecond), 1000);
  EXPECT_NEAR(double(wall_step_), 3600e9, 1000) << "wall-clock time went on";
}

TEST_F(ClockSteeringTest, WallClockIsSet) {
  ppm_ = 100;
  run(20 * kSecond);
  wall_ns_ -= 5 * i64(kSecond);
  run(10 * kSecond);
  EXPECT_NEAR(double(wall_step_), -5e9, 1000);
  wall_ns_ += i64(kSecond) / 2;
  run(10 * kSecond);
  EXPECT_NEAR(double(wall_step_), -4.5e9, 1000);
  EXPECT_NEAR(double(error()), 0, 200) << "nothing of it is monotonic time's";
}

// A host that is asked each time needs no rate, but sets its wall clock, too.
TEST_F(ClockSteeringTest, WithoutACounter) {
  host_ns_ += kSecond;
  wall_ns_ += 10 * i64(kSecond);
  const TscClock after = steering_.next(TscClock{}, reading());
  EXPECT_EQ(after.mult, 0u);
  EXPECT_EQ(steering_.take_wall_step(), 9 * i64(kSecond));
  EXPECT_EQ(steering_.take_wall_step(), 0);
}

TEST_F(ClockSteeringTest, LooksAreFewAndNotInVain) {
  EXPECT_FALSE(steering_.is_due(guest()));
  int looks = 0;
  for (int i = 0; i < 1000; ++i) {
    pass(kSecond / 10);
    if (!steering_.is_due(guest())) continue;
    ++looks;
    look();
  }
  EXPECT_GE(looks, 12);
  EXPECT_LE(looks, 18);
}

}  // namespace
}  // namespace narwhal
