#include "kernel/drivers/virtio/block.h"

#include <gtest/gtest.h>

#include <string>

#include "kernel/drivers/virtio/fake_device.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/sched/testing/thread_main.h"
#include "kernel/sched/thread.h"

namespace narwhal {
namespace {

using Operation = BlockRequest::Operation;

constexpr u64 kReadOnly = 1 << 5, kBlockSize = 1 << 6, kFlush = 1 << 9, kTopology = 1 << 10,
              kDiscard = 1 << 13, kWriteZeroes = 1 << 14, kSegments = 1 << 2;
constexpr u8 kOk = 0, kFailed = 1, kUnknown = 2;

// What a chain that the driver offers asks for.
struct Asked {
  u16 head;
  u32 type;
  u64 sector;
  std::vector<FakeTransport::Element> data;
  u8* status;
};

struct TestRequest : BlockRequest {
  Errno error{};
  int times = 0;
  Segment segment[2] = {};
};

class VirtioBlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    device = make_ref<FakeTransport>().take();
    device->rings[0].max_size = 32;  // ten requests of three parts each
    set<u64>(0, 1000);               // capacity
    frame = FrameRef::allocate(FrameContent::kZeroed).take();
  }
  template <typename T>
  void set(u32 offset, T value) {
    std::memcpy(device->config + offset, &value, sizeof value);
  }
  void start() {
    // Nobody says its serial number.
    disk = start_virtio_block(device).take();
    Asked asked;
    ASSERT_TRUE(take(asked));
    EXPECT_EQ(asked.type, 8u);
    answer(asked, kUnknown);
  }
  // ENODEV where a device like this has no driver.
  Errno start_error() { return start_virtio_block(device).error(); }

  bool take(Asked& out) {
    FakeTransport::Taken taken;
    if (!device->take(0, taken)) return false;
    const auto at = [](const FakeTransport::Element& element) {
      return platform::direct_map(PhysAddr(element.address));
    };
    EXPECT_GE(taken.chain.size(), 2u);
    EXPECT_EQ(taken.chain.front().length, 16u);
    EXPECT_EQ(taken.chain.back().length, 1u);
    EXPECT_EQ(taken.chain.back().flags & 2, 2);
    out.head = taken.head;
    std::memcpy(&out.type, at(taken.chain.front()), 4);
    std::memcpy(&out.sector, at(taken.chain.front()) + 8, 8);
    out.data.assign(taken.chain.begin() + 1, taken.chain.end() - 1);
    out.status = reinterpret_cast<u8*>(at(taken.chain.back()));
    return true;
  }
  void answer(const Asked& asked, u8 status) {
    *asked.status = status;
    device->use(0, asked.head, 1);
    device->interrupt();
  }
  void submit(TestRequest& request, Operation operation, u64 sector, u32 size = kPageSize) {
    request.operation = operation;
    request.sector = sector;
    request.segment[0] = {frame.address(), size};
    if (operation == Operation::kRead || operation == Operation::kWrite)
      request.segments = {request.segment, 1};
    request.done = [](BlockRequest& done, Errno error) {
      auto& mine = static_cast<TestRequest&>(done);
      mine.error = error;
      ++mine.times;
    };
    disk->submit(request);
  }

  Ref<FakeTransport> device;
  Ref<BlockDevice> disk;
  FrameRef frame;
};

TEST_F(VirtioBlockTest, RequestsAsTheStandardHasThem) {
  device->offered |= kFlush | kDiscard | kWriteZeroes;
  set<u32>(36, 77);
  set<u32>(48, 88);
  start();
  TestRequest requests[5];
  Asked asked;
  submit(requests[0], Operation::kRead, 5, 1024);
  ASSERT_TRUE(take(asked));
  EXPECT_EQ(asked.type, 0u);
  EXPECT_EQ(asked.sector, 5u);
  ASSERT_EQ(asked.data.size(), 1u);
  EXPECT_EQ(asked.data[0].address, frame.address().value);
  EXPECT_EQ(asked.data[0].length, 1024u);
  EXPECT_EQ(asked.data[0].flags & 2, 2);  // the device writes
  answer(asked, kOk);
  EXPECT_EQ(requests[0].times, 1);
  EXPECT_EQ(requests[0].error, Errno{});
  submit(requests[1], Operation::kWrite, 6);
  ASSERT_TRUE(take(asked));
  EXPECT_EQ(asked.type, 1u);
  EXPECT_EQ(asked.data.at(0).flags & 2, 0);
  answer(asked, kOk);
  submit(requests[2], Operation::kFlush, 0);
  ASSERT_TRUE(take(asked));
  EXPECT_EQ(asked.type, 4u);
  EXPECT_TRUE(asked.data.empty());
  answer(asked, kOk);
  for (const bool zeroes : {false, true}) {
    TestRequest& request = requests[3 + zeroes];
    request.sector_count = 9;
    request.may_unmap = true;
    submit(request, zeroes ? Operation::kWriteZeroes : Operation::kDiscard, 7);
    ASSERT_TRUE(take(asked));
    EXPECT_EQ(asked.type, zeroes ? 13u : 11u);
    ASSERT_EQ(asked.data.size(), 1u);
    ASSERT_EQ(asked.data[0].length, 16u);
    struct {
      u64 sector;
      u32 count, flags;
    } range;
    std::memcpy(&range, platform::direct_map(PhysAddr(asked.data[0].address)), 16);
    EXPECT_EQ(range.sector, 7u);
    EXPECT_EQ(range.count, 9u);
    EXPECT_EQ(range.flags, zeroes ? 1u : 0u);
    answer(asked, kOk);
  }
  for (const TestRequest& request : requests) EXPECT_EQ(request.times, 1);
  EXPECT_EQ(disk->traits().most_discarded, 77u);
  EXPECT_EQ(disk->traits().most_zeroed, 88u);
}

