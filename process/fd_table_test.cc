// Descriptors: numbers, limits, and what closing means (dup(2), close_range(2), fcntl(2)).
#include "process/fd_table.h"

#include <gtest/gtest.h>

#include "kernel/mm/frame.h"

namespace narwhal {
namespace {

constexpr u64 kNoLimit = ~u64{0};

class TestFile final : public File {
 public:
  explicit TestFile(OpenFlags flags = OpenFlags::kReadWrite) : File(flags) { ++alive; }
  ~TestFile() override { --alive; }
  Result<> stat(abi::Stat&) override { return {}; }
  Result<String> link_text() const override { return String::copy("test"); }
  void descriptor_closed() override { ++closed; }
  static int alive;
  static int closed;
};
int TestFile::alive = 0;
int TestFile::closed = 0;

class FdTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static bool started = (frames_init(), true);
    static_cast<void>(started);
    TestFile::alive = TestFile::closed = 0;
    table_ = make_ref<FdTable>().take();
  }
  void TearDown() override {
    table_ = nullptr;
    EXPECT_EQ(TestFile::alive, 0);
  }
  int add(int lowest = 0, u64 limit = kNoLimit, bool close_on_exec = false) {
    auto reserved = table_->reserve(limit, lowest);
    if (!reserved.ok()) return -int(reserved.error());
    return reserved.take().commit(make_ref<TestFile>().take(), close_on_exec);
  }
  Errno close(int fd) { return table_->close(fd).error(); }
  Ref<FdTable> table_;
};

TEST_F(FdTableTest, TheLowestFreeNumber) {
  for (int i = 0; i < 200; ++i) ASSERT_EQ(add(), i);
  for (int fd : {150, 63, 64, 128}) ASSERT_EQ(close(fd), Errno{});
  EXPECT_EQ(add(), 63);
  EXPECT_EQ(add(), 64);
  EXPECT_EQ(add(), 128);
  EXPECT_EQ(add(), 150);
  EXPECT_EQ(add(), 200);
}

TEST_F(FdTableTest, TheLowestFreeNumberAtOrAboveAnother) {
  EXPECT_EQ(add(10), 10);
  EXPECT_EQ(add(10), 11);
  EXPECT_EQ(add(500), 500);
  EXPECT_EQ(add(), 0);
  EXPECT_EQ(add(1), 1);
  EXPECT_EQ(add(), 2);
  ASSERT_EQ(close(10), Errno{});
  EXPECT_EQ(add(3), 3);
  EXPECT_EQ(add(5), 5);
  EXPECT_EQ(add(9), 9);
  EXPECT_EQ(add(9), 10);
}

TEST_F(FdTableTest, Limits) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(add(0, 3), i);
  EXPECT_EQ(add(0, 3), -int(Errno::kMFile));
  EXPECT_EQ(table_->replace(3, make_ref<TestFile>().take(), false, 3).error(), Errno::kBadF);
  EXPECT_EQ(table_->replace(-1, make_ref<TestFile>().take(), false, 3).error(), Errno::kBadF);
  // fs.nr_open bounds every limit.
  EXPECT_EQ(table_->replace(1 << 20, make_ref<TestFile>().take(), false, kNoLimit).error(),
            Errno::kBadF);
  ASSERT_EQ(close(1), Errno{});
  EXPECT_EQ(add(0, 3), 1);
}

// What is open already stays, but nobody gets a copy of it (unshare(2)).
TEST_F(FdTableTest, TheLimitOfAllMayBeLowered) {
  ASSERT_EQ(add(100), 100);
  const u32 before = max_descriptors.exchange(64);
  EXPECT_EQ(table_->copy().error(), Errno::kMFile);
  EXPECT_EQ(add(64), -int(Errno::kMFile));
  ASSERT_EQ(close(100), Errno{});
  EXPECT_TRUE(table_->copy().ok());
  max_descriptors.store(before);
}

TEST_F(FdTableTest, BadDescriptors) {
  for (int fd : {-1, 0, 5, 1 << 30}) {
    EXPECT_EQ(table_->get(fd).error(), Errno::kBadF);
    EXPECT_EQ(close(fd), Errno::kBadF);
    EXPECT_EQ(table_->close_on_exec(fd).error(), Errno::kBadF);
    EXPECT_EQ(table_->set_close_on_exec(fd, true).error(), Errno::kBadF);
  }
  ASSERT_EQ(add(), 0);
  ASSERT_EQ(close(0), Errno{});
  EXPECT_EQ(close(0), Errno::kBadF);
  EXPECT_EQ(TestFile::closed, 1);
}

TEST_F(FdTableTest, PathDescriptorsAreForFewCalls) {
  auto file = make_ref<TestFile>(OpenFlags::kPath).take();
  std::move(table_->reserve(kNoLimit).take()).commit(std::move(file), false);
  EXPECT_EQ(table_->get(0).error(), Errno::kBadF);
  EXPECT_TRUE(table_->get_any(0).ok());
}

