#include "kernel/platform/process/hand_over_policy.h"

#include <gtest/gtest.h>

namespace narwhal::process_home {
namespace {

// A host on which a hand-over takes so many ns when the threads are free, and when they are bound.
struct Host {
  u64 free, bound;
  HandOverPolicy policy{};
  u32 all = 0, while_bound = 0;

  void hand_over(u32 times) {
    all = times;
    while_bound = 0;
    for (u32 i = 0; i < times; ++i) {
      while_bound += policy.binds();
      policy.count(policy.binds() ? bound : free);
    }
  }
};

constexpr u32 kPeriod = HandOverPolicy::kPeriod;

TEST(HandOverPolicy, LooksAtFreeOnesFirst) {
  HandOverPolicy policy;
  for (u32 i = 0; i < HandOverPolicy::kFreeSample; ++i) {
    EXPECT_FALSE(policy.binds());
    policy.count(30'000);
  }
  EXPECT_TRUE(policy.binds());
}

TEST(HandOverPolicy, StaysBoundWhereThatIsFaster) {
  Host host{.free = 30'000, .bound = 2'000};
  host.hand_over(100 * kPeriod);
  host.hand_over(1000 * kPeriod);
  EXPECT_GT(host.while_bound, host.all / 100 * 99);
}

TEST(HandOverPolicy, TriesThatDoNotPayGetRare) {
  Host host{.free = 3'000, .bound = 4'000};
  host.hand_over(1000 * kPeriod);
  EXPECT_NE(0u, host.while_bound);
  host.hand_over(1000 * kPeriod);
  EXPECT_LT(host.while_bound, host.all / 40);
  // It is not given up for good.
  host.hand_over(2 * HandOverPolicy::kMostPause * HandOverPolicy::kFreeSample);
  EXPECT_NE(0u, host.while_bound);
}

// Somebody computes on the processor: one wait for him is as long as all free ones of a period.
TEST(HandOverPolicy, OneLongWaitEndsIt) {
  Host host{.free = 30'000, .bound = 2'000};
  host.hand_over(HandOverPolicy::kFreeSample + 3 * kPeriod);
  ASSERT_TRUE(host.policy.binds());
  host.policy.count(3'000'000);
  EXPECT_FALSE(host.policy.binds());
}

// The host's other processors have become busy, and threads that are free stay where they are.
TEST(HandOverPolicy, ASuccessIsNotBelievedForEver) {
  Host host{.free = 30'000, .bound = 2'500};
  host.hand_over(100 * kPeriod);
  host.free = 2'000;
  host.hand_over(2 * HandOverPolicy::kMostTrust * kPeriod);
  host.hand_over(1000 * kPeriod);
  EXPECT_LT(host.while_bound, host.all / 10);
}

TEST(HandOverPolicy, AfterAFailureASuccessIsBelievedAgain) {
  Host host{.free = 3'000, .bound = 4'000};
  host.hand_over(1000 * kPeriod);
  host.free = 30'000;
  host.hand_over(100 * kPeriod);
  host.hand_over(1000 * kPeriod);
  EXPECT_GT(host.while_bound, host.all / 100 * 99);
}

}  // namespace
}  // namespace narwhal::process_home
