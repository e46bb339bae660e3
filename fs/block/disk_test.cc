#include "fs/block/disk.h"

#include <gtest/gtest.h>

#include <string>

#include "fs/block/fake_disk.h"
#include "fs/block/write_back.h"
#include "kernel/mm/reclaim.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/sched/testing/thread_main.h"
#include "kernel/sched/thread.h"

namespace narwhal {
namespace {

using testing::FakeDisk;
using Operation = BlockRequest::Operation;

class DiskTest : public ::testing::Test {
 protected:
  void make(u64 sectors) {
    fake = make_ref<FakeDisk>(sectors).take();
    ASSERT_TRUE(Disk::add(fake).ok());
    u32 last = 0;
    while (Disk::find(last + 1)) ++last;
    disk = Disk::find(last);
  }
  // Others' tests leave disks behind; those hold nothing.
  void TearDown() override {
    fake->bad_sectors.clear();
    fake->fails_flushes = false;
    fake->let_go();
    EXPECT_TRUE(disk->pages().write_back().ok());
    disk->pages().drop(~u64{0});
    EXPECT_EQ(disk->pages().page_count(), 0u);
  }
  Result<usize> write(std::string_view text, u64 offset) {
    IoBuffer from(std::as_bytes(std::span(text)));
    return disk->write(from, offset);
  }
  std::string read(usize size, u64 offset) {
    std::string text(size, '?');
    IoBuffer to(std::as_writable_bytes(std::span(text)));
    auto moved = disk->read(to, offset);
    if (!moved.ok()) return "error " + std::to_string(u32(moved.error()));
    return text.substr(0, moved.value());
  }
  std::string on_device(u64 offset, usize size) const {
    return {reinterpret_cast<const char*>(fake->content.data()) + offset, size};
  }
  // Memory of frames, aligned as O_DIRECT wants it.
  struct alignas(kPageSize) Aligned {
    char bytes[8 * kPageSize];
  };

