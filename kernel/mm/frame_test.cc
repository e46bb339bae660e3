#include "kernel/mm/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "kernel/mm/testing/test_machine.h"

namespace narwhal {
namespace {

using testing::set_physical_memory;

void start_with(const std::vector<platform::MemoryRange>& usable,
                platform::MemoryRange archive = {}) {
  set_physical_memory(usable, archive);
  frames_init();
}
void start_with_megabytes(u64 megabytes) {
  start_with({{PhysAddr(0), megabytes * kMiB}});
}

// Takes single frames until there are none; checks that each is in one of the ranges and given
// once.
std::set<u64> take_all(const std::vector<platform::MemoryRange>& usable) {
  std::set<u64> taken;
  for (;;) {
    auto frame = allocate_frames(0, FrameContent::kAny);
    if (!frame.ok()) {
      EXPECT_EQ(frame.error(), Errno::kNoMem);
      return taken;
    }
    const u64 address = frame.value().value;
    EXPECT_NE(address, 0u);
    EXPECT_TRUE(taken.insert(address).second) << "given twice: " << address;
    bool found = false;
    for (const auto& range : usable)
      found |=
          address >= range.start.value && address + kPageSize <= range.start.value + range.size;
    EXPECT_TRUE(found) << "not RAM: " << address;
    if (::testing::Test::HasFailure()) return taken;
  }
}

TEST(Frames, EveryFrameIsGivenOnceAndComesBack) {
  const std::vector<platform::MemoryRange> ranges = {
      {PhysAddr(0x1000), 0x9e000}, {PhysAddr(0x100000), 6 * kMiB}, {PhysAddr(16 * kMiB), 8 * kMiB}};
  start_with(ranges);
  const auto before = memory_statistics();
  for (int round = 0; round < 2; ++round) {
    const auto taken = take_all(ranges);
    // What is missing is the Frame records: 16 bytes for each of 24 MiB / 4 KiB frames.
    EXPECT_GE(taken.size(), before.total_frames - 24 * kMiB / kPageSize * 16 / kPageSize - 1);
    EXPECT_EQ(memory_statistics().free_frames, 0u);
    for (u64 address : taken) frame_drop_ref(PhysAddr(address));
    EXPECT_EQ(memory_statistics().free_frames, taken.size());
  }
}

TEST(Frames, FreedNeighboursJoinToTheLargestRun) {
  start_with_megabytes(64);
  const auto take_large = [] {
    std::vector<PhysAddr> runs;
    for (;;) {
      auto run = allocate_frames(12, FrameContent::kAny);  // 16 MiB
      if (!run.ok()) break;
      runs.push_back(run.value());
    }
    for (PhysAddr run : runs) free_frames(run, 12);
    return runs.size();
  };
  ASSERT_EQ(take_large(), 2u);
  auto taken = take_all({{PhysAddr(0), 64 * kMiB}});
  std::vector<u64> order(taken.begin(), taken.end());
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  for (u64 address : order) frame_drop_ref(PhysAddr(address));
  EXPECT_EQ(take_large(), 2u);
}

TEST(Frames, RunsAreAlignedCountedAndDisjoint) {
  start_with({{PhysAddr(0x1000), 0x9f000}, {PhysAddr(0x100000), 100 * kMiB}});
  const auto before = memory_statistics().free_frames;
  std::map<u64, unsigned> runs;  // start to order
  std::mt19937_64 random(7);
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 || runs.empty()) {
      const unsigned order = unsigned(random() % 8);
      auto run = allocate_frames(order, FrameContent::kAny);
      if (!run.ok()) continue;
      const u64 start = run.value().value, size = kPageSize << order;
      ASSERT_EQ(start % size, 0u);
      for (u64 i = 0; i < size; i += kPageSize) ASSERT_EQ(frame_refs(PhysAddr(start + i)), 1u);
      auto next = runs.lower_bound(start);
      if (next != runs.end()) ASSERT_GE(next->first, start + size);
      if (next != runs.begin()) {
        --next;
        ASSERT_LE(next->first + (kPageSize << next->second), start);
      }
      runs[start] = order;
    } else {
      auto chosen = std::next(runs.begin(), long(random() % runs.size()));
      if (random() % 2) {
        free_frames(PhysAddr(chosen->first), chosen->second);
      } else {
        // Frame by frame.
        for (u64 i = 0; i < u64{1} << chosen->second; ++i)
          frame_drop_ref(PhysAddr(chosen->first + i * kPageSize));
      }
      runs.erase(chosen);
    }
  }
  for (auto [start, order] : runs) free_frames(PhysAddr(start), order);
  EXPECT_EQ(memory_statistics().free_frames, before);
}

