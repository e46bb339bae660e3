// fork(2) of a process with a lot of memory. A kernel may share more than single pages between the
// two, page tables for instance; whatever one of them does then to a part of it, the other must not
// notice.
#include <sys/mman.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/common/files.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

constexpr size_t kTable = 512 * kPage;  // what one page table maps
constexpr size_t kSize = 6 * kTable;

class ForkOfMuch : public testing::Test {
 protected:
  // Every page says which one it is.
  void SetUp() override {
    memory_ = static_cast<char*>(
        mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(MAP_FAILED, static_cast<void*>(memory_));
    for (size_t at = 0; at < kSize; at += kPage) number(at) = at;
    start_ = (kTable - reinterpret_cast<uintptr_t>(memory_) % kTable) % kTable;
  }
  void TearDown() override { release(); }
  void release() {
    if (memory_ != nullptr) munmap(memory_, kSize);
    memory_ = nullptr;
  }

  volatile size_t& number(size_t at) const {
    return *reinterpret_cast<volatile size_t*>(memory_ + at);
  }
  // Whether all pages in [from, to) still say so.
  bool intact(size_t from, size_t to) const {
    for (size_t at = from; at < to; at += kPage)
      if (number(at) != at) return false;
    return true;
  }
  // Where a table's range begins.
  size_t table(size_t index) const { return start_ + index * kTable; }

  // Runs `first` in a child; when it is done, `second` in this process; then looks, in a second
  // child that was made before all that, whether everything is as it was.
  template <typename First, typename Second>
  void expect_untouched_by(First first, Second second) {
    Gate done;
    const pid_t witness = spawn([&] {
      done.pass();
      return intact(0, kSize) ? 0 : 1;
    });
    const pid_t child = spawn([&] {
      first();
      return 0;
    });
    EXPECT_EQ(0, outcome(child));
    EXPECT_TRUE(intact(0, kSize)) << "what the child did is seen by its parent";
    second();
    done.open();
    EXPECT_EQ(0, outcome(witness)) << "what was done later is seen by an older child";
  }

  char* memory_ = nullptr;
  size_t start_ = 0;
};

TEST_F(ForkOfMuch, WritesAreSeparate) {
  const auto write_some = [&] {
    for (size_t i = 0; i < 3; ++i) number(table(i) + 5 * kPage) = 1;
    number(0) = 1;
    number(kSize - kPage) = 1;
  };
  expect_untouched_by(write_some, write_some);
}

TEST_F(ForkOfMuch, EveryPageIsWrittenByBoth) {
  const auto write_all = [&] {
    for (size_t at = 0; at < kSize; at += kPage) number(at) = 1;
  };
  expect_untouched_by(write_all, write_all);
}

TEST_F(ForkOfMuch, UnmappingIsSeparate) {
  // The middle of one table to the middle of the next but one.
  const auto unmap = [&] { munmap(memory_ + table(1) + 100 * kPage, 2 * kTable); };
  expect_untouched_by(unmap, unmap);
  EXPECT_TRUE(intact(0, table(1) + 100 * kPage));
  EXPECT_FALSE(can_read(memory_ + table(1) + 100 * kPage));
  EXPECT_FALSE(can_read(memory_ + table(3) + 99 * kPage));
  EXPECT_TRUE(intact(table(3) + 100 * kPage, kSize));
}

TEST_F(ForkOfMuch, DiscardingIsSeparate) {
  const auto discard = [&] {
    madvise(memory_ + table(0) + kPage, 2 * kTable, MADV_DONTNEED);
    if (number(table(0)) != table(0) || number(table(0) + kPage) != 0) _exit(1);
    if (number(table(2)) != 0 || number(table(2) + kPage) != table(2) + kPage) _exit(1);
  };
  expect_untouched_by(discard, discard);
}

TEST_F(ForkOfMuch, ProtectingIsSeparate) {
  const auto protect = [&] {
    mprotect(memory_ + table(1) + kPage, kPage, PROT_READ);
    mprotect(memory_ + table(2), kTable, PROT_NONE);
    number(table(1)) = 1;
    number(table(1) + 2 * kPage) = 1;
  };
  expect_untouched_by(protect, protect);
  EXPECT_FALSE(can_write(memory_ + table(1) + kPage));
  EXPECT_FALSE(can_read(memory_ + table(2)));
  // Back again, and forked again: what others hold too is copied when it is written.
  ASSERT_EQ(0, mprotect(memory_, kSize, PROT_READ | PROT_WRITE));
  EXPECT_EQ(0, run_child([&] {
              number(table(2)) = 1;
              number(table(1) + kPage) = 1;
              return 0;
            }));
  EXPECT_EQ(table(2), number(table(2)));
  EXPECT_EQ(table(1) + kPage, number(table(1) + kPage));
}

TEST_F(ForkOfMuch, MovingIsSeparate) {
  const auto move = [&] {
    char* const moved = static_cast<char*>(
        mremap(memory_ + table(1) + kPage, 2 * kTable, 3 * kTable, MREMAP_MAYMOVE));
    if (moved == MAP_FAILED) _exit(1);
    for (size_t at = 0; at < 2 * kTable; at += kPage)
      if (*reinterpret_cast<size_t*>(moved + at) != table(1) + kPage + at) _exit(2);
    *reinterpret_cast<size_t*>(moved) = 1;
    munmap(moved, 3 * kTable);
  };
  expect_untouched_by(move, move);
}

TEST_F(ForkOfMuch, HolesAreFilledSeparately) {
  ASSERT_EQ(0, madvise(memory_ + table(1), kPage, MADV_DONTNEED));
  EXPECT_EQ(0, run_child([&] {
              const bool empty = number(table(1)) == 0;
              number(table(1)) = 1;
              return empty ? 0 : 1;
            }));
  EXPECT_EQ(0u, number(table(1)));
  number(table(1)) = 2;
  EXPECT_EQ(2, run_child([&] { return static_cast<int>(number(table(1))); }));
}

TEST_F(ForkOfMuch, AGrandchildKeepsWhatItsElderLeave) {
  Shared<int> found;
  Shared<pid_t> grandchild;
  Gate gone;
  const pid_t child = spawn([&] {
    number(table(1)) = 7;
    *grandchild = spawn([&] {
      gone.pass();
      *found =
          intact(0, table(1)) && number(table(1)) == 7 && intact(table(1) + kPage, kSize) ? 1 : 2;
      return 0;
    });
    return 0;
  });
  EXPECT_EQ(0, outcome(child));
  for (size_t at = 0; at < kSize; at += kPage) number(at) = 1;
  release();
  gone.open();
  EXPECT_TRUE(eventually([&] { return *found != 0; }));
  EXPECT_EQ(1, *found);
  end_orphan(*grandchild);
}

TEST_F(ForkOfMuch, WhatIsKeptFromTheChildOrWiped) {
  ASSERT_EQ(0, madvise(memory_ + table(1) + kPage, kTable, MADV_DONTFORK));
  ASSERT_EQ(0, madvise(memory_ + table(3) + kPage, kTable, MADV_WIPEONFORK));
  const auto look = [&] {
    if (can_read(memory_ + table(1) + kPage) || can_read(memory_ + table(2))) return 1;
    if (number(table(3) + kPage) != 0 || number(table(4)) != 0) return 2;
    if (!intact(0, table(1) + kPage) || !intact(table(2) + kPage, table(3) + kPage)) return 3;
    return intact(table(4) + kPage, kSize) ? 0 : 4;
  };
  EXPECT_EQ(0, run_child(look));
  EXPECT_EQ(0, run_child(look)) << "the second time too";
  EXPECT_TRUE(intact(0, kSize));
}

TEST_F(ForkOfMuch, CallsReadAndWriteItToo) {
  const auto use = [&] {
    int ends[2];
    if (pipe(ends) != 0) _exit(1);
    if (write(ends[1], memory_ + table(1), 8) != 8) _exit(2);
    if (read(ends[0], memory_ + table(2) + 9 * kPage, 8) != 8) _exit(3);
    if (number(table(2) + 9 * kPage) != table(1)) _exit(4);
    close(ends[0]);
    close(ends[1]);
  };
  expect_untouched_by(use, use);
}

}  // namespace
}  // namespace compat
