#include "kernel/mm/page_marks.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "kernel/mm/frame.h"

namespace narwhal {
namespace {

class PageMarksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool started = (frames_init(), true);
    static_cast<void>(started);
  }
  void mark(u64 index) {
    ASSERT_TRUE(marks_.mark(index).ok());
    model_.insert(index);
  }
  // What take_run() should give.
  PageMarks::Run model_run(u64 from, u64 to, u64 most) {
    auto at = model_.lower_bound(from);
    if (at == model_.end() || *at >= to) return {};
    PageMarks::Run run{*at, 0};
    while (at != model_.end() && *at == run.first + run.count && *at < to && run.count < most) {
      ++run.count;
      at = model_.erase(at);
    }
    return run;
  }
  PageMarks marks_;
  std::set<u64> model_;
};

TEST_F(PageMarksTest, RunsAreTakenOnceInOrder) {
  EXPECT_EQ(marks_.take_run(0, ~u64{0}, 10).count, 0u);
  for (u64 index : {3, 4, 5, 63, 64, 65, 4095, 4096, 100'000}) mark(index);
  mark(4);
  EXPECT_EQ(marks_.count(), 9u);
  EXPECT_TRUE(marks_.is_marked(4096));
  EXPECT_FALSE(marks_.is_marked(4097));
  EXPECT_FALSE(marks_.is_marked(~u64{0}));
  const auto take = [&](u64 from, u64 to, u64 most, u64 first, u64 count) {
    const auto run = marks_.take_run(from, to, most);
    EXPECT_EQ(run.first, first);
    EXPECT_EQ(run.count, count);
  };
  take(0, ~u64{0}, 2, 3, 2);
  take(6, 65, 100, 63, 2);
  take(0, ~u64{0}, 100, 5, 1);
  take(66, ~u64{0}, 100, 4095, 2);
  EXPECT_EQ(marks_.take_run(66, 100'000, 100).count, 0u);
  marks_.clear(0, 100'000);
  EXPECT_EQ(marks_.count(), 1u);
  take(0, ~u64{0}, ~u64{0}, 100'000, 1);
  EXPECT_EQ(marks_.count(), 0u);
}

TEST_F(PageMarksTest, AgreesWithASet) {
  std::mt19937 random(1);
  for (int step = 0; step < 20'000; ++step) {
    const u64 at = random() % 20'000;
    if (random() % 3 != 0) {
      for (u64 i = 0; i < random() % 8; ++i) mark(at + i);
      continue;
    }
    const u64 to = at + random() % 10'000, most = 1 + random() % 20;
    const auto expected = model_run(at, to, most);
    const auto run = marks_.take_run(at, to, most);
    ASSERT_EQ(run.count, expected.count);
    if (run.count != 0) ASSERT_EQ(run.first, expected.first);
    ASSERT_EQ(marks_.count(), model_.size());
  }
}

}  // namespace
}  // namespace narwhal