TEST(Frames, ZeroedMeansZeroed) {
  start_with_megabytes(8);
  std::vector<PhysAddr> dirty;
  for (;;) {
    auto run = allocate_frames(4, FrameContent::kAny);
    if (!run.ok()) break;
    std::memset(platform::direct_map(run.value()), 0x77, 16 * kPageSize);
    dirty.push_back(run.value());
  }
  ASSERT_GT(dirty.size(), 100u);
  for (PhysAddr run : dirty) free_frames(run, 4);
  auto run = allocate_frames(5, FrameContent::kZeroed);
  ASSERT_TRUE(run.ok());
  const std::byte* data = platform::direct_map(run.value());
  for (usize i = 0; i < 32 * kPageSize; ++i) ASSERT_EQ(data[i], std::byte{0});
}

// Of fresh memory nobody clears anything, and what was used, or lay there, is not taken for fresh.
TEST(Frames, FreshOnesAreUsedOnce) {
  constexpr u64 kArchive = 4 * kMiB;
  const platform::MemoryRange archive{PhysAddr(kArchive), kMiB};
  start_with({{PhysAddr(kMiB), 3 * kMiB}}, archive);
  std::memset(platform::direct_map(archive.start), 0x33, archive.size);
  std::mt19937 random(1);
  std::vector<std::pair<PhysAddr, unsigned>> held;
  for (int round = 0; round < 3000; ++round) {
    if (round == 1000) {
      EXPECT_TRUE(adopt_boot_frame(archive.start).ok());
      frame_drop_ref(archive.start);
      release_boot_memory(archive.start + kPageSize, archive.size - kPageSize);
    }
    const unsigned order = random() % 5;
    const auto clean = allocate_frames(order, FrameContent::kZeroed);
    if (clean.ok()) {
      auto* data = platform::direct_map(clean.value());
      for (usize i = 0; i < kPageSize << order; i += 8)
        ASSERT_EQ(data[i], std::byte{0}) << "round " << round;
      std::memset(data, 0x55, kPageSize << order);
      held.emplace_back(clean.value(), order);
    }
    if (!clean.ok() || random() % 2 == 0) {
      const usize which = random() % held.size();
      free_frames(held[which].first, held[which].second);
      held.erase(held.begin() + long(which));
    }
  }
}

std::vector<platform::MemoryRange> given_back;
bool take_it_back(PhysAddr start, u64 size) {
  given_back.push_back({start, size});
  std::memset(platform::direct_map(start), 0, size);
  return true;
}

TEST(Frames, MemoryThatIsFreeAgainGoesBack) {
  start_with_megabytes(64);
  const u64 before = memory_statistics().free_frames;
  EXPECT_FALSE(give_back_free_memory(take_it_back)) << "it was never used";
  std::vector<PhysAddr> frames;
  for (usize i = 0; i < 20 * kMiB / kPageSize; ++i) {
    frames.push_back(allocate_frames(0, FrameContent::kAny).take());
    std::memset(platform::direct_map(frames.back()), 0x66, kPageSize);
  }
  EXPECT_FALSE(has_memory_to_give_back());
  std::shuffle(frames.begin(), frames.end(), std::mt19937(2));
  // One in use here and there keeps its neighbours.
  std::set<u64> kept;
  for (usize i = 0; i < frames.size(); ++i) {
    if (i < 3)
      kept.insert(frames[i].value);
    else
      frame_drop_ref(frames[i]);
  }
  EXPECT_TRUE(has_memory_to_give_back());
  given_back.clear();
  while (give_back_free_memory(take_it_back)) {
  }
  EXPECT_FALSE(has_memory_to_give_back());
  // All but where one is in use, and the edges: other memory, and the frames that are kept at hand.
  EXPECT_GE(given_back.size(), 5u);
  std::set<u64> starts;
  for (const auto& range : given_back) {
    EXPECT_EQ(range.size, 2 * kMiB);
    EXPECT_TRUE(is_aligned(range.start.value, 2 * kMiB));
    EXPECT_TRUE(starts.insert(range.start.value).second) << "twice";
    for (const u64 frame : kept)
      EXPECT_FALSE(frame >= range.start.value && frame < range.start.value + range.size);
  }
  EXPECT_EQ(memory_statistics().free_frames, before - kept.size());
  // It can be used again, and is what it says it is.
  for (int round = 0; round < 2; ++round) {
    std::vector<PhysAddr> runs;
    for (;;) {
      const auto run = allocate_frames(3, FrameContent::kZeroed);
      if (!run.ok()) break;
      runs.push_back(run.value());
      auto* data = platform::direct_map(run.value());
      for (usize i = 0; i < 8 * kPageSize; i += 8) ASSERT_EQ(data[i], std::byte{0});
      std::memset(data, 0x66, 8 * kPageSize);
    }
    for (const PhysAddr run : runs) free_frames(run, 3);
  }
  // The host may refuse; then it is not asked again and again.
  EXPECT_TRUE(has_memory_to_give_back());
  EXPECT_FALSE(give_back_free_memory([](PhysAddr, u64) { return false; }));
  EXPECT_FALSE(has_memory_to_give_back());
}

