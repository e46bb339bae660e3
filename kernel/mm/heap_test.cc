#include "kernel/mm/heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernel/mm/frame.h"
#include "kernel/mm/testing/test_machine.h"

namespace narwhal {
namespace {

class Heap : public ::testing::Test {
 protected:
  // The size classes are global and remember their slabs, so memory is made once.
  static void SetUpTestSuite() {
    static bool made = false;
    if (std::exchange(made, true)) return;
    testing::set_physical_memory({{PhysAddr(kMiB), 64 * kMiB}});
    frames_init();
  }
};

TEST_F(Heap, GivesWhatIsAskedAligned) {
  std::vector<void*> blocks;
  for (usize size = 0; size <= 9000; size += 7) {
    void* block = heap_allocate(size);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uptr>(block) % kHeapAlignment, 0u);
    EXPECT_GE(heap_usable_size(block), size);
    std::memset(block, 0x11, size);
    blocks.push_back(block);
  }
  for (void* block : blocks) heap_free(block);
  heap_free(nullptr);
}

TEST_F(Heap, AlignmentAsAsked) {
  for (usize alignment = 1; alignment <= kPageSize; alignment *= 2)
    for (usize size : {1, 17, 100, 832, 1000, 1700, 2048, 2049, 5000}) {
      void* block = heap_allocate_aligned(size, alignment);
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(reinterpret_cast<uptr>(block) % alignment, 0u) << size << " " << alignment;
      EXPECT_GE(heap_usable_size(block), size);
      heap_free(block);
    }
}

TEST_F(Heap, ZeroedAndOverflow) {
  auto* block = static_cast<u8*>(heap_allocate_zeroed(33, 40));
  ASSERT_NE(block, nullptr);
  for (int i = 0; i < 33 * 40; ++i) ASSERT_EQ(block[i], 0);
  heap_free(block);
  EXPECT_EQ(heap_allocate_zeroed(usize{1} << 40, usize{1} << 40), nullptr);
  EXPECT_EQ(heap_allocate(usize{1} << 40), nullptr);
}

TEST_F(Heap, ObjectsNeverOverlapAndAllMemoryComesBack) {
  heap_trim();
  const u64 free_before = memory_statistics().free_frames;
  const u64 slabs_before = memory_statistics().slab_frames;
  struct Block {
    u8* data;
    usize size;
    u8 mark;
  };
  std::vector<Block> blocks;
  std::mt19937_64 random(3);
  const auto release = [&](usize i) {
    for (usize at = 0; at < blocks[i].size; ++at) ASSERT_EQ(blocks[i].data[at], blocks[i].mark);
    heap_free(blocks[i].data);
    blocks[i] = blocks.back();
    blocks.pop_back();
  };
  for (int step = 0; step < 40000; ++step) {
    if (blocks.size() < 1500 && random() % 5 < 3) {
      // Mostly small, now and then many pages.
      const usize size = random() % 50 ? random() % 600 : random() % 40000;
      auto* data = static_cast<u8*>(heap_allocate(size));
      ASSERT_NE(data, nullptr);
      const u8 mark = u8(random());
      std::memset(data, mark, size);
      blocks.push_back({data, size, mark});
    } else if (!blocks.empty()) {
      release(random() % blocks.size());
    }
  }
  while (!blocks.empty()) release(blocks.size() - 1);
  heap_trim();
  // At most one spare slab stays in each class.
  EXPECT_LE(memory_statistics().slab_frames, slabs_before + 16 * 1 + 4 * 2 + 4 * 4);
  EXPECT_EQ(memory_statistics().free_frames + memory_statistics().slab_frames,
            free_before + slabs_before);
}

TEST_F(Heap, RunsOutWithoutHarm) {
  std::vector<void*> blocks;
  while (void* block = heap_allocate(100000)) blocks.push_back(block);
  EXPECT_GT(blocks.size(), 400u);
  while (void* block = heap_allocate(2000)) blocks.push_back(block);
  while (void* block = heap_allocate(16)) blocks.push_back(block);
  EXPECT_EQ(memory_statistics().free_frames, 0u);
  for (void* block : blocks) heap_free(block);
  void* block = heap_allocate(1 * kMiB);
  EXPECT_NE(block, nullptr);
  heap_free(block);
}

// What a CPU keeps at hand is little, whatever is freed, and the next allocation gets the last one.
TEST_F(Heap, KeepsLittleAtHand) {
  heap_trim();
  const u64 slabs_before = memory_statistics().slab_frames;
  for (const usize size : {16, 100, 500, 2048}) {
    std::vector<void*> blocks;
    for (int i = 0; i < 2000; ++i) blocks.push_back(heap_allocate(size));
    for (void* block : blocks) ASSERT_NE(block, nullptr);
    const u64 slabs_full = memory_statistics().slab_frames;
    EXPECT_GE(slabs_full + 100, slabs_before + 2000 * size / kPageSize);
    for (void* block : blocks) heap_free(block);
    EXPECT_LE(memory_statistics().slab_frames, slabs_before + 4 * 17 * 4);
    void* block = heap_allocate(size);
    EXPECT_EQ(block, blocks.back());
    heap_free(block);
  }
}

using HeapDeathTest = Heap;

TEST_F(HeapDeathTest, WritingAfterFreeIsNoticed) {
  auto* block = static_cast<u8*>(heap_allocate(200));
  heap_free(block);
  block[100] = 1;
  EXPECT_DEATH(heap_free(heap_allocate(200)), "was written to");
  block[100] = 0xfb;
}

TEST_F(HeapDeathTest, FreeingTheMiddleIsNoticed) {
  auto* block = static_cast<u8*>(heap_allocate(200));
  EXPECT_DEATH(heap_free(block + 16), "not the start");
  heap_free(block);
}

}  // namespace
}  // namespace narwhal
