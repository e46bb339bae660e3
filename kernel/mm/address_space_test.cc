#include "kernel/mm/address_space.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

#include "kernel/abi/mman.h"
#include "kernel/mm/promise.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/machine.h"

namespace narwhal {
namespace {

constexpr Errno kOk{};
constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;

class AddressSpaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool started = (frames_init(), true);
    static_cast<void>(started);
    fake::set_frame_sharing(frame_add_ref);
    // What is made once and stays (the page of zeros) is made before counting.
    auto first = AddressSpace::create().take();
    const UserAddr at = map(*first, kPageSize);
    ASSERT_TRUE(first->handle_fault(at, Protection::kRead).ok());
    first = nullptr;
    before_ = in_use();
    space = AddressSpace::create().take();
    space->set_mmap_base(UserAddr(0x7000'0000'0000));
  }
  void TearDown() override {
    space = nullptr;
    EXPECT_EQ(in_use(), before_) << "frames were lost";
  }

  // Slabs stay with the heap.
  static u64 in_use() {
    const MemoryStatistics statistics = memory_statistics();
    return statistics.total_frames - statistics.free_frames - statistics.slab_frames;
  }
  static UserAddr map(AddressSpace& in, usize length, UserAddr at = UserAddr(),
                      MapFlags flags = MapFlags::kPrivate, Ref<MemoryObject> object = nullptr) {
    MapRequest request;
    request.hint = at;
    request.length = length;
    request.protection = kReadWrite;
    request.flags = flags | (at.value ? MapFlags::kFixed : MapFlags::kNone);
    request.object = std::move(object);
    return in.map(request).take();
  }
  // A byte of the program's, by way of a fault as the program would take it.
  static Result<u8*> reach(AddressSpace& in, UserAddr at, Protection access) {
    TRY(in.handle_fault(at, access));
    Pmap::Mapping present;
    if (!in.pmap().lookup(at, present) || !has(present.protection, access)) {
      ADD_FAILURE() << "the fault was answered, but the page is not there";
      return Errno::kFault;
    }
    return reinterpret_cast<u8*>(platform::direct_map(present.frame.page()) + at.page_offset());
  }
  static Errno poke(AddressSpace& in, UserAddr at, u8 value) {
    auto byte = reach(in, at, Protection::kWrite);
    if (!byte.ok()) return byte.error();
    *byte.value() = value;
    return kOk;
  }
  static int peek(AddressSpace& in, UserAddr at) {
    auto byte = reach(in, at, Protection::kRead);
    return byte.ok() ? *byte.value() : -int(byte.error());
  }
  static usize mappings(AddressSpace& in) {
    usize count = 0;
    in.for_each_mapping([](const auto&, void* n) { ++*static_cast<usize*>(n); }, &count, false);
    return count;
  }

  Ref<AddressSpace> space;

 private:
  u64 before_ = 0;
};

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
  constexpr usize kRun = usize{1} << 2;  // the fake home's kMostRunOrder
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
  // The next to one that is there brings its neighbours, all of zeros and each on its own.
  ASSERT_TRUE(space->handle_fault(at + kPageSize, Protection::kWrite).ok());
  for (u64 page = 1; page <= kRun; ++page) {
    EXPECT_TRUE(present(page)) << page;
    EXPECT_EQ(*reach(*space, at + page * kPageSize, Protection::kWrite).take(), 0);
  }
  EXPECT_FALSE(present(kRun + 1));
  EXPECT_EQ(space->statistics().resident_anonymous, 3 + kRun);
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

// Random calls, checked against a map from page to content.
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

TEST_F(AddressSpaceTest, PrivateWritableMemoryIsPromised) {
  const u64 before = promised_pages();
  const auto promised = [&] { return promised_pages() - before; };
  const UserAddr at = map(*space, 8 * kPageSize);
  EXPECT_EQ(promised(), 8u);
  ASSERT_TRUE(space->unmap(at + 2 * kPageSize, 3 * kPageSize).ok());
  EXPECT_EQ(promised(), 5u);
  // Once it could be written, it stays charged; what could not, is not.
  ASSERT_TRUE(space->protect(at, kPageSize, Protection::kRead).ok());
  EXPECT_EQ(promised(), 5u);
  MapRequest request;
  request.length = 4 * kPageSize;
  request.protection = Protection::kRead;
  request.flags = MapFlags::kPrivate;
  const UserAddr constant = space->map(request).take();
  map(*space, 16 * kPageSize, UserAddr(), MapFlags::kPrivate | MapFlags::kNoReserve);
  EXPECT_EQ(promised(), 5u);
  ASSERT_TRUE(space->protect(constant, 2 * kPageSize, kReadWrite).ok());
  EXPECT_EQ(promised(), 7u);
  auto moved = space->remap(constant, 2 * kPageSize, 6 * kPageSize, abi::kRemapMayMove, UserAddr());
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(promised(), 11u);
  auto child = space->clone().take();
  EXPECT_EQ(promised(), 22u);
  child = nullptr;
  EXPECT_EQ(promised(), 11u);
  space = nullptr;
  EXPECT_EQ(promised(), 0u);
}

