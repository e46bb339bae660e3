#include "kernel/drivers/virtio/net/net.h"

#include <gtest/gtest.h>

#include "kernel/drivers/virtio/fake_device.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"

namespace narwhal {
namespace {

constexpr u64 kChecksum = 1 << 0, kGuestChecksum = 1 << 1, kMtu = 1 << 3, kMac = 1 << 5,
              kMerge = 1 << 15, kStatus = 1 << 16;
constexpr u16 kReceive = 0, kTransmit = 1;
constexpr u32 kHeader = 12;

struct Completed {
  std::vector<void*> tokens;
} completed;
int events = 0;

class VirtioNetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool started = (frames_init(), true);
    static_cast<void>(started);
    completed = {};
    events = 0;
    device = make_ref<FakeTransport>().take();
    const u8 mac[6] = {2, 1, 2, 3, 4, 5};
    std::memcpy(device->config, mac, 6);
    device->config[6] = 1;  // link up
    device->offered |= kMac | kStatus;
    scratch = FrameRef::allocate(FrameContent::kZeroed).take();
  }
  void start(u64 more_features = 0) {
    device->offered |= more_features;
    net = start_virtio_net(device).take();
    net->set_handlers([](void*) { ++events; }, nullptr,
                      [](void* token) { completed.tokens.push_back(token); });
    static_cast<void>(net->link_up());
  }
  // The device writes `size` bytes, header included, into the next buffer; all of it is `fill`
  // behind the header.
  void arrive(u32 size, u8 fill = 7, u16 buffers = 1, u8 flags = 0, u8 segmentation = 0) {
    ASSERT_TRUE(device->take(kReceive, taken));
    ASSERT_EQ(taken.chain.size(), 1u);
    auto* memory = reinterpret_cast<u8*>(platform::direct_map(PhysAddr(taken.chain[0].address)));
    std::memset(memory, fill, taken.chain[0].length);
    const u8 header[kHeader] = {flags,       segmentation,    0, 0, 0, 0, 0, 0, 0, 0,
                                u8(buffers), u8(buffers >> 8)};
    std::memcpy(memory, header, sizeof header);
    device->use(kReceive, taken.head, size);
  }
  // A buffer that goes on with the frame of the one before.
  void arrive_more(u32 size, u8 fill) {
    ASSERT_TRUE(device->take(kReceive, taken));
    auto* memory = reinterpret_cast<u8*>(platform::direct_map(PhysAddr(taken.chain[0].address)));
    std::memset(memory, fill, taken.chain[0].length);
    device->use(kReceive, taken.head, size);
  }
  void release(NetDevice::Received frame) {
    while (frame.first) {
      auto* next = frame.first->next;
      net->release(*frame.first);
      frame.first = next;
    }
  }
  Result<> send(void* token, u32 headroom = 0, usize pieces = 1) {
    std::vector<NetDevice::Piece> list;
    for (usize i = 0; i < pieces; ++i) list.push_back({scratch.data() + 64 + 32 * i, 32});
    NetDevice::Transmit packet;
    packet.pieces = list;
    packet.headroom = headroom;
    packet.token = token;
    return net->transmit(packet);
  }
  usize buffers_offered() {
    usize count = 0;
    while (device->take(kReceive, taken)) ++count;
    return count;
  }

  Ref<FakeTransport> device;
  Ref<NetDevice> net;
  FrameRef scratch;
  FakeTransport::Taken taken;
  int tokens[16] = {};
};

TEST_F(VirtioNetTest, TellsItsAddressAndOffersAsManyBuffersAsTheQueueTakes) {
  start();
  const MacAddress mac = net->mac();
  EXPECT_EQ(mac.bytes[0], 2);
  EXPECT_EQ(mac.bytes[5], 5);
  EXPECT_EQ(net->mtu(), 1500u);
  EXPECT_FALSE(net->checksums_sent());
  EXPECT_EQ(buffers_offered(), 8u);
}

TEST_F(VirtioNetTest, WithoutAnAddressMakesALocalOne) {
  device->offered &= ~kMac;
  start();
  EXPECT_EQ(net->mac().bytes[0] & 3, 2);
}

TEST_F(VirtioNetTest, AnMtuIsCutToWhatABufferTakesUnlessBuffersAreMerged) {
  const u16 large = 9000;
  std::memcpy(device->config + 10, &large, 2);
  start(kMtu);
  EXPECT_EQ(net->mtu(), 2048u - kHeader - 14);
  net = nullptr;
  start(kMtu | kMerge);
  EXPECT_EQ(net->mtu(), 9000u);
}

TEST_F(VirtioNetTest, AnMtuThatNoInternetHostMayHaveIsNotBelieved) {
  const u16 small = 20;
  std::memcpy(device->config + 10, &small, 2);
  start(kMtu);
  EXPECT_EQ(net->mtu(), 1500u);
}