  Ref<FakeDisk> fake;
  Disk* disk = nullptr;
};

TEST_F(DiskTest, WhatIsWrittenIsReadAndComesToTheDevice) {
  make(64);
  EXPECT_EQ(write("hello", 4094).value(), 5u);
  EXPECT_EQ(read(7, 4093), std::string("\0hello\0", 7));
  EXPECT_EQ(on_device(4094, 5), std::string(5, '\0'));
  EXPECT_EQ(disk->pages().changed_count(), 2u);
  EXPECT_TRUE(disk->pages().write_back().ok());
  EXPECT_EQ(on_device(4093, 7), std::string("\0hello\0", 7));
  EXPECT_EQ(disk->pages().changed_count(), 0u);
}

TEST_F(DiskTest, WholePagesAreNotReadFirst) {
  make(64);
  EXPECT_EQ(write(std::string(3 * kPageSize, 'w'), kPageSize).value(), 3 * kPageSize);
  EXPECT_EQ(fake->count(Operation::kRead), 0u);
  EXPECT_EQ(write("x", 5 * kPageSize).value(), 1u);
  EXPECT_EQ(fake->count(Operation::kRead), 1u);
}

TEST_F(DiskTest, AnEndWithinAPage) {
  make(9);
  EXPECT_EQ(disk->size(), 4608u);
  EXPECT_EQ(write(std::string(1000, 'e'), 4000).value(), 608u);
  EXPECT_EQ(write("x", 4608).error(), Errno::kNoSpc);
  EXPECT_EQ(read(1000, 4000), std::string(608, 'e'));
  EXPECT_EQ(read(10, 4608), "");
  EXPECT_TRUE(disk->pages().write_back().ok());
  EXPECT_EQ(on_device(4000, 608), std::string(608, 'e'));
}

TEST_F(DiskTest, ReadersInSequenceReadAhead) {
  make(1024);
  for (usize i = 0; i < 512 * 1024; i += 4096) EXPECT_EQ(read(4096, i), std::string(4096, '\0'));
  // 128 pages, of which 32 are read at once, in requests of six segments that may be merged.
  EXPECT_LE(fake->count(Operation::kRead), 40u);
  EXPECT_GT(fake->most_pending, 1u);
}

TEST_F(DiskTest, ABadSectorSpoilsItsPageOnly) {
  make(1024);
  fake->bad_sectors = {80};  // page 10
  EXPECT_EQ(read(9 * kPageSize, 0).size(), 9 * kPageSize);
  EXPECT_EQ(read(4 * kPageSize, 8 * kPageSize).size(), 2 * kPageSize);
  EXPECT_EQ(read(1, 10 * kPageSize), "error 5");
  EXPECT_EQ(read(1, 11 * kPageSize), std::string(1, '\0'));
  // All of it is replaced: nothing has to be read.
  EXPECT_EQ(write(std::string(kPageSize, 'n'), 10 * kPageSize).value(), kPageSize);
  EXPECT_EQ(read(1, 10 * kPageSize), "n");
  fake->bad_sectors.clear();
}

TEST_F(DiskTest, EachOpenerHearsOfAFailedWriteOnce) {
  make(64);
  u32 first = disk->first_failure_to_tell(), second = first;
  fake->bad_sectors = {8};
  EXPECT_TRUE(write(std::string(kPageSize, 'l'), kPageSize).ok());
  EXPECT_TRUE(write("kept", 3 * kPageSize).ok());
  EXPECT_EQ(disk->pages().write_back().error(), Errno::kIo);
  EXPECT_EQ(on_device(3 * kPageSize, 4), "kept");
  EXPECT_EQ(read(4, kPageSize), "llll");  // and clean, as on Linux
  EXPECT_TRUE(disk->pages().write_back().ok());
  // Nobody has heard of it: whoever comes now does.
  u32 late = disk->first_failure_to_tell();
  EXPECT_TRUE(disk->has_failed(first));
  EXPECT_FALSE(disk->has_failed(first));
  EXPECT_TRUE(disk->has_failed(second));
  EXPECT_TRUE(disk->has_failed(late));
  u32 later = disk->first_failure_to_tell();
  EXPECT_FALSE(disk->has_failed(later));
}

TEST_F(DiskTest, AChangeDuringAWriteBackIsWrittenAgain) {
  make(64);
  EXPECT_TRUE(write(std::string(kPageSize, 'a'), 0).ok());
  fake->hold();
  static Disk* the_disk;
  the_disk = disk;
  static Atomic<bool> done;
  done.store(false);
  ASSERT_TRUE(start_kernel_thread(
                  "writer",
                  [](void*) {
                    EXPECT_TRUE(the_disk->pages().write_back().ok());
                    done.store(true);
                  },
                  nullptr)
                  .ok());
  while (fake->pending.empty()) yield();
  // On its way: it may not be dropped, and a change marks it anew.
  EXPECT_EQ(disk->pages().drop(~u64{0}), 0u);
  EXPECT_TRUE(write("b", 0).ok());
  EXPECT_EQ(disk->pages().changed_count(), 1u);
  fake->let_go();
  while (!done.load()) yield();
  EXPECT_TRUE(disk->pages().write_back().ok());
  EXPECT_EQ(on_device(0, 2), "ba");
  EXPECT_EQ(fake->count(Operation::kWrite), 2u);
}

TEST_F(DiskTest, DirectTransfersAndTheCacheAgree) {
  make(128);
  static Aligned memory;
  const auto direct = [&](usize size) {
    return std::as_writable_bytes(std::span(memory.bytes, size));
  };
  EXPECT_TRUE(write("cached", 100).ok());
  {
    IoBuffer to(direct(512));
    EXPECT_EQ(disk->read_direct(to, 0).value(), 512u);
    EXPECT_EQ(std::string(memory.bytes + 100, 6), "cached");
  }
  std::memset(memory.bytes, 'd', sizeof memory.bytes);
  {
    IoBuffer from(std::as_bytes(std::span(memory.bytes, 8 * kPageSize)));
    EXPECT_EQ(disk->write_direct(from, 512).value(), 8 * kPageSize);
  }
  EXPECT_EQ(on_device(512, 8 * kPageSize), std::string(8 * kPageSize, 'd'));
  EXPECT_EQ(read(8, 510), std::string("\0\0dddddd", 8));
  EXPECT_EQ(on_device(100, 6), "cached");
  const auto error = [&](usize at, usize size, u64 offset) {
    IoBuffer to(std::as_writable_bytes(std::span(memory.bytes + at, size)));
    return disk->read_direct(to, offset).error();
  };
  EXPECT_EQ(error(0, 512, 100), Errno::kInval);
  EXPECT_EQ(error(0, 100, 0), Errno::kInval);
  EXPECT_EQ(error(100, 512, 0), Errno::kInval);
  fake->bad_sectors = {4};
  EXPECT_EQ(error(0, 4096, 0), Errno::kIo);
}

TEST_F(DiskTest, RangesAreDiscardedAndCleared) {
  make(1024);
  EXPECT_TRUE(write(std::string(300 * 512, 'x'), 0).ok());
  EXPECT_TRUE(disk->discard(512, 250 * 512).ok());
  EXPECT_EQ(fake->count(Operation::kDiscard), 3u);  // of 100 sectors each at most
  EXPECT_EQ(read(1, 511), "x");
  EXPECT_EQ(read(1, 512), "\xdd");
  EXPECT_EQ(read(1, 251 * 512), "x");
  EXPECT_TRUE(disk->zero(1024, 512, false).ok());
  EXPECT_EQ(read(1, 1024), std::string(1, '\0'));
  fake->traits_to_change().most_zeroed = 0;
  EXPECT_TRUE(disk->zero(0, 299 * 512, true).ok());
  EXPECT_EQ(on_device(0, 299 * 512), std::string(299 * 512, '\0'));
  EXPECT_EQ(on_device(299 * 512, 512), std::string(512, 'x'));
  fake->traits_to_change().most_discarded = 0;
  EXPECT_EQ(disk->discard(0, 512).error(), Errno::kOpNotSupp);
}

TEST_F(DiskTest, ReadOnly) {
  make(64);
  disk->set_read_only(true);
  EXPECT_EQ(write("x", 0).error(), Errno::kPerm);
  EXPECT_EQ(write("", 0).error(), Errno::kPerm);
  EXPECT_EQ(disk->discard(0, 512).error(), Errno::kPerm);
  disk->set_read_only(false);
  EXPECT_TRUE(write("x", 0).ok());
  fake->traits_to_change().read_only = true;
  disk->set_read_only(false);
  EXPECT_TRUE(disk->read_only());
  fake->traits_to_change().read_only = false;
}

TEST_F(DiskTest, OneExclusiveOpener) {
  make(64);
  EXPECT_TRUE(disk->opened(false).ok());
  EXPECT_TRUE(disk->opened(true).ok());
  EXPECT_EQ(disk->opened(true).error(), Errno::kBusy);
  EXPECT_TRUE(disk->opened(false).ok());
  disk->closed(true);
  EXPECT_TRUE(disk->opened(true).ok());
  disk->closed(true);
  disk->closed(false);
  disk->closed(false);
  EXPECT_EQ(disk->openers(), 0u);
}

TEST_F(DiskTest, TheCacheMakesWay) {
  make(64 * 2048);  // as much as the machine has memory
  for (u64 at = 0; at < disk->size(); at += 64 * kKiB)
    ASSERT_EQ(read(64 * kKiB, at).size(), 64 * kKiB);
  const MemoryStatistics memory = memory_statistics();
  EXPECT_GT(memory.free_frames, memory.total_frames / 20);
  EXPECT_GT(disk->pages().page_count(), memory.total_frames / 2);
  // A program gets what it wants.
  std::vector<FrameRef> frames;
  for (u64 i = 0; i < memory.total_frames / 2; ++i) {
    auto frame = FrameRef::allocate_for_program(FrameContent::kAny);
    ASSERT_TRUE(frame.ok()) << i;
    frames.push_back(frame.take());
  }
}

TEST_F(DiskTest, RandomOperationsAgreeWithAModel) {
  make(777);
  std::mt19937 random(3);
  std::string model(disk->size(), '\0');
  static Aligned memory;
  for (int step = 0; step < 3000; ++step) {
    const usize size = 1 + random() % 20'000;
    const u64 at = random() % disk->size();
    const usize moved = size < disk->size() - at ? size : disk->size() - at;
    switch (random() % 6) {
      case 0:
      case 1: {
        const std::string text(size, char('a' + random() % 26));
        ASSERT_EQ(write(text, at).value(), moved);
        model.replace(at, moved, text, 0, moved);
        break;
      }
      case 2: {
        const u64 start = at / 512 * 512;
        const usize bytes = std::min<usize>(512 * (1 + random() % 20), disk->size() - start);
        std::memset(memory.bytes, int('A' + random() % 26), bytes);
        IoBuffer from(std::as_bytes(std::span(memory.bytes, bytes)));
        ASSERT_EQ(disk->write_direct(from, start).value(), bytes);
        model.replace(start, bytes, memory.bytes, bytes);
        break;
      }
      case 3:
        disk->pages().drop(random() % 50);
        break;
      case 4:
        if (random() % 10 == 0) ASSERT_TRUE(disk->pages().write_back().ok());
        break;
      default:
        ASSERT_EQ(read(size, at), model.substr(at, moved));
    }
  }
  ASSERT_TRUE(disk->pages().write_back().ok());
  EXPECT_EQ(on_device(0, model.size()), model);
}

TEST_F(DiskTest, SyncReachesTheDevicesMemory) {
  make(64);
  EXPECT_TRUE(write("stays", 0).ok());
  sync_all_disks();
  ASSERT_EQ(fake->durable.size(), fake->content.size());
  EXPECT_EQ(std::string(reinterpret_cast<char*>(fake->durable.data()), 5), "stays");
  const DiskStatistics& statistics = disk->queue().statistics();
  EXPECT_EQ(statistics.writes.requests.load(), 1u);
  EXPECT_EQ(statistics.writes.sectors.load(), 8u);
  EXPECT_EQ(statistics.flushes.requests.load(), 1u);
  EXPECT_EQ(statistics.in_flight.load(), 0u);
}

}  // namespace
}  // namespace narwhal

int main(int count, char** values) {
  return narwhal::run_tests_on_a_thread(count, values, narwhal::start_write_back);
}