TEST(Frames, ReferencesKeepAFrame) {
  start_with_megabytes(8);
  const u64 before = memory_statistics().free_frames;
  PhysAddr address;
  {
    auto frame = FrameRef::allocate(FrameContent::kZeroed);
    ASSERT_TRUE(frame.ok());
    FrameRef first = frame.take();
    address = first.address();
    set_frame_kind(address, FrameKind::kAnonymous);
    EXPECT_EQ(memory_statistics().anonymous_frames, 1u);
    FrameRef second = FrameRef::share(address);
    EXPECT_EQ(frame_refs(address), 2u);
    first = FrameRef();
    EXPECT_EQ(frame_refs(address), 1u);
    EXPECT_EQ(memory_statistics().free_frames, before - 1);
  }
  EXPECT_EQ(memory_statistics().free_frames, before);
  EXPECT_EQ(memory_statistics().anonymous_frames, 0u);
}

TEST(Frames, SectionsOfALargeMachineAreTakenOverLater) {
  // 3 GiB, a hole, 61 GiB: only the section in use has records.
  const u64 kHigh = 4 * kGiB;
  start_with({{PhysAddr(kMiB), 3 * kGiB - kMiB}, {PhysAddr(kHigh), 61 * kGiB}});
  EXPECT_EQ(memory_statistics().total_frames, (64 * kGiB - kMiB) / kPageSize);
  u64 active = 0;
  for (u64 i = 0; i < (kHigh + 61 * kGiB) >> frame_internal::kSectionShift; ++i)
    active += frame_internal::sections[i] != nullptr;
  EXPECT_EQ(active, 1u);
  // Runs of a quarter of a section, past the hole.
  u64 highest = 0, taken = 0;
  for (int i = 0; i < 80; ++i) {
    auto run = allocate_frames(13, FrameContent::kAny);
    ASSERT_TRUE(run.ok());
    ASSERT_TRUE(run.value().value + 32 * kMiB <= 3 * kGiB || run.value().value >= kHigh);
    highest = std::max(highest, run.value().value);
    taken += u64{1} << 13;
  }
  EXPECT_GE(highest, kHigh);
  EXPECT_LE(memory_statistics().free_frames, memory_statistics().total_frames - taken);
}

TEST(Frames, ArchiveFramesAreAdoptedAndReleased) {
  const platform::MemoryRange archive{PhysAddr(4 * kMiB), kMiB + 100};
  start_with({{PhysAddr(kMiB), 2 * kMiB}, {PhysAddr(6 * kMiB), kMiB}}, archive);
  const u64 before = memory_statistics().free_frames;
  ASSERT_TRUE(adopt_boot_frame(PhysAddr(4 * kMiB)).ok());
  ASSERT_TRUE(adopt_boot_frame(PhysAddr(4 * kMiB + 0x3000)).ok());
  EXPECT_EQ(frame_refs(PhysAddr(4 * kMiB)), 1u);
  EXPECT_EQ(memory_statistics().free_frames, before);
  frame_drop_ref(PhysAddr(4 * kMiB));
  EXPECT_EQ(memory_statistics().free_frames, before + 1);
  // Whole frames only: the first and the last here are cut.
  release_boot_memory(PhysAddr(4 * kMiB + 0x4001), 0x2fff);
  EXPECT_EQ(memory_statistics().free_frames, before + 3);
}

TEST(Frames, ArchiveThatFillsItsSectionHasRecordsElsewhere) {
  const u64 kSection = u64{1} << frame_internal::kSectionShift;
  start_with({{PhysAddr(kMiB), 100 * kMiB}}, {PhysAddr(kSection), kSection});
  EXPECT_EQ(frame_internal::sections[1], nullptr);
  ASSERT_TRUE(adopt_boot_frame(PhysAddr(kSection + 0x5000)).ok());
  EXPECT_EQ(frame_refs(PhysAddr(kSection + 0x5000)), 1u);
  frame_drop_ref(PhysAddr(kSection + 0x5000));
}

TEST(Frames, TooLargeIsRefused) {
  start_with_megabytes(8);
  EXPECT_TRUE(allocate_frames(kMaxFrameOrder + 1, FrameContent::kAny).failed(Errno::kNoMem));
  EXPECT_TRUE(allocate_frames(kMaxFrameOrder, FrameContent::kAny).failed(Errno::kNoMem));
  EXPECT_TRUE(allocate_frames(0, FrameContent::kAny).ok());
}

using FramesDeathTest = ::testing::Test;

TEST(FramesDeathTest, FreeingTwiceIsNoticed) {
  start_with_megabytes(8);
  auto run = allocate_frames(2, FrameContent::kAny);
  ASSERT_TRUE(run.ok());
  free_frames(run.value(), 2);
  EXPECT_DEATH(free_frames(run.value(), 2), "freed twice");
}

TEST(FramesDeathTest, WritingToAFreeFrameIsNoticed) {
  start_with_megabytes(8);
  auto frame = allocate_frames(0, FrameContent::kAny);
  ASSERT_TRUE(frame.ok());
  frame_drop_ref(frame.value());
  platform::direct_map(frame.value())[1000] = std::byte{1};
  EXPECT_DEATH((void)allocate_frames(0, FrameContent::kAny), "was written to");
}

}  // namespace
}  // namespace narwhal