TEST_F(VirtioNetTest, AFrameArrivesBehindItsHeaderAndItsBufferGoesBack) {
  start(kGuestChecksum);
  arrive(kHeader + 60, 9);
  auto frame = net->receive();
  ASSERT_NE(frame.first, nullptr);
  EXPECT_EQ(frame.length, 60u);
  EXPECT_EQ(frame.first->length, 60u);
  EXPECT_EQ(u8(frame.first->data[0]), 9);
  EXPECT_EQ(frame.first->next, nullptr);
  EXPECT_FALSE(frame.checksum_good);
  EXPECT_EQ(net->receive().first, nullptr);
  release(frame);
  net->flush();
  EXPECT_EQ(buffers_offered(), 8u);
}

TEST_F(VirtioNetTest, ChecksumsThatTheDeviceSawAreGoodIfThatWasAgreedUpon) {
  start(kGuestChecksum);
  arrive(kHeader + 60, 1, 1, 2);
  EXPECT_TRUE(net->receive().checksum_good);
  arrive(kHeader + 60, 1, 1, 1);
  EXPECT_TRUE(net->receive().checksum_good);
  net = nullptr;
  device->offered &= ~kGuestChecksum;
  device->rings[kReceive] = {};
  start();
  arrive(kHeader + 60, 1, 1, 2);
  EXPECT_FALSE(net->receive().checksum_good);
}

TEST_F(VirtioNetTest, TheStackMayKeepAsManyBuffersAsTheDeviceHas) {
  start();
  std::vector<NetDevice::Received> kept;
  for (int i = 0; i < 16; ++i) {
    arrive(kHeader + 60, u8(i));
    kept.push_back(net->receive());
    ASSERT_NE(kept.back().first, nullptr) << i;
    net->receive();
    net->flush();
  }
  EXPECT_FALSE(device->take(kReceive, taken));
  for (int i = 0; i < 16; ++i) EXPECT_EQ(u8(kept[size_t(i)].first->data[0]), i);
  for (auto& frame : kept) release(frame);
  net->flush();
  EXPECT_EQ(buffers_offered(), 8u);
}

TEST_F(VirtioNetTest, MergedBuffersMakeOneFrame) {
  start(kMerge);
  arrive(2048, 1, 3);
  arrive_more(2048, 2);
  arrive_more(100, 3);
  auto frame = net->receive();
  ASSERT_NE(frame.first, nullptr);
  EXPECT_EQ(frame.length, 2048u - kHeader + 2048 + 100);
  ASSERT_NE(frame.first->next, nullptr);
  EXPECT_EQ(u8(frame.first->next->data[0]), 2);
  ASSERT_NE(frame.first->next->next, nullptr);
  EXPECT_EQ(frame.first->next->next->length, 100u);
  EXPECT_EQ(frame.first->next->next->next, nullptr);
}

TEST_F(VirtioNetTest, AFrameOfMoreBuffersThanCameIsDropped) {
  start(kMerge);
  arrive(2048, 1, 5000);
  arrive_more(2048, 2);
  EXPECT_EQ(net->receive().first, nullptr);
  net->flush();
  EXPECT_EQ(buffers_offered(), 8u);
  EXPECT_TRUE(net->link_up());
}

TEST_F(VirtioNetTest, RuntsAndSegmentsThatNobodyAskedForAreDropped) {
  start(kMerge);
  arrive(0);
  arrive(kHeader - 1);
  arrive(kHeader);
  arrive(kHeader + 13);
  arrive(kHeader + 60, 7, 1, 1, 1);
  arrive(kHeader + 60, 42, 0);
  auto frame = net->receive();
  ASSERT_NE(frame.first, nullptr);
  EXPECT_EQ(u8(frame.first->data[0]), 42);
  release(frame);
  EXPECT_EQ(net->receive().first, nullptr);
  net->flush();
  EXPECT_EQ(buffers_offered(), 8u);
}

TEST_F(VirtioNetTest, ALengthBeyondTheBufferIsCut) {
  start();
  arrive(1u << 20);
  EXPECT_EQ(net->receive().length, 2048 - kHeader);
}

TEST_F(VirtioNetTest, ADeviceThatUsesWhatItWasNotGivenHasNoLink) {
  start();
  EXPECT_TRUE(net->link_up());
  device->use(kReceive, 1000, 60);
  EXPECT_EQ(net->receive().first, nullptr);
  EXPECT_FALSE(net->link_up());
}

