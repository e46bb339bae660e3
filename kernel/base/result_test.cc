#include "kernel/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace narwhal {
namespace {

Result<int> half(int n) {
  if (n % 2) return Errno::kInval;
  return n / 2;
}
Result<int> quarter(int n) {
  const int h = TRY(half(n));
  return TRY(half(h));
}
Result<> must_be_even(int n) {
  TRY(half(n));
  return {};
}

TEST(Result, HoldsValueOrError) {
  EXPECT_TRUE(half(4).ok());
  EXPECT_EQ(half(4).value(), 2);
  EXPECT_EQ(half(3).error(), Errno::kInval);
  EXPECT_TRUE(half(3).failed(Errno::kInval));
  EXPECT_FALSE(half(4).failed(Errno::kInval));
  EXPECT_EQ(half(3).value_or(-1), -1);
  EXPECT_EQ(half(8).value_or(-1), 4);
}

TEST(Result, TryHandsErrorsUp) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error(), Errno::kInval);
  EXPECT_TRUE(must_be_even(2).ok());
  EXPECT_TRUE(must_be_even(3).failed(Errno::kInval));
}

struct Counted {
  explicit Counted(int* alive) : alive_(alive) { ++*alive_; }
  Counted(Counted&& other) noexcept : alive_(other.alive_) { ++*alive_; }
  ~Counted() { --*alive_; }
  int* alive_;
};

TEST(Result, ValuesLiveAsLongAsTheResult) {
  int alive = 0;
  {
    auto make = [&](bool fail) -> Result<Counted> {
      if (fail) return Errno::kNoMem;
      return Counted(&alive);
    };
    Result<Counted> failed = make(true);
    EXPECT_EQ(alive, 0);
    Result<Counted> first = make(false);
    EXPECT_EQ(alive, 1);
    Result<Counted> second = std::move(first);
    EXPECT_EQ(alive, 2);  // the moved-from one is still an object
    Counted taken = second.take();
    EXPECT_EQ(alive, 3);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Result, MoveOnlyValuesTravel) {
  auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  auto pass = [&]() -> Result<std::unique_ptr<int>> { return TRY(make()); };
  EXPECT_EQ(*pass().take(), 7);
}

TEST(Result, TrivialResultsStayTrivial) {
  static_assert(std::is_trivially_copyable_v<Result<int>>);
  static_assert(sizeof(Result<u64>) == 16);
  static_assert(!std::is_trivially_destructible_v<Result<Counted>>);
}

TEST(ResultDeathTest, ValueOfAFailure) {
  Result<int> failed = half(1);
  EXPECT_DEATH((void)failed.value(), "failed Result");
}

TEST(Errno, NamesAndNumbers) {
  EXPECT_EQ(int(Errno::kNoSys), 38);
  EXPECT_EQ(errno_name(Errno::kAgain), "EAGAIN");
  EXPECT_EQ(errno_name(Errno::kRestartSys), "ERESTARTSYS");
  EXPECT_EQ(errno_name(Errno(41)), "E?");
}

}  // namespace
}  // namespace narwhal
