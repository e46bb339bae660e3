#include "kernel/mm/address_space.h"

#include <gtest/gtest.h>

#include "kernel/abi/mman.h"
#include "kernel/mm/testing/address_space.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/machine.h"

namespace narwhal {
namespace {

TEST_F(AddressSpaceTest, PagesAppearZeroedAndKeepWhatIsWritten) {
  const UserAddr at = map(*space, 3 * kPageSize);
  EXPECT_EQ(peek(*space, at + 5), 0);
  EXPECT_EQ(poke(*space, at + 5, 7), kOk);
  EXPECT_EQ(peek(*space, at + 5), 7);
  EXPECT_EQ(peek(*space, at + kPageSize), 0);
  EXPECT_EQ(space->statistics().resident_anonymous, 1u) << "zeros cost nothing";
  EXPECT_EQ(peek(*space, at + 3 * kPageSize), -int(Errno::kFault));
}

TEST_F(AddressSpaceTest, WritingPageByPageBringsInRuns) {
  constexpr u64 kRun = u64{1} << 2;  // the fake home's kMostRunOrder
  const u64 table = Pmap::kLendPages * kPageSize;
  const UserAddr at = map(*space, 4 * table, UserAddr(0x4000'0000));
  const auto present = [&](u64 page) {
    Pmap::Mapping found;
    return space->pmap().lookup(at + page * kPageSize, found);
  };
  // One that jumps gets what it asks for.
  for (const u64 page : {u64{0}, u64{20}, u64{10}}) {
    ASSERT_TRUE(space->handle_fault(at + page * kPageSize, Protection::kWrite).ok());
    EXPECT_FALSE(present(page + 1));
  }
  // One after the other: twice as many each time, all of zeros and each on its own.
  u64 page = 1;
  for (const u64 run : {u64{2}, kRun}) {
    ASSERT_TRUE(space->handle_fault(at + page * kPageSize, Protection::kWrite).ok());
    for (const u64 end = page + run; page < end; ++page) {
      ASSERT_TRUE(present(page)) << page;
      EXPECT_EQ(*reach(*space, at + page * kPageSize, Protection::kWrite).take(), 0);
    }
    EXPECT_FALSE(present(page));
  }
  EXPECT_EQ(space->statistics().resident_anonymous, 3 + 2 + kRun);
  EXPECT_TRUE(space->unmap(at + 2 * kPageSize, kPageSize).ok());
  EXPECT_FALSE(present(2));
  EXPECT_TRUE(present(3));
  // Not over what is there, over a table's end, over the mapping's.
  ASSERT_TRUE(space->handle_fault(at + 13 * kPageSize, Protection::kWrite).ok());
  ASSERT_TRUE(space->handle_fault(at + 11 * kPageSize, Protection::kWrite).ok());
  EXPECT_TRUE(present(12));
  ASSERT_TRUE(space->handle_fault(at + 14 * kPageSize, Protection::kWrite).ok());
  EXPECT_TRUE(present(15));
  EXPECT_FALSE(present(16));
  const u64 last = 4 * table / kPageSize - 1;
  ASSERT_TRUE(space->handle_fault(at + (last - 1) * kPageSize, Protection::kWrite).ok());
  ASSERT_TRUE(space->handle_fault(at + last * kPageSize, Protection::kWrite).ok());
  EXPECT_FALSE(present(last + 1));
}

TEST_F(AddressSpaceTest, WhereAProgramAskedForLargePagesAWriteBringsInOne) {
  constexpr u64 kPages = kLargePageSize / kPageSize;
  const UserAddr at = map(*space, 3 * kLargePageSize, UserAddr(0x4000'0000));
  ASSERT_TRUE(space->advise(at, 3 * kLargePageSize, abi::kAdviceHugePage).ok());
  const auto resident = [&] { return space->statistics().resident_anonymous; };
  EXPECT_EQ(poke(*space, at + 5 * kPageSize + 7, 7), kOk);
  EXPECT_EQ(resident(), kPages);
  for (u64 page = 0; page < kPages; ++page)
    ASSERT_EQ(peek(*space, at + page * kPageSize + 7), page == 5 ? 7 : 0) << page;
  // Where one has been read, only what is written.
  const UserAddr second = at + kLargePageSize;
  EXPECT_EQ(peek(*space, second), 0);
  EXPECT_EQ(poke(*space, second + 9 * kPageSize, 7), kOk);
  EXPECT_EQ(resident(), kPages + 1);
  // Over the mapping's end.
  const UserAddr third = at + 2 * kLargePageSize;
  ASSERT_TRUE(space->unmap(third, kPageSize).ok());
  EXPECT_EQ(poke(*space, third + 9 * kPageSize, 7), kOk);
  EXPECT_EQ(resident(), kPages + 2);

  ASSERT_TRUE(space->unmap(at, kLargePageSize).ok());
  EXPECT_EQ(resident(), 2u);
  ASSERT_TRUE(space->unmap(second, kLargePageSize).ok());
  space->allow_huge_pages(false);
  map(*space, kLargePageSize, at);
  ASSERT_TRUE(space->advise(at, kLargePageSize, abi::kAdviceHugePage).ok());
  EXPECT_EQ(poke(*space, at, 7), kOk);
  EXPECT_EQ(resident(), 2u);
}

TEST_F(AddressSpaceTest, WhatTheHomeKeepsIsNobodys) {
  const auto kept = Pmap::kept();
  ASSERT_LT(kept.start, kept.end);
  const auto request = [&](u64 at, u64 length, MapFlags flags) {
    return space->map({.hint = UserAddr(at),
                       .length = length,
                       .protection = kReadWrite,
                       .flags = MapFlags::kPrivate | MapFlags::kAnonymous | flags});
  };
  for (const u64 at : {kept.start, kept.end - kPageSize, kept.start - kPageSize}) {
    EXPECT_EQ(request(at, 2 * kPageSize, MapFlags::kFixed).error(), Errno::kNoMem);
    EXPECT_EQ(request(at, 2 * kPageSize, MapFlags::kFixedNoReplace).error(), Errno::kExist);
    const UserAddr elsewhere = request(at, 2 * kPageSize, MapFlags::kNone).take();
    EXPECT_FALSE(kept.overlaps(elsewhere.value, elsewhere.value + 2 * kPageSize));
  }
  EXPECT_TRUE(request(kept.end, kPageSize, MapFlags::kFixed).ok());
  EXPECT_TRUE(request(kept.start - kPageSize, kPageSize, MapFlags::kFixed).ok());
  // A mapping neither grows into it nor moves there.
  const UserAddr below(kept.start - kPageSize);
  EXPECT_EQ(space->remap(below, kPageSize, 2 * kPageSize, 0, UserAddr()).error(), Errno::kNoMem);
  EXPECT_EQ(space
                ->remap(below, kPageSize, kPageSize, abi::kRemapMayMove | abi::kRemapFixed,
                        UserAddr(kept.start))
                .error(),
            Errno::kInval);
  // Nothing is there, for whoever asks.
  EXPECT_EQ(space->protect(UserAddr(kept.start), kPageSize, kReadWrite).error(), Errno::kNoMem);
  EXPECT_TRUE(space->unmap(UserAddr(kept.start), kPageSize).ok());
  // Room above it first, then below.
  const UserAddr large = request(0, kUserEnd.value - kept.end, MapFlags::kNoReserve).take();
  EXPECT_LE(large.value + (kUserEnd.value - kept.end), kept.start);
}

TEST_F(AddressSpaceTest, NeighboursWithTheSameMeaningJoin) {
  const UserAddr at(0x10'0000);
  map(*space, kPageSize, at);
  map(*space, kPageSize, at + 2 * kPageSize);
  EXPECT_EQ(mappings(*space), 2u);
  map(*space, kPageSize, at + kPageSize);
  EXPECT_EQ(mappings(*space), 1u);
  ASSERT_TRUE(space->protect(at + kPageSize, kPageSize, Protection::kRead).ok());
  EXPECT_EQ(mappings(*space), 3u);
  ASSERT_TRUE(space->protect(at + kPageSize, kPageSize, kReadWrite).ok());
  EXPECT_EQ(mappings(*space), 1u);
}

TEST_F(AddressSpaceTest, ProtectionIsEnforcedAndReversible) {
  const UserAddr at = map(*space, 2 * kPageSize);
  ASSERT_EQ(poke(*space, at, 1), kOk);
  ASSERT_TRUE(space->protect(at, 2 * kPageSize, Protection::kRead).ok());
  EXPECT_EQ(poke(*space, at, 2), Errno::kAcces);
  EXPECT_EQ(peek(*space, at), 1);
  ASSERT_TRUE(space->protect(at, 2 * kPageSize, Protection::kNone).ok());
  EXPECT_EQ(peek(*space, at), -int(Errno::kAcces));
  ASSERT_TRUE(space->protect(at, 2 * kPageSize, kReadWrite).ok());
  EXPECT_EQ(peek(*space, at), 1);
  EXPECT_EQ(poke(*space, at, 3), kOk);
  EXPECT_EQ(space->protect(at, 3 * kPageSize, kReadWrite).error(), Errno::kNoMem);
  EXPECT_EQ(space->protect(at + 1, kPageSize, kReadWrite).error(), Errno::kInval);
}

TEST_F(AddressSpaceTest, PrivateFileMappingsCopyOnWrite) {
  auto object = make_ref<MemoryObject>().take();
  object->set_size(20 * kPageSize + 1);
  for (u64 i = 0; i < 20; ++i) {
    auto page = object->page(i, MemoryObject::Access::kWrite).take();
    *reinterpret_cast<u8*>(page.data()) = u8(i + 1);
  }
  const UserAddr at = map(*space, 30 * kPageSize, UserAddr(), MapFlags::kPrivate, object);
  const UserAddr shared = map(*space, 30 * kPageSize, UserAddr(), MapFlags::kShared, object);
  EXPECT_EQ(peek(*space, at + 3 * kPageSize), 4);
  EXPECT_EQ(poke(*space, at + 3 * kPageSize, 99), kOk);
  EXPECT_EQ(peek(*space, at + 3 * kPageSize), 99);
  EXPECT_EQ(peek(*space, shared + 3 * kPageSize), 4) << "the file did not change";
  EXPECT_EQ(poke(*space, shared + 4 * kPageSize, 50), kOk);
  EXPECT_EQ(peek(*space, at + 4 * kPageSize), 50) << "not copied yet: the file shows through";
  EXPECT_EQ(peek(*space, at + 20 * kPageSize), 0);
  EXPECT_EQ(peek(*space, at + 21 * kPageSize), -int(Errno::kIo)) << "SIGBUS beyond the end";

  object->set_size(2 * kPageSize);
  EXPECT_EQ(peek(*space, at + 3 * kPageSize), -int(Errno::kIo)) << "private copies go too";
  EXPECT_EQ(peek(*space, shared + 4 * kPageSize), -int(Errno::kIo));
  EXPECT_EQ(peek(*space, at), 1);
}

TEST_F(AddressSpaceTest, AHolePunchedLeavesPrivateCopies) {
  auto object = make_ref<MemoryObject>().take();
  object->set_size(4 * kPageSize);
  for (u64 i = 0; i < 4; ++i)
    *reinterpret_cast<u8*>(object->page(i, MemoryObject::Access::kWrite).take().data()) = 5;
  const UserAddr at = map(*space, 4 * kPageSize, UserAddr(), MapFlags::kPrivate, object);
  for (u64 i = 0; i < 4; ++i) EXPECT_EQ(peek(*space, at + i * kPageSize), 5);
  EXPECT_EQ(poke(*space, at + kPageSize, 77), kOk);
  object->remove_pages(0, 4);
  EXPECT_EQ(peek(*space, at), 0);
  EXPECT_EQ(peek(*space, at + kPageSize), 77);
  EXPECT_EQ(peek(*space, at + 2 * kPageSize), 0);
}

TEST_F(AddressSpaceTest, AChildSeesOnlyWhatWasThere) {
  const UserAddr at = map(*space, 4 * kPageSize);
  const UserAddr shared = map(*space, kPageSize, UserAddr(), MapFlags::kShared);
  for (u64 i = 0; i < 3; ++i) ASSERT_EQ(poke(*space, at + i * kPageSize, u8(10 + i)), kOk);
  auto child = space->clone().take();
  EXPECT_EQ(poke(*space, at, 50), kOk);
  EXPECT_EQ(poke(*child, at + kPageSize, 60), kOk);
  EXPECT_EQ(peek(*child, at), 10);
  EXPECT_EQ(peek(*space, at + kPageSize), 11);
  EXPECT_EQ(peek(*child, at + 2 * kPageSize), 12);
  EXPECT_EQ(poke(*child, shared, 9), kOk);
  EXPECT_EQ(peek(*space, shared), 9);
  child = nullptr;
  EXPECT_EQ(poke(*space, at + 2 * kPageSize, 70), kOk);
  EXPECT_EQ(peek(*space, at + 2 * kPageSize), 70);
}

TEST_F(AddressSpaceTest, MovingKeepsContent) {
  const UserAddr at = map(*space, 2 * kPageSize);
  map(*space, kPageSize, at + 2 * kPageSize, MapFlags::kShared);  // in the way
  ASSERT_EQ(poke(*space, at, 1), kOk);
  ASSERT_EQ(poke(*space, at + kPageSize, 2), kOk);
  EXPECT_EQ(space->remap(at, 2 * kPageSize, 4 * kPageSize, 0, UserAddr()).error(), Errno::kNoMem);
  const UserAddr moved =
      space->remap(at, 2 * kPageSize, 4 * kPageSize, abi::kRemapMayMove, UserAddr()).take();
  EXPECT_NE(moved.value, at.value);
  EXPECT_EQ(peek(*space, moved), 1);
  EXPECT_EQ(peek(*space, moved + kPageSize), 2);
  EXPECT_EQ(peek(*space, moved + 3 * kPageSize), 0);
  EXPECT_EQ(peek(*space, at), -int(Errno::kFault));
  EXPECT_EQ(space->remap(moved, 4 * kPageSize, kPageSize, 0, UserAddr()).take().value, moved.value);
  EXPECT_EQ(peek(*space, moved + kPageSize), -int(Errno::kFault));
}

TEST_F(AddressSpaceTest, TheBreakMoves) {
  space->set_heap_start(UserAddr(0x50'0000));
  EXPECT_EQ(space->set_break(UserAddr(0)).value, 0x50'0000u);
  EXPECT_EQ(space->set_break(UserAddr(0x50'1234)).value, 0x50'1234u);
  EXPECT_EQ(poke(*space, UserAddr(0x50'1fff), 3), kOk);
  EXPECT_EQ(space->set_break(UserAddr(0x60'0000)).value, 0x60'0000u);
  EXPECT_EQ(mappings(*space), 1u);
  EXPECT_EQ(space->set_break(UserAddr(0x50'0000)).value, 0x50'0000u);
  EXPECT_EQ(space->set_break(UserAddr(0x50'2000)).value, 0x50'2000u);
  EXPECT_EQ(peek(*space, UserAddr(0x50'1fff)), 0) << "what was given back is zero again";
}

TEST_F(AddressSpaceTest, StacksGrowToTheirLimit) {
  AddressSpace::Limits limits;
  limits.stack = 16 * kPageSize;
  space->set_limits(limits);
  const UserAddr top(0x7fff'0000'0000);
  map(*space, 2 * kPageSize, top - 2 * kPageSize, MapFlags::kPrivate | MapFlags::kGrowsDown);
  EXPECT_EQ(poke(*space, top - 10 * kPageSize, 1), kOk);
  EXPECT_EQ(poke(*space, top - 16 * kPageSize, 1), kOk);
  EXPECT_EQ(poke(*space, top - 17 * kPageSize, 1), Errno::kFault);
}

TEST_F(AddressSpaceTest, MappingsAreCounted) {
  const UserAddr at = map(*space, 5 * kPageSize);
  const u32 before = max_map_count.exchange(1);
  EXPECT_EQ(space->protect(at, kPageSize, Protection::kRead).error(), Errno::kNoMem);
  EXPECT_EQ(space->unmap(at + kPageSize, kPageSize).error(), Errno::kNoMem) << "two of one";
  EXPECT_TRUE(space->unmap(at, kPageSize).ok()) << "one of one";
  max_map_count.store(before);
  EXPECT_TRUE(space->unmap(at + 2 * kPageSize, kPageSize).ok());
  EXPECT_EQ(mappings(*space), 2u);
}

TEST_F(AddressSpaceTest, AdviceDropsPages) {
  const UserAddr at = map(*space, 4 * kPageSize);
  for (u64 i = 0; i < 4; ++i) ASSERT_EQ(poke(*space, at + i * kPageSize, 1), kOk);
  ASSERT_TRUE(space->advise(at + kPageSize, kPageSize, abi::kAdviceDontNeed).ok());
  EXPECT_EQ(peek(*space, at + kPageSize), 0);
  EXPECT_EQ(peek(*space, at + 2 * kPageSize), 1);
  EXPECT_EQ(space->advise(at, kPageSize, 12345).error(), Errno::kInval);
  EXPECT_EQ(space->advise(at + 3 * kPageSize, 2 * kPageSize, abi::kAdviceDontNeed).error(),
            Errno::kNoMem);
  EXPECT_EQ(peek(*space, at + 3 * kPageSize), 0) << "done up to the hole";
}

TEST_F(AddressSpaceTest, WholeTablesAreLentToTheChild) {
  const u64 pages = 4 * Pmap::kLendPages;
  const UserAddr at = map(*space, pages * kPageSize, UserAddr(0x1000'0000));
  for (u64 i = 0; i < pages; ++i) ASSERT_EQ(poke(*space, at + i * kPageSize, u8(i)), kOk);
  const u64 before = in_use();
  auto child = space->clone().take();
  UserAddr lent;
  ASSERT_TRUE(child->pmap().next_lent(at, at + pages * kPageSize, lent));
  EXPECT_EQ(lent, at);
  EXPECT_LT(in_use() - before, 3u) << "nothing was copied";
  EXPECT_EQ(poke(*child, at + kPageSize, 100), kOk);
  EXPECT_EQ(peek(*space, at + kPageSize), 1);
  EXPECT_EQ(poke(*space, at + 2 * kPageSize, 101), kOk);
  EXPECT_EQ(peek(*child, at + 2 * kPageSize), 2);
  // The middle of two tables, on one side only.
  const UserAddr middle = at + (Pmap::kLendPages + 3) * kPageSize;
  ASSERT_TRUE(space->unmap(middle, Pmap::kLendPages * kPageSize).ok());
  EXPECT_EQ(peek(*space, middle), -int(Errno::kFault));
  EXPECT_EQ(peek(*child, middle), u8(Pmap::kLendPages + 3));
  EXPECT_EQ(child->statistics().resident_anonymous, pages);
  EXPECT_EQ(space->statistics().resident_anonymous, pages - Pmap::kLendPages);
  // A grandchild borrows what its parent has borrowed, and outlives both.
  auto grandchild = child->clone().take();
  space = nullptr;
  child = nullptr;
  for (u64 i = 0; i < pages; ++i)
    EXPECT_EQ(peek(*grandchild, at + i * kPageSize), i == 1 ? 100 : u8(i));
  EXPECT_EQ(poke(*grandchild, at + (pages - 1) * kPageSize, 102), kOk);
  EXPECT_FALSE(
      grandchild->pmap().next_lent(at + (pages - 1) * kPageSize, at + pages * kPageSize, lent))
      << "the last one owns what it touches";
}

TEST_F(AddressSpaceTest, WithoutMemoryForATableNothingIsLost) {
  const u64 pages = 2 * Pmap::kLendPages;
  const UserAddr at = map(*space, pages * kPageSize, UserAddr(0x1000'0000));
  for (u64 i = 0; i < pages; ++i) ASSERT_EQ(poke(*space, at + i * kPageSize, u8(i)), kOk);
  auto child = space->clone().take();
  fake::set_pmap_budget(0);
  EXPECT_EQ(poke(*child, at, 100), Errno::kNoMem);
  EXPECT_EQ(child->protect(at, kPageSize, Protection::kRead).error(), Errno::kNoMem);
  EXPECT_EQ(child->unmap(at + kPageSize, kPageSize).error(), Errno::kNoMem);
  EXPECT_EQ(child->advise(at + kPageSize, kPageSize, abi::kAdviceDontNeed).error(), Errno::kNoMem);
  EXPECT_EQ(space->clone().error(), Errno::kNoMem);
  EXPECT_TRUE(child->unmap(at, Pmap::kLendPages * kPageSize).ok()) << "whole tables need none";
  fake::set_pmap_budget(~usize{0});
  for (u64 i = 0; i < pages; ++i) EXPECT_EQ(peek(*space, at + i * kPageSize), u8(i));
  EXPECT_EQ(poke(*space, at, 100), kOk);
  EXPECT_EQ(peek(*child, at + (pages - 1) * kPageSize), u8(pages - 1));
}

TEST_F(AddressSpaceTest, AMappingThatGrowsIsStillOne) {
  const u32 limit = max_map_count.load();
  max_map_count.store(4);
  constexpr u64 kHeap = 0x1000'0000;
  space->set_heap_start(UserAddr(kHeap));
  for (u64 pages = 1; pages <= 20; ++pages)
    ASSERT_EQ(space->set_break(UserAddr(kHeap + pages * kPageSize)).value,
              kHeap + pages * kPageSize);
  const UserAddr at = map(*space, 20 * kPageSize);
  for (u64 pages = 1; pages < 20; ++pages)
    ASSERT_TRUE(space->unmap(at + pages * kPageSize, kPageSize).ok());
  map(*space, kPageSize, at + 2 * kPageSize);
  max_map_count.store(limit);
}

}  // namespace
}  // namespace narwhal
