// Packet sockets on an Ethernet card; compat_tests/sockets/packet_test.cc has them on loopback.
#include "net/packet/socket.h"

#include <gtest/gtest.h>

#include "net/inet/testing/mirror_device.h"
#include "net/inet/testing/sockets.h"
#include "net/lwip/interface.h"

namespace narwhal {
namespace {

using testing::address_of;
using testing::MirrorDevice;
using testing::pass_time;

constexpr std::string_view kOwn = "10.0.0.1", kMirror = "10.0.0.2";
constexpr u16 kIpv4 = 0x0800, kArp = 0x0806, kExperiment = 0x88b5;

struct Seen {
  std::string bytes;
  abi::LinkAddress from;
};

class PacketSockets : public testing::Sockets {
 protected:
  void SetUp() override {
    Sockets::SetUp();
    static MirrorDevice* made = nullptr;
    if (!made) {
      auto device = make_ref<MirrorDevice>(true).take();
      made = device.get();
      index_ = net::add_interface(std::move(device)).take();
      EXPECT_TRUE(
          net::set_ipv4(index_, parse_ip_address(kOwn).value(), 24, IpAddress::any(IpVersion::k4))
              .ok());
    }
    device_ = made;
  }
  static SocketAddress link_address(u16 protocol, const u8* to = nullptr) {
    abi::LinkAddress address{};
    address.family = abi::kAfPacket;
    address.protocol = __builtin_bswap16(protocol);
    address.interface = i32(index_);
    if (to) {
      address.address_length = 6;
      std::memcpy(address.address, to, 6);
    }
    SocketAddress out;
    std::memcpy(out.bytes, &address, sizeof address);
    out.length = sizeof address;
    return out;
  }
  static Ref<packet::PacketSocket> listening(int type, u16 protocol) {
    auto socket = make_ref<packet::PacketSocket>(type, OpenFlags::kReadWrite).take();
    EXPECT_TRUE(socket->bind(link_address(protocol)).ok());
    return socket;
  }
  // All that has passed, of one protocol.
  static std::vector<Seen> seen(packet::PacketSocket& socket, u16 protocol) {
    std::vector<Seen> all;
    for (;;) {
      SocketAddress address;
      const std::string bytes = receive(socket, 65536, 0, &address);
      if (bytes == "<EAGAIN>") return all;
      Seen each{bytes, {}};
      std::memcpy(&each.from, address.bytes, sizeof each.from);
      if (each.from.protocol == __builtin_bswap16(protocol)) all.push_back(each);
    }
  }

  static inline u32 index_ = 0;
  MirrorDevice* device_ = nullptr;
};

TEST_F(PacketSockets, SeeBothDirections) {
  auto all = listening(abi::kSockRaw, net::kEveryProtocol);
  auto arp = listening(abi::kSockRaw, kArp);
  auto client = datagram();
  const SocketAddress to = address_of(kMirror, 9);
  ASSERT_TRUE(send(*client, "hello", 0, &to).ok());
  pass_time(10 * kNanosPerMilli);
  const auto packets = seen(*all, kIpv4);
  ASSERT_GE(packets.size(), 2u);
  EXPECT_EQ(packets[0].from.packet_type, u8(net::TappedFrame::Kind::kOutgoing));
  EXPECT_EQ(packets[1].from.packet_type, u8(net::TappedFrame::Kind::kHost));
  EXPECT_EQ(packets[0].from.hardware_type, abi::kHardwareEthernet);
  EXPECT_EQ(std::memcmp(packets[1].from.address, MirrorDevice::kPeerMac, 6), 0);
  ASSERT_EQ(packets[0].bytes.size(), 14u + 20 + 8 + 5);
  EXPECT_EQ(std::memcmp(packets[0].bytes.data(), MirrorDevice::kPeerMac, 6), 0);
  EXPECT_TRUE(packets[0].bytes.ends_with("hello"));
  for (const Seen& each : seen(*arp, kArp))
    EXPECT_EQ(each.from.packet_type, u8(net::TappedFrame::Kind::kHost)) << "only what comes";
}

TEST_F(PacketSockets, SendFramesAsTheyAre) {
  auto sender = listening(abi::kSockDatagram, kIpv4);
  auto all = listening(abi::kSockRaw, net::kEveryProtocol);
  EXPECT_EQ(send(*sender, "lost").error(), Errno::kInval) << "to whom?";
  const usize before = device_->transmitted;
  // A datagram of UDP whose checksum of 0 says that there is none: it stays so, although the card
  // could fill it in.
  const u8 datagram[] = {0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0x66, 0xca, 10,  0,   0,   1,
                         10,   0, 0, 2,  0, 7, 0, 9, 0,  12, 0,    0,    't', 'e', 'x', 't'};
  const std::string text(reinterpret_cast<const char*>(datagram), sizeof datagram);
  const SocketAddress to = link_address(kIpv4, MirrorDevice::kPeerMac);
  EXPECT_EQ(send(*sender, text, 0, &to).value(), text.size());
  EXPECT_EQ(device_->transmitted, before + 1);
  const auto out = seen(*all, kIpv4);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].bytes.substr(14), text);
  EXPECT_EQ(std::memcmp(out[0].from.address, device_->mac().bytes, 6), 0);
  pass_time(kNanosPerMilli);
  const auto back = seen(*sender, kIpv4);
  ASSERT_GE(back.size(), 1u);
  EXPECT_EQ(back[0].bytes.substr(20), text.substr(20)) << "checksum and all";
}

TEST_F(PacketSockets, FramesAreNoLongerThanTheWireTakes) {
  auto sender = listening(abi::kSockRaw, kExperiment);
  EXPECT_EQ(send(*sender, std::string(1514, 'x')).value(), 1514u);
  EXPECT_EQ(send(*sender, std::string(1515, 'x')).error(), Errno::kMsgSize);
  EXPECT_EQ(send(*sender, std::string(13, 'x')).error(), Errno::kInval);
}

}  // namespace
}  // namespace narwhal