TEST_F(VirtioNetTest, SendsBehindAHeaderOfItsOwn) {
  start(kChecksum);
  ASSERT_TRUE(net->checksums_sent());
  NetDevice::Piece piece{scratch.data(), 100};
  NetDevice::Transmit packet;
  packet.pieces = {&piece, 1};
  packet.needs_checksum = true;
  packet.checksum_start = 34;
  packet.checksum_offset = 16;
  packet.token = &tokens[0];
  ASSERT_TRUE(net->transmit(packet).ok());
  EXPECT_EQ(device->rings[kTransmit].notifications, 0);
  net->flush();
  EXPECT_EQ(device->rings[kTransmit].notifications, 1);
  ASSERT_TRUE(device->take(kTransmit, taken));
  ASSERT_EQ(taken.chain.size(), 2u);
  EXPECT_EQ(taken.chain[0].length, kHeader);
  EXPECT_EQ(taken.chain[1].length, 100u);
  const auto* header =
      reinterpret_cast<const u8*>(platform::direct_map(PhysAddr(taken.chain[0].address)));
  EXPECT_EQ(header[0], 1);
  EXPECT_EQ(header[6], 34);
  EXPECT_EQ(header[8], 16);
  EXPECT_TRUE(completed.tokens.empty());
  device->use(kTransmit, taken.head, 0);
  net->complete_transmits();
  EXPECT_EQ(completed.tokens, std::vector<void*>{&tokens[0]});
}

TEST_F(VirtioNetTest, AHeaderGoesIntoHeadroomWhereThereIsSome) {
  start();
  std::memset(scratch.data(), 0xff, 64);
  ASSERT_TRUE(send(&tokens[0], 64, 2).ok());
  ASSERT_TRUE(device->take(kTransmit, taken));
  ASSERT_EQ(taken.chain.size(), 2u);
  EXPECT_EQ(taken.chain[0].length, kHeader + 32);
  EXPECT_EQ(u8(scratch.data()[64 - kHeader]), 0);
  EXPECT_EQ(u8(scratch.data()[64 - kHeader - 1]), 0xff);
}

TEST_F(VirtioNetTest, AFullQueueSaysSoAndTellsWhenThereIsRoom) {
  start();
  EXPECT_FALSE(net->enable_events());
  EXPECT_FALSE(device->interrupts_wanted(kTransmit));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(&tokens[i]).ok());
  EXPECT_TRUE(send(&tokens[4]).failed(Errno::kNoBufs));
  EXPECT_TRUE(device->interrupts_wanted(kTransmit));
  ASSERT_TRUE(device->take(kTransmit, taken));
  device->use(kTransmit, taken.head, 0);
  device->interrupt();
  EXPECT_EQ(events, 1);
  EXPECT_TRUE(send(&tokens[4]).ok());
  EXPECT_EQ(completed.tokens, std::vector<void*>{&tokens[0]});
  EXPECT_FALSE(device->interrupts_wanted(kTransmit));
}

TEST_F(VirtioNetTest, RefusesWhatCanNeverBeSent) {
  start();
  EXPECT_TRUE(send(&tokens[0], 0, 0).failed(Errno::kInval));
  EXPECT_TRUE(send(&tokens[0], 0, 8).failed(Errno::kInval));
  EXPECT_TRUE(send(&tokens[0], 64, 8).ok());
  NetDevice::Piece piece{scratch.data(), 100};
  NetDevice::Transmit packet;
  packet.pieces = {&piece, 1};
  packet.needs_checksum = true;
  EXPECT_TRUE(net->transmit(packet).failed(Errno::kInval));
}

TEST_F(VirtioNetTest, OneEventForEachTimeThatTheyAreEnabled) {
  start();
  device->interrupt();
  EXPECT_EQ(events, 0);
  static_cast<void>(net->link_up());
  EXPECT_FALSE(net->enable_events());
  EXPECT_TRUE(device->interrupts_wanted(kReceive));
  arrive(kHeader + 60);
  device->interrupt();
  device->interrupt();
  EXPECT_EQ(events, 1);
  EXPECT_NE(net->receive().first, nullptr);
  EXPECT_FALSE(device->interrupts_wanted(kReceive));
  arrive(kHeader + 60);
  EXPECT_TRUE(net->enable_events());
  EXPECT_NE(net->receive().first, nullptr);
  EXPECT_FALSE(net->enable_events());
}

TEST_F(VirtioNetTest, PollingWhileAnEventIsStillToComeLeavesItPossible) {
  start();
  EXPECT_FALSE(net->enable_events());
  EXPECT_EQ(net->receive().first, nullptr);
  EXPECT_TRUE(device->interrupts_wanted(kReceive));
  arrive(kHeader + 60);
  device->interrupt();
  EXPECT_EQ(events, 1);
}

TEST_F(VirtioNetTest, AnInterruptWithoutPacketsMeansThatTheLinkMayHaveChanged) {
  start();
  EXPECT_TRUE(net->link_up());
  const int reads = device->config_reads;
  EXPECT_TRUE(net->link_up());
  EXPECT_EQ(device->config_reads, reads);
  EXPECT_FALSE(net->enable_events());
  device->config[6] = 0;
  device->interrupt();
  EXPECT_EQ(events, 1);
  EXPECT_FALSE(net->link_up());
}

TEST_F(VirtioNetTest, ALinkIsLookedAtNowAndThenAnyway) {
  start();
  EXPECT_TRUE(net->link_up());
  device->config[6] = 0;
  EXPECT_TRUE(net->link_up());
  fake::advance_time(2 * kNanosPerSecond);
  EXPECT_FALSE(net->link_up());
}

}  // namespace
}  // namespace narwhal