TEST_F(FdTableTest, ReservedNumbersAreNotVisible) {
  {
    auto first = table_->reserve(kNoLimit).take();
    EXPECT_EQ(first.number(), 0);
    EXPECT_EQ(table_->get(0).error(), Errno::kBadF);
    EXPECT_EQ(close(0), Errno::kBadF);
    EXPECT_EQ(add(), 1);
    EXPECT_EQ(table_->replace(0, make_ref<TestFile>().take(), false, 10).error(), Errno::kBusy);
    // A copy does not have what is on its way.
    auto copy = table_->copy().take();
    EXPECT_EQ(copy->next_open(0), 1);
    EXPECT_EQ(copy->reserve(kNoLimit).take().number(), 0);
  }
  EXPECT_EQ(add(), 0);
}

TEST_F(FdTableTest, ReplaceClosesWhatWasThere) {
  ASSERT_EQ(add(), 0);
  ASSERT_EQ(add(0, kNoLimit, true), 1);
  FileRef zero = table_->get(0).take();
  ASSERT_TRUE(table_->replace(1, zero, false, kNoLimit).ok());
  EXPECT_EQ(TestFile::alive, 1);
  EXPECT_EQ(TestFile::closed, 1);
  EXPECT_EQ(table_->get(1).take(), zero);
  EXPECT_FALSE(table_->close_on_exec(1).value());
  // A number far behind the end, and then the lowest free one is still found.
  ASSERT_TRUE(table_->replace(1000, zero, true, kNoLimit).ok());
  EXPECT_TRUE(table_->close_on_exec(1000).value());
  ASSERT_TRUE(table_->replace(2, zero, false, kNoLimit).ok());
  EXPECT_EQ(add(), 3);
  EXPECT_EQ(table_->next_open(4), 1000);
  EXPECT_EQ(table_->next_open(1001), -1);
}

TEST_F(FdTableTest, Ranges) {
  for (int i = 0; i < 150; ++i) ASSERT_EQ(add(), i);
  table_->close_range(10, 20, true);
  EXPECT_FALSE(table_->close_on_exec(9).value());
  EXPECT_TRUE(table_->close_on_exec(10).value());
  EXPECT_TRUE(table_->close_on_exec(20).value());
  EXPECT_FALSE(table_->close_on_exec(21).value());
  table_->close_range(100, 139, false);
  EXPECT_EQ(TestFile::alive, 110);
  EXPECT_EQ(table_->next_open(100), 140);
  table_->close_range(140, ~u32{0}, false);
  EXPECT_EQ(table_->next_open(100), -1);
  table_->close_range(5000, ~u32{0}, false);
  EXPECT_EQ(TestFile::alive, 100);
  table_->close_all_on_exec();
  EXPECT_EQ(TestFile::alive, 89);
  EXPECT_EQ(table_->next_open(10), 21);
  EXPECT_EQ(add(0, kNoLimit, false), 10);
  EXPECT_FALSE(table_->close_on_exec(10).value());
}

TEST_F(FdTableTest, CopiesShareDescriptionsOnly) {
  for (int i = 0; i < 70; ++i) ASSERT_EQ(add(0, kNoLimit, i % 2 == 0), i);
  ASSERT_EQ(close(7), Errno{});
  TestFile::closed = 0;
  Ref<FdTable> copy = table_->copy().take();
  EXPECT_EQ(copy->get(3).take(), table_->get(3).take());
  EXPECT_TRUE(copy->close_on_exec(4).value());
  EXPECT_FALSE(copy->close_on_exec(5).value());
  EXPECT_EQ(copy->reserve(kNoLimit).take().number(), 7);
  ASSERT_TRUE(copy->close(3).ok());
  EXPECT_TRUE(table_->get(3).ok());
  copy = nullptr;
  EXPECT_EQ(TestFile::alive, 69);
  EXPECT_EQ(TestFile::closed, 69);
}

// A call borrows the reference of a table that nobody shares; otherwise it has its own, because
// another task may close the descriptor.
TEST_F(FdTableTest, ACallBorrowsOnlyFromItsOwnTable) {
  ASSERT_EQ(add(), 0);
  const FileRef file = table_->get(0).take();
  {
    auto hold = table_->use(0);
    EXPECT_EQ(hold.value().get(), file.get());
    EXPECT_EQ(file->ref_count(), 2u);
    const FileRef kept = hold.value().ref();
    EXPECT_EQ(file->ref_count(), 3u);
  }
  const Ref<FdTable> other_task = table_;
  {
    auto hold = table_->use(0);
    ASSERT_EQ(close(0), Errno{});
    EXPECT_EQ(hold.value().get(), file.get());
    EXPECT_EQ(file->ref_count(), 2u);
  }
  EXPECT_EQ(file->ref_count(), 1u);
  EXPECT_EQ(table_->use(0).error(), Errno::kBadF);
}

TEST_F(FdTableTest, WhatACallMayNotUse) {
  auto reserved = table_->reserve(kNoLimit).take();
  for (const bool alone : {true, false}) {
    const Ref<FdTable> other_task = alone ? nullptr : table_;
    EXPECT_EQ(table_->use(-1).error(), Errno::kBadF);
    EXPECT_EQ(table_->use(0).error(), Errno::kBadF);  // reserved only
    EXPECT_EQ(table_->use(1).error(), Errno::kBadF);
    EXPECT_EQ(table_->use(100).error(), Errno::kBadF);
  }
  std::move(reserved).commit(make_ref<TestFile>(OpenFlags::kPath).take(), false);
  EXPECT_EQ(table_->use(0).error(), Errno::kBadF);
}

}  // namespace
}  // namespace narwhal
