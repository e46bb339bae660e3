// UDP and raw sockets over loopback, against what Linux does: udp(7), raw(7).
#include <gtest/gtest.h>

#include "kernel/abi/ioctl.h"
#include "kernel/mm/frame.h"
#include "net/inet/testing/sockets.h"

namespace narwhal {
namespace {

using testing::address_of;
using testing::kOk;
using testing::text_of;

class UdpSocketTest : public testing::Sockets {
 protected:
  static Ref<Socket> bound(std::string_view ip = "127.0.0.1", u16 port = 0) {
    const int family = parse_ip_address(ip).value().is_v4() ? abi::kAfInet : abi::kAfInet6;
    auto socket = datagram(family);
    EXPECT_EQ(socket->bind(address_of(ip, port)).error(), kOk);
    return socket;
  }
  static u16 port_of(Socket& socket) {
    const SocketAddress own = local(socket);
    return inet::parse_address(own.family(), own).value().port;
  }
};

TEST_F(UdpSocketTest, DatagramsKeepTheirBounds) {
  auto server = bound();
  auto client = datagram();
  const SocketAddress to = local(*server);
  EXPECT_EQ(receive(*server), "<EAGAIN>");
  EXPECT_EQ(send(*client, "one", 0, &to).value(), 3u);
  EXPECT_EQ(send(*client, "", 0, &to).value(), 0u);
  EXPECT_EQ(send(*client, "three", 0, &to).value(), 5u);
  EXPECT_EQ(server->poll(), kPollReadable | kPollWritable);
  SocketAddress from;
  EXPECT_EQ(receive(*server, 100, abi::kMsgPeek), "one");
  EXPECT_EQ(receive(*server, 100, 0, &from), "one");
  EXPECT_EQ(text_of(from), "127.0.0.1 " + std::to_string(port_of(*client)));
  EXPECT_EQ(receive(*server), "");
  EXPECT_EQ(receive(*server, 2, abi::kMsgTruncated), "<5>");
  EXPECT_EQ(receive(*server), "<EAGAIN>");
  EXPECT_EQ(send(*server, "answer", 0, &from).value(), 6u);
  EXPECT_EQ(receive(*client), "answer");
}

TEST_F(UdpSocketTest, LargestDatagrams) {
  auto server = bound();
  const SocketAddress to = local(*server);
  auto client = datagram();
  std::string data(65507, 'a');
  for (usize i = 0; i < data.size(); ++i) data[i] = char(i * 7 >> 2);
  EXPECT_EQ(send(*client, data, 0, &to).value(), data.size());
  EXPECT_TRUE(receive(*server, 70'000) == data);
  EXPECT_EQ(send(*client, data + "b", 0, &to).error(), Errno::kMsgSize);
  auto server6 = bound("::1");
  const SocketAddress to6 = local(*server6);
  auto client6 = datagram(abi::kAfInet6);
  data.resize(65'000);
  EXPECT_EQ(send(*client6, data, 0, &to6).value(), data.size());
  EXPECT_TRUE(receive(*server6, 70'000) == data);
}

TEST_F(UdpSocketTest, ConnectedSocketsHearOnePeer) {
  auto a = bound(), b = bound(), stranger = bound();
  ASSERT_EQ(connect(*a, local(*b)), kOk);
  const SocketAddress to = local(*a);
  EXPECT_EQ(send(*stranger, "no", 0, &to).value(), 2u);
  EXPECT_EQ(receive(*a), "<EAGAIN>");
  EXPECT_EQ(send(*b, "yes", 0, &to).value(), 3u);
  EXPECT_EQ(receive(*a), "yes");
  EXPECT_EQ(send(*a, "direct").value(), 6u);
  EXPECT_EQ(receive(*b), "direct");
  SocketAddress nobody;
  nobody.length = 16;
  EXPECT_EQ(connect(*a, nobody), kOk);
  EXPECT_EQ(send(*a, "x").error(), Errno::kDestAddrReq);
  // The port that the system chose is gone (udp(7) does not say so, Linux does it).
  EXPECT_EQ(testing::text_of(local(*a)), "127.0.0.1 0");
  EXPECT_EQ(a->bind(to).error(), kOk);
  EXPECT_EQ(send(*stranger, "now", 0, &to).value(), 3u);
  EXPECT_EQ(receive(*a), "now");
}

TEST_F(UdpSocketTest, RefusedByAPortWithoutASocket) {
  auto gone = bound();
  const SocketAddress to = local(*gone);
  gone = nullptr;
  auto client = datagram();
  ASSERT_EQ(connect(*client, to), kOk);
  EXPECT_EQ(send(*client, "x").value(), 1u);
  EXPECT_TRUE(has(client->poll(), PollEvents::kErr));
  EXPECT_EQ(receive(*client), "<ECONNREFUSED>");
  EXPECT_EQ(receive(*client), "<EAGAIN>");
  // Not connected, nobody is told; unless IP_RECVERR asks for it.
  auto other = datagram();
  EXPECT_EQ(send(*other, "x", 0, &to).value(), 1u);
  EXPECT_EQ(receive(*other), "<EAGAIN>");
  EXPECT_EQ(set(*other, abi::kProtocolIp, abi::kIpReceiveError, 1), kOk);
  EXPECT_EQ(send(*other, "x", 0, &to).value(), 1u);
  ControlData control;
  SocketAddress destination;
  EXPECT_EQ(receive(*other, 100, abi::kMsgErrorQueue, &destination, &control), "");
  EXPECT_EQ(text_of(destination), text_of(to));
  ASSERT_EQ(control.raw.size(), 1u);
  EXPECT_EQ(control.raw[0].type, abi::kIpReceiveError);
  EXPECT_EQ(control.raw[0].data[0], u8(Errno::kConnRefused));
  EXPECT_EQ(receive(*other), "<EAGAIN>");
}

TEST_F(UdpSocketTest, BothVersionsOnOneSocket) {
  auto server = bound("::");
  const u16 port = port_of(*server);
  auto client4 = datagram();
  const SocketAddress to4 = address_of("127.0.0.1", port);
  EXPECT_EQ(send(*client4, "four", 0, &to4).value(), 4u);
  SocketAddress from;
  EXPECT_EQ(receive(*server, 100, 0, &from), "four");
  EXPECT_EQ(from.family(), abi::kAfInet6);
  EXPECT_EQ(send(*server, "back", 0, &from).value(), 4u);
  EXPECT_EQ(receive(*client4), "back");
  auto client6 = datagram(abi::kAfInet6);
  const SocketAddress to6 = address_of("::1", port);
  EXPECT_EQ(send(*client6, "six", 0, &to6).value(), 3u);
  EXPECT_EQ(receive(*server, 100, 0, &from), "six");
  EXPECT_EQ(text_of(from).substr(0, 4), "::1 ");
  auto other = datagram();
  EXPECT_EQ(other->bind(address_of("127.0.0.1", port)).error(), Errno::kAddrInUse);
}

TEST_F(UdpSocketTest, WhereADatagramWentAndWhen) {
  auto server = bound("0.0.0.0");
  for (int option : {abi::kIpPacketInfo, abi::kIpReceiveTtl})
    EXPECT_EQ(set(*server, abi::kProtocolIp, option, 1), kOk);
  EXPECT_EQ(set(*server, abi::kSolSocket, abi::kSoTimestamp, 1), kOk);
  auto client = datagram();
  EXPECT_EQ(set(*client, abi::kProtocolIp, abi::kIpTtl, 17), kOk);
  const SocketAddress to = address_of("127.4.5.6", port_of(*server));
  EXPECT_EQ(send(*client, "x", 0, &to).value(), 1u);
  ControlData control;
  EXPECT_EQ(receive(*server, 10, 0, nullptr, &control), "x");
  ASSERT_EQ(control.raw.size(), 3u);
  EXPECT_EQ(control.raw[0].type, abi::kSoTimestamp);
  abi::PacketInfo info;
  ASSERT_EQ(control.raw[1].length, sizeof info);
  std::memcpy(&info, control.raw[1].data, sizeof info);
  EXPECT_EQ(info.interface, 1);
  EXPECT_EQ(info.destination[3], 6);
  EXPECT_EQ(control.raw[2].data[0], 17);
}

TEST_F(UdpSocketTest, AFullQueueDrops) {
  auto server = bound();
  EXPECT_EQ(set(*server, abi::kSolSocket, abi::kSoReceiveBuffer, 5000), kOk);
  auto client = datagram();
  const SocketAddress to = local(*server);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(send(*client, "0123456789", 0, &to).value(), 10u);
  int got = 0;
  while (receive(*server) == "0123456789") ++got;
  EXPECT_GT(got, 10);
  EXPECT_LT(got, 100);
}

TEST_F(UdpSocketTest, AWayWithoutAPort) {
  // getaddrinfo(3) sorts addresses by this.
  auto socket = datagram();
  EXPECT_EQ(connect(*socket, address_of("127.0.0.5", 0)), kOk);
  EXPECT_EQ(text_of(local(*socket)).substr(0, 10), "127.0.0.5 ");
  EXPECT_EQ(connect(*socket, address_of("192.0.2.1", 53)), Errno::kNetUnreach);
  // Whether one may, only counts where there is a way.
  EXPECT_EQ(connect(*socket, address_of("255.255.255.255", 53)), Errno::kNetUnreach);
  EXPECT_EQ(connect(*socket, address_of("127.255.255.255", 53)), Errno::kAcces);
}

TEST_F(UdpSocketTest, GroupsOnLoopback) {
  auto member = bound("0.0.0.0");
  const abi::IpMulticastRequest join{{239, 1, 2, 3}, {127, 0, 0, 1}, 0};
  const auto bytes = std::as_bytes(std::span(&join, 1));
  EXPECT_EQ(member->set_option(abi::kProtocolIp, abi::kIpAddMembership, bytes).error(), kOk);
  EXPECT_EQ(member->set_option(abi::kProtocolIp, abi::kIpAddMembership, bytes).error(),
            Errno::kAddrInUse);
  auto sender = datagram();
  EXPECT_EQ(sender->set_option(abi::kProtocolIp, abi::kIpMulticastInterface, bytes).error(), kOk);
  const SocketAddress to = address_of("239.1.2.3", port_of(*member));
  EXPECT_EQ(send(*sender, "all", 0, &to).value(), 3u);
  EXPECT_EQ(receive(*member), "all");
  EXPECT_EQ(member->set_option(abi::kProtocolIp, abi::kIpDropMembership, bytes).error(), kOk);
  EXPECT_EQ(send(*sender, "all", 0, &to).value(), 3u);
  EXPECT_EQ(receive(*member), "<EAGAIN>");
}

TEST_F(UdpSocketTest, PingOverARawSocket) {
  auto ping = make(abi::kSockRaw, abi::kAfInet, abi::kProtocolIcmp);
  const u32 only_replies = ~u32{1};
  ASSERT_TRUE(
      ping->set_option(abi::kSolRaw, abi::kIcmpFilter, std::as_bytes(std::span(&only_replies, 1)))
          .ok());
  // Echo request, identifier 0x1234, sequence 1; its checksum by hand.
  const u8 request[] = {8, 0, 0xe5, 0xca, 0x12, 0x34, 0, 1};
  const SocketAddress to = address_of("127.0.0.1", 0);
  EXPECT_EQ(send(*ping, {reinterpret_cast<const char*>(request), sizeof request}, 0, &to).value(),
            sizeof request);
  const std::string reply = receive(*ping);
  ASSERT_EQ(reply.size(), 20u + sizeof request);
  EXPECT_EQ(reply[20], 0);  // echo reply
  EXPECT_EQ(u8(reply[24]), 0x12);
  EXPECT_EQ(receive(*ping), "<EAGAIN>");
  testing::become(1000);
  EXPECT_EQ(inet::create_inet_socket(abi::kAfInet, abi::kSockRaw, 1, OpenFlags::kReadWrite).error(),
            Errno::kPerm);
}

TEST_F(UdpSocketTest, LeavesNothingBehind) {
  const auto once = [] {
    auto server = bound();
    auto client = datagram();
    const SocketAddress to = local(*server);
    for (int i = 0; i < 3; ++i) send(*client, "never read", 0, &to).ignore();
  };
  for (int i = 0; i < 500; ++i) once();
  const u64 before = memory_statistics().free_frames;
  for (int i = 0; i < 10'000; ++i) once();
  EXPECT_LE(before, memory_statistics().free_frames + 2);
}

}  // namespace
}  // namespace narwhal