TEST_F(AddressSpaceTest, WithoutOvercommittingPromisesHaveALimit) {
  set_overcommit_policy(Overcommit::kNever);
  const u64 room = promise_limit() - promised_pages();
  MapRequest request;
  request.length = (room - 8) * kPageSize;
  request.protection = kReadWrite;
  request.flags = MapFlags::kPrivate | MapFlags::kNoReserve;  // which nobody believes now
  const UserAddr large = space->map(request).take();
  EXPECT_EQ(space->clone().error(), Errno::kNoMem);
  request.length = 9 * kPageSize;
  EXPECT_EQ(space->map(request).error(), Errno::kNoMem);
  request.protection = Protection::kRead;
  const UserAddr constant = space->map(request).take();
  EXPECT_EQ(space->protect(constant, request.length, kReadWrite).error(), Errno::kNoMem);
  EXPECT_EQ(space->remap(large, kPageSize, 10 * kPageSize, abi::kRemapMayMove, UserAddr()).error(),
            Errno::kNoMem);
  space->set_heap_start(UserAddr(0x1000'0000));
  EXPECT_EQ(space->set_break(UserAddr(0x1000'0000 + 9 * kPageSize)), UserAddr(0x1000'0000));
  EXPECT_EQ(space->set_break(UserAddr(0x1000'0000 + 8 * kPageSize)).value,
            0x1000'0000 + 8 * kPageSize);
  ASSERT_TRUE(space->unmap(large, (room - 8) * kPageSize).ok());
  EXPECT_TRUE(space->clone().ok());
  set_overcommit_policy(Overcommit::kHeuristic);
}

TEST_F(AddressSpaceTest, AgreesWithAModel) {
  constexpr u64 kBase = 0x1000'0000, kPages = 48;
  struct Page {
    Protection protection;
    u8 value;
  };
  using Model = std::map<u64, Page>;
  struct Process {
    Ref<AddressSpace> space;
    Model model;
  };
  Model model;
  std::array<Process, 3> others;
  std::mt19937 random(20);
  const auto pick = [&](u64 below) { return random() % below; };
  for (int step = 0; step < 20'000; ++step) {
    const u64 first = pick(kPages), count = 1 + pick(kPages - first);
    const UserAddr at(kBase + first * kPageSize);
    switch (pick(7)) {
      case 0:
        map(*space, count * kPageSize, at);
        for (u64 i = first; i < first + count; ++i) model[i] = {kReadWrite, 0};
        break;
      case 1:
        ASSERT_TRUE(space->unmap(at, count * kPageSize).ok());
        for (u64 i = first; i < first + count; ++i) model.erase(i);
        break;
      case 2: {
        const Protection all[] = {Protection::kNone, Protection::kRead, kReadWrite};
        const Protection protection = all[pick(3)];
        u64 i = first;
        for (; i < first + count && model.contains(i); ++i) model[i].protection = protection;
        EXPECT_EQ(space->protect(at, count * kPageSize, protection).ok(), i == first + count);
        break;
      }
      case 3: {
        ASSERT_EQ(space->advise(at, count * kPageSize, abi::kAdviceDontNeed).ok(), [&] {
          bool whole = true;
          for (u64 i = first; i < first + count; ++i) {
            if (auto found = model.find(i); found != model.end())
              found->second.value = 0;
            else
              whole = false;
          }
          return whole;
        }());
        break;
      }
      case 4: {  // as fork(2), and on with the child, the parent, or one of before
        Process& other = others[pick(others.size())];
        if (!other.space || pick(2)) {
          other = {space->clone().take(), model};
          ASSERT_EQ(other.space->statistics().resident_anonymous,
                    space->statistics().resident_anonymous);
        }
        std::swap(other.space, space);
        std::swap(other.model, model);
        break;
      }
      case 5: {  // to another place in the window
        const u64 to = pick(kPages - count + 1);
        bool whole = model.contains(first);
        for (u64 i = first; whole && i < first + count; ++i)
          whole = model.contains(i) && model[i].protection == model[first].protection;
        const bool apart = to + count <= first || first + count <= to;
        if (!whole || !apart) break;
        const UserAddr target(kBase + to * kPageSize);
        auto moved = space->remap(at, count * kPageSize, count * kPageSize,
                                  abi::kRemapMayMove | abi::kRemapFixed, target);
        ASSERT_TRUE(moved.ok()) << errno_name(moved.error());
        for (u64 i = 0; i < count; ++i) {
          model[to + i] = model[first + i];
          model.erase(first + i);
        }
        break;
      }
      default: {
        const u64 page = pick(kPages);
        const UserAddr where(kBase + page * kPageSize + pick(kPageSize));
        const UserAddr byte = where.page() + 17;
        const auto found = model.find(page);
        if (found == model.end()) {
          EXPECT_EQ(peek(*space, byte), -int(Errno::kFault));
        } else if (found->second.protection == Protection::kNone) {
          EXPECT_EQ(peek(*space, byte), -int(Errno::kAcces));
        } else {
          ASSERT_EQ(peek(*space, byte), found->second.value);
          const u8 value = u8(random());
          if (found->second.protection == kReadWrite) {
            ASSERT_EQ(poke(*space, byte, value), kOk);
            found->second.value = value;
          } else {
            ASSERT_EQ(poke(*space, byte, value), Errno::kAcces);
          }
        }
      }
    }
    // The mappings cover exactly the model's pages.
    std::map<u64, Protection> covered;
    space->for_each_mapping(
        [](const AddressSpace::MappingInfo& info, void* to) {
          for (u64 at = info.start.value; at < info.end.value; at += kPageSize)
            (*static_cast<std::map<u64, Protection>*>(to))[(at - kBase) / kPageSize] =
                info.protection;
        },
        &covered, false);
    EXPECT_EQ(covered.size(), model.size());
    for (const auto& [page, protection] : covered)
      EXPECT_TRUE(model.contains(page) && model[page].protection == protection) << page;
    if (HasFailure()) FAIL() << "at step " << step;
  }
  EXPECT_EQ(space->statistics().total, model.size());
}

}  // namespace
}  // namespace narwhal