TEST_F(VirtioBlockTest, OutcomesInAnyOrder) {
  start();
  TestRequest requests[4];
  Asked asked[4];
  for (int i = 0; i < 4; ++i) {
    submit(requests[i], Operation::kRead, u64(i));
    ASSERT_TRUE(take(asked[i]));
  }
  answer(asked[2], kOk);
  EXPECT_EQ(requests[2].times, 1);
  EXPECT_EQ(requests[0].times + requests[1].times + requests[3].times, 0);
  answer(asked[0], kFailed);
  answer(asked[3], kUnknown);
  device->use(0, asked[1].head, 1);  // done, it says, and has not said how
  device->interrupt();
  EXPECT_EQ(requests[0].error, Errno::kIo);
  EXPECT_EQ(requests[1].error, Errno::kIo);
  EXPECT_EQ(requests[2].error, Errno{});
  EXPECT_EQ(requests[3].error, Errno::kOpNotSupp);
}

TEST_F(VirtioBlockTest, MoreThanTheQueueHoldsWaitsItsTurn) {
  start();
  TestRequest requests[20];
  for (u64 i = 0; i < 20; ++i) submit(requests[i], Operation::kWrite, i);
  std::vector<Asked> all;
  Asked asked;
  while (take(asked)) all.push_back(asked);
  EXPECT_EQ(all.size(), 10u);
  for (usize i = 0; i < all.size(); ++i) {
    const Asked next = all[i];
    answer(next, kOk);
    while (take(asked)) all.push_back(asked);
  }
  ASSERT_EQ(all.size(), 20u);
  for (u64 i = 0; i < 20; ++i) {
    EXPECT_EQ(all[i].sector, i);
    EXPECT_EQ(requests[i].times, 1);
  }
}

TEST_F(VirtioBlockTest, ADeviceThatLiesLosesEverything) {
  start();
  TestRequest requests[12], late;
  for (TestRequest& request : requests) submit(request, Operation::kRead, 0);
  device->use(0, 7000, 1);
  device->interrupt();
  for (const TestRequest& request : requests) {
    EXPECT_EQ(request.times, 1);
    EXPECT_EQ(request.error, Errno::kIo);
  }
  submit(late, Operation::kRead, 0);
  EXPECT_EQ(late.times, 1);
  EXPECT_EQ(late.error, Errno::kIo);
}

TEST_F(VirtioBlockTest, WhatItSaysOfItself) {
  device->offered |= kReadOnly | kBlockSize | kTopology | kFlush | kSegments;
  set<u32>(12, 5);
  set<u32>(20, 4096);
  set<u8>(24, 2);
  set<u8>(25, 1);
  set<u16>(26, 3);
  set<u32>(28, 8);
  start();
  const BlockDevice::Traits& traits = disk->traits();
  EXPECT_EQ(traits.sectors, 1000u);
  EXPECT_TRUE(traits.read_only);
  EXPECT_TRUE(traits.has_cache);
  EXPECT_EQ(traits.logical_block, 4096u);
  EXPECT_EQ(traits.physical_block, 16384u);
  EXPECT_EQ(traits.alignment, 4096u);
  EXPECT_EQ(traits.minimum_io, 3u * 4096);
  EXPECT_EQ(traits.optimal_io, 8u * 4096);
  EXPECT_EQ(traits.most_segments, 5u);
  EXPECT_EQ(traits.most_discarded, 0u);
  EXPECT_EQ(traits.serial, "");
}

TEST_F(VirtioBlockTest, WhatCannotBeIsRefused) {
  device->offered |= kBlockSize;
  for (const u32 size : {0u, 3u, 256u, 8192u}) {
    set<u32>(20, size);
    EXPECT_EQ(start_error(), Errno::kNoDev) << size;
  }
  set<u32>(20, 512);
  set<u64>(0, ~u64{0} >> 4);
  EXPECT_EQ(start_error(), Errno::kNoDev);
  set<u64>(0, 1000);
  device->rings[0].max_size = 0;
  EXPECT_EQ(start_error(), Errno::kNoDev);
}

TEST_F(VirtioBlockTest, ItsSerialNumber) {
  static VirtioBlockTest_ItsSerialNumber_Test* self;
  self = this;
  ASSERT_TRUE(start_kernel_thread(
                  "device",
                  [](void*) {
                    Asked asked;
                    while (!self->take(asked)) yield();
                    const char serial[20] = {'n', 'o', '.', '7'};
                    EXPECT_EQ(asked.data.at(0).length, 20u);
                    std::memcpy(platform::direct_map(PhysAddr(asked.data[0].address)), serial, 20);
                    self->answer(asked, kOk);
                  },
                  nullptr)
                  .ok());
  disk = start_virtio_block(device).take();
  EXPECT_EQ(disk->traits().serial, "no.7");
}

}  // namespace
}  // namespace narwhal

int main(int count, char** values) {
  return narwhal::run_tests_on_a_thread(count, values);
}
