#include "kernel/drivers/host/net/writer_policy.h"

#include <gtest/gtest.h>

namespace narwhal {
namespace {

// A guest and the host around it: a packet costs the CPU `work` and a write `price`, and whoever
// reads it `reader`, in ns.
struct Load {
  u64 work, price, reader;
  WriterPolicy policy{};
  u64 now = 0, idle = 0;
  u64 written = 0, by_writer = 0;

  void packet() {
    policy.look(now, idle);
    const bool left = policy.uses_writer();
    policy.count_write(100);
    const u64 busy = left ? work : work + price;
    // The writer shares the reader's processor.
    const u64 other = left ? reader + price : reader;
    now += busy > other ? busy : other;
    if (other > busy) idle += other - busy;
    ++written;
    by_writer += left;
  }
  void run_for(u64 periods) {
    written = by_writer = 0;
    for (const u64 end = now + periods * WriterPolicy::kPeriod; now < end;) packet();
  }
};

TEST(WriterPolicy, AnIdleGuestWritesForItself) {
  Load load{.work = 5'000, .price = 5'000, .reader = 11'000};
  load.run_for(100);
  EXPECT_EQ(0u, load.by_writer);
}

TEST(WriterPolicy, ABusyOneLeavesItToTheWriter) {
  Load load{.work = 8'000, .price = 5'000, .reader = 4'000};
  load.run_for(5);
  EXPECT_TRUE(load.policy.uses_writer());
  load.run_for(1000);
  EXPECT_GT(load.by_writer, load.written / 20 * 19);
}

// The first period has little of it, and so all that comes after it looks like a gain.
TEST(WriterPolicy, ALoadThatGrowsIsNoGain) {
  Load load{.work = 5'000, .price = 5'000, .reader = 11'000};
  load.run_for(1);
  load.reader = 10'000;
  load.run_for(4 * WriterPolicy::kTrust);
  EXPECT_LT(load.by_writer, load.written / 10);
}

// The same load, but now each packet is half as much work, and the reader the one who is late.
TEST(WriterPolicy, ASuccessIsNotBelievedForEver) {
  Load load{.work = 16'000, .price = 5'000, .reader = 4'000};
  load.run_for(5);
  ASSERT_TRUE(load.policy.uses_writer());
  load.work = 4'000;
  load.reader = 9'000;
  load.run_for(2 * WriterPolicy::kTrust);
  load.run_for(10 * WriterPolicy::kTrust);
  EXPECT_LT(load.by_writer, load.written / 10);
}

TEST(WriterPolicy, WhenThereIsLittleToDoItEnds) {
  Load load{.work = 8'000, .price = 5'000, .reader = 4'000};
  load.run_for(10);
  ASSERT_TRUE(load.policy.uses_writer());
  load.reader = 20'000;
  load.run_for(3);
  EXPECT_FALSE(load.policy.uses_writer());
}

// Both processors are at their limit: what the one is spared the other has to do.
TEST(WriterPolicy, TriesThatDoNotPayGetRare) {
  Load load{.work = 5'000, .price = 5'000, .reader = 10'000};
  load.run_for(2000);
  EXPECT_NE(0u, load.by_writer);
  EXPECT_LT(load.by_writer, load.written / 40);
  // It is not given up for good.
  load.run_for(3 * WriterPolicy::kMostPause);
  EXPECT_NE(0u, load.by_writer);
}

TEST(WriterPolicy, AComputingGuestThatSendsNothingIsLeftAlone) {
  WriterPolicy policy;
  for (u64 now = 0; now < 100 * WriterPolicy::kPeriod; now += WriterPolicy::kPeriod)
    policy.look(now, 0);
  EXPECT_FALSE(policy.uses_writer());
}

}  // namespace
}  // namespace narwhal
