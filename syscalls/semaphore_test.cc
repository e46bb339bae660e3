// Semaphores through system calls: who goes on, in which order, and what ends undone.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

#include "ipc/semaphores.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;  // NOLINT: the program's own words

constexpr i16 kUndo = abi::kSemUndo;

class SemaphoreTest : public testing::Test {
 protected:
  void SetUp() override {
    id_ = u64(call(SYS_semget, 0, kCount, abi::kIpcCreate | 0600));
    ASSERT_LT(id_, u64{1} << 31);
  }
  void TearDown() override { call(SYS_semctl, id_, 0, u64(abi::kIpcRemove)); }
  i64 operate(std::vector<abi::SemOperation> operations) {
    const UserAddr at = memory(operations.size() * sizeof operations[0]);
    for (usize i = 0; i < operations.size(); ++i)
      EXPECT_TRUE(store_user(at + i * sizeof operations[0], operations[i]).ok());
    return call(SYS_semop, id_, at.value, operations.size());
  }
  i64 value(u64 number = 0) { return call(SYS_semctl, id_, number, u64(abi::kSemGetValue)); }

  static constexpr u64 kCount = 3;
  u64 id_ = 0;
};

TEST_F(SemaphoreTest, FailedOperationsAreTakenBack) {
  EXPECT_EQ(operate({{0, 5, kUndo}}), 0);
  EXPECT_EQ(operate({{0, -2, kUndo}, {1, 1, 0}, {0, 0, i16(abi::kIpcNoWait)}}),
            -i64(Errno::kAgain));
  EXPECT_EQ(value(0), 5);
  EXPECT_EQ(value(1), 0);
}

TEST_F(SemaphoreTest, SleepersGoOnInTurn) {
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    start_thread([&, i] {
      EXPECT_EQ(operate({{0, -1, 0}}), 0);
      order.push_back(i);
    });
    let_others_run();
  }
  EXPECT_EQ(call(SYS_semctl, id_, 0, u64(abi::kSemGetIncreaseWaiters)), 4);
  EXPECT_EQ(operate({{0, 3, 0}}), 0);
  EXPECT_EQ(value(), 0);
  let_others_run();
  // Which of them runs first is the scheduler's affair.
  std::ranges::sort(order);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(operate({{0, 1, 0}}), 0);
  let_others_run();
  EXPECT_EQ(order.size(), 4u);
}

TEST_F(SemaphoreTest, ASmallerWishOvertakesALargerOne) {
  std::vector<int> order;
  for (const int wish : {3, 1}) {
    start_thread([&, wish] {
      EXPECT_EQ(operate({{0, i16(-wish), 0}}), 0);
      order.push_back(wish);
    });
    let_others_run();
  }
  EXPECT_EQ(operate({{0, 2, 0}}), 0);
  let_others_run();
  EXPECT_EQ(order, (std::vector<int>{1}));
  EXPECT_EQ(operate({{0, 2, 0}}), 0);
  let_others_run();
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
}

TEST_F(SemaphoreTest, RemovalWakesAll) {
  int ended = 0;
  for (int i = 0; i < 3; ++i)
    start_thread([&] {
      EXPECT_EQ(operate({{0, -1, kUndo}}), -i64(Errno::kIdRm));
      ++ended;
    });
  let_others_run();
  EXPECT_EQ(call(SYS_semctl, id_, 0, u64(abi::kIpcRemove)), 0);
  let_others_run();
  EXPECT_EQ(ended, 3);
}

TEST_F(SemaphoreTest, TheEndOfAProcessUndoes) {
  EXPECT_EQ(operate({{0, 4, 0}}), 0);
  const i32 child = fork([&] {
    EXPECT_EQ(operate({{0, -3, kUndo}, {2, 1, kUndo}}), 0);
    EXPECT_EQ(value(0), 1);
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(value(0), 4);
  EXPECT_EQ(value(2), 0);
  EXPECT_EQ(call(SYS_semctl, id_, 0, u64(abi::kSemGetPid)), child);
}

TEST_F(SemaphoreTest, UndoLetsOthersGoOn) {
  EXPECT_EQ(operate({{0, 1, 0}}), 0);
  const i32 child = fork([&] {
    EXPECT_EQ(operate({{0, -1, kUndo}}), 0);
    EXPECT_EQ(operate({{1, -1, 0}}), 0);
  });
  let_others_run();
  bool got = false;
  start_thread([&] {
    EXPECT_EQ(operate({{0, -1, 0}}), 0);
    got = true;
  });
  let_others_run();
  EXPECT_FALSE(got);
  EXPECT_EQ(operate({{1, 1, 0}}), 0);
  EXPECT_EQ(wait_for(child), 0);
  let_others_run();
  EXPECT_TRUE(got);
}

TEST_F(SemaphoreTest, ASetThatIsGoneIsNotUndone) {
  const i32 child = fork([&] {
    EXPECT_EQ(operate({{0, 3, kUndo}}), 0);
    EXPECT_EQ(call(SYS_semctl, id_, 0, u64(abi::kIpcRemove)), 0);
  });
  EXPECT_EQ(wait_for(child), 0);
}

}  // namespace
}  // namespace narwhal
