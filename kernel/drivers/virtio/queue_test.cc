#include "kernel/drivers/virtio/queue.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "kernel/base/log.h"
#include "kernel/drivers/virtio/discovery.h"
#include "kernel/drivers/virtio/fake_device.h"
#include "kernel/mm/frame.h"

namespace narwhal {
namespace {

class VirtQueueTest : public testing::TestWithParam<u64> {
 protected:
  void SetUp() override { ASSERT_TRUE(queue.start(transport, 0, 8, GetParam()).ok()); }

  Result<> submit(int reads, int writes, void* token) {
    std::vector<VirtQueue::Segment> r(static_cast<size_t>(reads), {PhysAddr(0x1000), 16});
    std::vector<VirtQueue::Segment> w(static_cast<size_t>(writes), {PhysAddr(0x2000), 32});
    return queue.submit(r, w, token);
  }
  u16 take() {
    EXPECT_TRUE(transport.take(0, taken));
    return taken.head;
  }

  FakeTransport transport;
  FakeTransport::Taken taken;
  VirtQueue queue;
  int tokens[16] = {};
};

INSTANTIATE_TEST_SUITE_P(Features, VirtQueueTest,
                         testing::Values(0, kVirtioRingIndirect, kVirtioRingEventIndex,
                                         kVirtioRingIndirect | kVirtioRingEventIndex));

TEST_P(VirtQueueTest, ChainsReachTheDeviceReadableFirst) {
  ASSERT_TRUE(submit(2, 1, &tokens[0]).ok());
  take();
  ASSERT_EQ(taken.chain.size(), 3u);
  EXPECT_EQ(taken.chain[0].flags & 2, 0);
  EXPECT_EQ(taken.chain[1].flags & 2, 0);
  EXPECT_EQ(taken.chain[2].flags & 2, 2);
  EXPECT_EQ(taken.chain[2].address, 0x2000u);
  EXPECT_EQ(taken.chain[2].length, 32u);
}

TEST_P(VirtQueueTest, CompletionsComeBackOnceWithTheirTokens) {
  ASSERT_TRUE(submit(1, 1, &tokens[0]).ok());
  ASSERT_TRUE(submit(0, 1, &tokens[1]).ok());
  const u16 first = take(), second = take();
  transport.use(0, second, 5);
  transport.use(0, first, 7);
  auto done = queue.pop();
  EXPECT_EQ(done.token, &tokens[1]);
  EXPECT_EQ(done.written, 5u);
  done = queue.pop();
  EXPECT_EQ(done.token, &tokens[0]);
  EXPECT_EQ(done.written, 7u);
  EXPECT_EQ(queue.pop().token, nullptr);
  EXPECT_EQ(queue.free_descriptors(), queue.size());
}

TEST_P(VirtQueueTest, MoreWrittenThanOfferedIsCut) {
  ASSERT_TRUE(submit(1, 2, &tokens[0]).ok());
  transport.use(0, take(), 0xffffffff);
  EXPECT_EQ(queue.pop().written, 64u);
}

TEST_P(VirtQueueTest, AChainThatWasNotGivenStopsTheQueue) {
  ASSERT_TRUE(submit(1, 0, &tokens[0]).ok());
  transport.use(0, u32(take() ^ 1), 0);
  EXPECT_EQ(queue.pop().token, nullptr);
  EXPECT_TRUE(queue.broken());
  EXPECT_TRUE(submit(1, 0, &tokens[1]).failed(Errno::kNoBufs));
}

TEST_P(VirtQueueTest, AnIdOutsideTheQueueStopsIt) {
  ASSERT_TRUE(submit(1, 0, &tokens[0]).ok());
  transport.use(0, 1u << 20, 0);
  EXPECT_EQ(queue.pop().token, nullptr);
  EXPECT_TRUE(queue.broken());
}

TEST_P(VirtQueueTest, TheSameChainTwiceStopsTheQueue) {
  ASSERT_TRUE(submit(1, 0, &tokens[0]).ok());
  const u16 head = take();
  transport.use(0, head, 0);
  transport.use(0, head, 0);
  EXPECT_EQ(queue.pop().token, &tokens[0]);
  EXPECT_EQ(queue.pop().token, nullptr);
  EXPECT_TRUE(queue.broken());
}

TEST_P(VirtQueueTest, AnIndexFarAheadStopsTheQueue) {
  ASSERT_TRUE(submit(1, 0, &tokens[0]).ok());
  transport.set_used_index(0, 1000);
  EXPECT_EQ(queue.pop().token, nullptr);
  EXPECT_TRUE(queue.broken());
}

TEST_P(VirtQueueTest, FullQueueSaysSoAndRecovers) {
  int sent = 0;
  while (submit(1, 1, &tokens[sent]).ok()) ++sent;
  EXPECT_EQ(sent, GetParam() & kVirtioRingIndirect ? 8 : 4);
  EXPECT_TRUE(submit(1, 1, &tokens[15]).failed(Errno::kNoBufs));
  transport.use(0, take(), 0);
  EXPECT_EQ(queue.pop().token, &tokens[0]);
  EXPECT_TRUE(submit(1, 1, &tokens[15]).ok());
}

TEST_P(VirtQueueTest, RunsForLongerThanItsIndicesCount) {
  for (int i = 0; i < 70'000; ++i) {
    ASSERT_TRUE(submit(1, 1, &tokens[i % 16]).ok());
    queue.kick();
    transport.use(0, take(), 1);
    ASSERT_EQ(queue.pop().token, &tokens[i % 16]);
  }
}

TEST_P(VirtQueueTest, RefusesEmptyChainsAndNullTokens) {
  EXPECT_TRUE(queue.submit({}, {}, &tokens[0]).failed(Errno::kInval));
  EXPECT_TRUE(submit(1, 0, nullptr).failed(Errno::kInval));
}

TEST_P(VirtQueueTest, KicksOnlyWhenThereIsNewsAndTheDeviceWantsIt) {
  queue.kick();
  EXPECT_EQ(transport.rings[0].notifications, 0);
  ASSERT_TRUE(submit(1, 0, &tokens[0]).ok());
  queue.kick();
  queue.kick();
  EXPECT_EQ(transport.rings[0].notifications, 1);
  if (GetParam() & kVirtioRingEventIndex) {
    transport.set_available_event(0, 5);
    ASSERT_TRUE(submit(1, 0, &tokens[1]).ok());
    queue.kick();
    EXPECT_EQ(transport.rings[0].notifications, 1);
  }
}

TEST(VirtioNegotiation, NeedsVersion1) {
  FakeTransport old;
  old.offered = 0;
  EXPECT_TRUE(virtio_negotiate(old, 0, 0).failed(Errno::kNoDev));
}

TEST(VirtioNegotiation, TakesOnlyWhatIsOfferedAndWanted) {
  FakeTransport device;
  device.offered |= 0b110;
  EXPECT_EQ(virtio_negotiate(device, 0b011, 0).take(), kVirtioVersion1 | 0b010);
  EXPECT_EQ(device.accepted, kVirtioVersion1 | 0b010);
}

TEST(VirtioNegotiation, ADeviceThatTakesNothingIsGivenUp) {
  FakeTransport device;
  device.refuses_features = true;
  EXPECT_TRUE(virtio_negotiate(device, 0, 0).failed(Errno::kNoDev));
}

TEST(MmioSetting, ReadsWhatQemuWrites) {
  const auto setting = parse_mmio_device("512@0xfeb02c00:12").take();
  EXPECT_EQ(setting.size, 512u);
  EXPECT_EQ(setting.base.value, 0xfeb02c00u);
  EXPECT_EQ(setting.irq, 12u);
  EXPECT_EQ(parse_mmio_device("4K@0xd0000000:5:1").take().size, 4096u);
}

TEST(MmioSetting, RefusesWhatIsMalformed) {
  for (const char* text :
       {"", "512", "512@", "512@0x:1", "512@0x1000", "512@0x1000:", "512@0x1000:999", "0@0x1000:1",
        "5X@0x1000:1", "512@0x1001:1", "99999999999999999999@0x1000:1", "512@0x1000:1 "})
    EXPECT_TRUE(parse_mmio_device(text).failed(Errno::kInval)) << text;
}

}  // namespace

// The seam: frames are pieces of the host's heap, physical addresses are its pointers.
Result<PhysAddr> allocate_frames(unsigned order, FrameContent) {
  void* memory = std::aligned_alloc(kPageSize, kPageSize << order);
  std::memset(memory, 0, kPageSize << order);
  return PhysAddr(reinterpret_cast<u64>(memory));
}
void free_frames(PhysAddr start, unsigned) {
  std::free(reinterpret_cast<void*>(start.value));
}
std::byte* platform::direct_map(PhysAddr address) {
  return reinterpret_cast<std::byte*>(address.value);
}
PhysAddr platform::direct_map_to_phys(const void* address) {
  return PhysAddr(reinterpret_cast<u64>(address));
}
std::span<const platform::MemoryRange> platform::usable_memory() {
  return {};
}
Result<std::byte*> platform::map_device(PhysAddr, usize) {
  return Errno::kNoMem;
}
Result<> platform::register_irq(u32, bool, bool, InterruptHandler, void*) {
  return Errno::kNoSpc;
}
Result<platform::MessageInterrupt> platform::register_message_irq(InterruptHandler, void*) {
  return Errno::kNoSpc;
}
LogLevel log_level = LogLevel::kError;
void log_line(LogLevel, std::string_view) {}
void panic(const char* reason) {
  std::fprintf(stderr, "%s\n", reason);
  std::abort();
}
void panic_at(const char* condition, const char*, int) {
  panic(condition);
}

}  // namespace narwhal
