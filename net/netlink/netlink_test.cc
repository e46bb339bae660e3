#include "net/netlink/netlink.h"

#include "fs/testing/file_tree.h"
#include "kernel/abi/socket.h"
#include "net/core/socket_actor.h"
#include "net/core/socket_families.h"
#include "net/netlink/messages.h"

namespace narwhal {
namespace {

using namespace testing;
using namespace netlink;

std::vector<net::InterfaceInfo>& interfaces() {
  static auto& all = *new std::vector<net::InterfaceInfo>;
  return all;
}

class NetlinkTest;
NetlinkTest* current = nullptr;

class NetlinkTest : public FileTree {
 public:
  SocketActor user() { return {*fs_, who_, 42, 1024}; }

 protected:
  void SetUp() override {
    FileTree::SetUp();
    current = this;
    register_family({[]() -> Result<Vector<net::InterfaceInfo>> {
      Vector<net::InterfaceInfo> copy;
      for (auto& info : interfaces()) TRY(copy.push_back(info));
      return copy;
    }});
    net::InterfaceInfo lo, eth0;
    lo.index = 1;
    std::strcpy(lo.name, "lo");
    lo.loopback = lo.up = lo.link = true;
    lo.mtu = 65536;
    lo.addresses[lo.address_count++] = {IpAddress::v4(127, 0, 0, 1), 8, false, true};
    lo.addresses[lo.address_count++] = {IpAddress::loopback(IpVersion::k6), 128, false, true};
    eth0.index = 2;
    std::strcpy(eth0.name, "eth0");
    eth0.up = eth0.link = true;
    eth0.mtu = 1500;
    eth0.mac = {{2, 0, 0, 0, 0, 9}};
    eth0.sent_bytes = 0x1'0000'0001;
    eth0.addresses[eth0.address_count++] = {IpAddress::v4(10, 1, 2, 3), 20, false, false};
    eth0.gateway4 = IpAddress::v4(10, 1, 0, 1);
    interfaces() = {lo, eth0};
  }

  static Ref<Socket> make() {
    return create_socket(abi::kAfNetlink, abi::kSockRaw, 0, OpenFlags::kReadWrite).take();
  }
  static SocketAddress at(u32 port, u32 groups = 0) {
    SocketAddress address;
    const u32 words[3] = {u32(abi::kAfNetlink), port, groups};
    std::memcpy(address.bytes, words, sizeof words);
    address.length = sizeof words;
    return address;
  }
  static u32 port_of(Socket& socket) {
    SocketAddress address;
    EXPECT_TRUE(socket.local_address(address).ok());
    EXPECT_EQ(address.length, 12u);
    u32 port;
    std::memcpy(&port, address.bytes + 4, 4);
    return port;
  }

  static std::string request(u16 type, u16 flags, std::string_view body) {
    const Header header{u32(sizeof(Header) + body.size()), type, flags, 77, 0};
    std::string text(reinterpret_cast<const char*>(&header), sizeof header);
    text += body;
    text.resize(aligned(text.size()));
    return text;
  }
  static Errno send(Socket& socket, std::string_view text) {
    IoBuffer data(std::as_bytes(std::span(text)));
    Message message{data};
    return socket.send(message).error();
  }

  struct Reply {
    Header header;
    std::string body;
    template <typename T>
    T as() const {
      T value{};
      std::memcpy(&value, body.data(), std::min(sizeof value, body.size()));
      return value;
    }
    // The attribute's bytes behind a body of `size` bytes; "none" when it is not there.
    std::string attribute(size_t size, u16 type) const {
      for (size_t at = size; at + 4 <= body.size();) {
        Attribute found;
        std::memcpy(&found, body.data() + at, 4);
        EXPECT_GE(found.length, 4);
        EXPECT_LE(at + found.length, body.size());
        if (found.length < 4) break;
        if (found.type == type) return body.substr(at + 4, found.length - 4u);
        at += aligned(found.length);
      }
      return "none";
    }
  };
  // All answers that wait, taken apart with every length checked.
  static std::vector<Reply> replies(Socket& socket) {
    std::vector<Reply> all;
    for (;;) {
      std::string bytes(65536, '\0');
      IoBuffer data(std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
      Message message{data};
      SocketAddress from;
      message.address = &from;
      auto got = socket.receive(message);
      if (!got.ok()) return all;
      EXPECT_EQ(from.length, 12u);
      bytes.resize(got.value());
      for (size_t at = 0; at < bytes.size();) {
        Reply reply;
        std::memcpy(&reply.header, bytes.data() + at, sizeof(Header));
        EXPECT_GE(reply.header.length, sizeof(Header));
        EXPECT_LE(at + reply.header.length, bytes.size());
        EXPECT_EQ(reply.header.sequence, 77u);
        EXPECT_EQ(reply.header.port, port_of(socket));
        reply.body = bytes.substr(at + sizeof(Header), reply.header.length - sizeof(Header));
        at += aligned(reply.header.length);
        all.push_back(std::move(reply));
      }
    }
  }
  static std::vector<Reply> ask(u16 type, u16 flags, std::string_view body) {
    auto socket = make();
    EXPECT_EQ(send(*socket, request(type, flags, body)), kOk);
    return replies(*socket);
  }
  // The error that one request got; 0 for an acknowledgement.
  static i32 error_of(u16 type, u16 flags, std::string_view body) {
    auto all = ask(type, flags, body);
    if (all.size() != 1 || all[0].header.type != kError) return -1000;
    return -all[0].as<i32>();
  }
};

constexpr u16 kDump = kRequest | kDumpFlags;
constexpr std::string_view kAnyFamily("\0", 1);

TEST_F(NetlinkTest, OnlyRoutesAreTalkedAbout) {
  const auto error = [](int type, int protocol) {
    return create_socket(abi::kAfNetlink, type, protocol, OpenFlags::kReadWrite).error();
  };
  EXPECT_EQ(error(abi::kSockStream, 0), Errno::kSockTNoSupport);
  EXPECT_EQ(error(abi::kSockRaw, 15), Errno::kProtoNoSupport);
  EXPECT_EQ(error(abi::kSockRaw, -1), Errno::kProtoNoSupport);
  EXPECT_EQ(error(abi::kSockDatagram, 0), kOk);
}

TEST_F(NetlinkTest, PortsAreTheProcesssNumberOnceAndThenOthers) {
  auto first = make(), second = make(), third = make();
  EXPECT_EQ(port_of(*first), 0u);
  EXPECT_EQ(first->bind(at(0)).error(), kOk);
  EXPECT_EQ(second->bind(at(0)).error(), kOk);
  EXPECT_EQ(port_of(*first), 42u);
  EXPECT_NE(port_of(*second), 42u);
  EXPECT_NE(port_of(*second), 0u);
  EXPECT_EQ(third->bind(at(42)).error(), Errno::kAddrInUse);
  EXPECT_EQ(third->bind(at(5)).error(), kOk);
  EXPECT_EQ(third->bind(at(6)).error(), Errno::kInval);
  first = nullptr;
  EXPECT_EQ(make()->bind(at(42)).error(), kOk);
  SocketAddress shorter = at(0);
  shorter.length = 8;
  EXPECT_EQ(make()->bind(shorter).error(), Errno::kInval);
}

TEST_F(NetlinkTest, LinksAreDumpedWithNamesAndAddresses) {
  auto all = ask(kGetLink, kDump, kAnyFamily);
  ASSERT_EQ(all.size(), 3u);
  for (auto& reply : all) EXPECT_EQ(reply.header.flags, kMulti);
  EXPECT_EQ(all[0].header.type, kNewLink);
  const auto lo = all[0].as<LinkHeader>();
  EXPECT_EQ(lo.index, 1);
  EXPECT_EQ(lo.type, 772);
  EXPECT_EQ(lo.flags, 0x10049u);
  const auto eth0 = all[1].as<LinkHeader>();
  EXPECT_EQ(eth0.index, 2);
  EXPECT_EQ(eth0.type, 1);
  EXPECT_EQ(eth0.flags, 0x11043u);
  EXPECT_EQ(all[1].attribute(16, 3), std::string("eth0\0", 5));
  EXPECT_EQ(all[1].attribute(16, 1), std::string("\2\0\0\0\0\x9", 6));
  EXPECT_EQ(all[1].attribute(16, 4), std::string("\xdc\x05\0\0", 4));
  EXPECT_EQ(all[1].attribute(16, 7).size(), 96u);
  const std::string statistics = all[1].attribute(16, 23);
  ASSERT_EQ(statistics.size(), 200u);
  u64 sent_bytes;
  std::memcpy(&sent_bytes, statistics.data() + 24, 8);
  EXPECT_EQ(sent_bytes, 0x1'0000'0001u);
  EXPECT_EQ(all[2].header.type, kDone);
  EXPECT_EQ(all[2].as<i32>(), 0);
}

TEST_F(NetlinkTest, AddressesAreDumpedByFamily) {
  auto all = ask(kGetAddress, kDump, kAnyFamily);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[3].header.type, kDone);
  const auto lo6 = all[1].as<AddressHeader>();
  EXPECT_EQ(lo6.family, abi::kAfInet6);
  EXPECT_EQ(lo6.scope, 254);
  EXPECT_EQ(all[1].attribute(8, 1), std::string(15, '\0') + '\1');
  EXPECT_EQ(all[1].attribute(8, 2), "none");

  all = ask(kGetAddress, kDump, std::string_view("\2", 1));
  ASSERT_EQ(all.size(), 3u);
  const auto eth0 = all[1].as<AddressHeader>();
  EXPECT_EQ(eth0.family, abi::kAfInet);
  EXPECT_EQ(eth0.prefix_length, 20);
  EXPECT_EQ(eth0.scope, 0);
  EXPECT_EQ(eth0.flags, 0);
  EXPECT_EQ(eth0.index, 2u);
  EXPECT_EQ(all[1].attribute(8, 2), "\12\1\2\3");
  EXPECT_EQ(all[1].attribute(8, 4), "\12\1\17\xff");
  EXPECT_EQ(all[1].attribute(8, 3), std::string("eth0\0", 5));
  EXPECT_EQ(all[0].as<AddressHeader>().flags, 0x80);
}

TEST_F(NetlinkTest, RoutesAreTheGatewayAndThePrefix) {
  auto all = ask(kGetRoute, kDump, std::string_view("\2", 1));
  ASSERT_EQ(all.size(), 3u);
  const auto gateway = all[0].as<RouteHeader>();
  EXPECT_EQ(gateway.destination_length, 0);
  EXPECT_EQ(gateway.table, 254);
  EXPECT_EQ(gateway.type, 1);
  EXPECT_EQ(all[0].attribute(12, 5), std::string("\12\1\0\1", 4));
  EXPECT_EQ(all[0].attribute(12, 4), std::string("\2\0\0\0", 4));
  const auto prefix = all[1].as<RouteHeader>();
  EXPECT_EQ(prefix.destination_length, 20);
  EXPECT_EQ(prefix.scope, 253);
  EXPECT_EQ(all[1].attribute(12, 1), std::string("\12\1\0\0", 4));
  EXPECT_EQ(all[1].attribute(12, 7), "\12\1\2\3");
}

TEST_F(NetlinkTest, ManyLinksComeInSeveralDatagrams) {
  for (u32 i = 3; i <= 40; ++i) {
    interfaces().push_back(interfaces()[1]);
    interfaces().back().index = i;
  }
  auto socket = make();
  ASSERT_EQ(send(*socket, request(kGetLink, kDump, kAnyFamily)), kOk);
  std::byte small[4096];
  IoBuffer data{std::span<std::byte>(small)};
  Message peek{data};
  peek.flags = abi::kMsgPeek | abi::kMsgTruncated;
  // A buffer of a page takes each of them.
  EXPECT_LE(socket->receive(peek).value(), sizeof small);
  auto all = replies(*socket);
  ASSERT_EQ(all.size(), 41u);
  EXPECT_EQ(all[39].as<LinkHeader>().index, 40);
}

TEST_F(NetlinkTest, OneLinkByNumberOrName) {
  LinkHeader wanted{};
  wanted.index = 2;
  const auto bytes = [&] {
    return std::string(reinterpret_cast<const char*>(&wanted), sizeof wanted);
  };
  auto all = ask(kGetLink, kRequest, bytes());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].header.type, kNewLink);
  EXPECT_EQ(all[0].header.flags, 0);
  wanted.index = 0;
  all = ask(kGetLink, kRequest, bytes() + std::string("\x07\0\3\0lo\0\0", 8));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].as<LinkHeader>().index, 1);
  EXPECT_EQ(error_of(kGetLink, kRequest, bytes()), i32(Errno::kInval));
  wanted.index = 9;
  EXPECT_EQ(error_of(kGetLink, kRequest, bytes()), i32(Errno::kNoDev));
  EXPECT_EQ(error_of(kGetLink, kRequest, bytes() + std::string("\xff\xff\3\0", 4)),
            i32(Errno::kNoDev));
}

TEST_F(NetlinkTest, WhatIsNotServedIsRefusedWithTheRequestInTheAnswer) {
  const std::string body(16, '\0');
  EXPECT_EQ(error_of(kNewLink, kRequest, body), i32(Errno::kOpNotSupp));
  EXPECT_EQ(error_of(kGetRoute, kRequest, body), i32(Errno::kOpNotSupp));
  EXPECT_EQ(error_of(30, kDump, body), i32(Errno::kOpNotSupp));
  EXPECT_EQ(error_of(2000, kRequest, body), i32(Errno::kOpNotSupp));
  become(5, 5);
  EXPECT_EQ(error_of(kNewLink, kRequest, body), i32(Errno::kPerm));
  auto all = ask(kNewLink, kRequest, body);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].body.size(), 4u + sizeof(Header) + 16);
  EXPECT_EQ(all[0].header.flags, 0);
}

TEST_F(NetlinkTest, AcknowledgementsAreSentWhereAskedFor) {
  EXPECT_EQ(error_of(1, kRequest | kAcknowledge, {}), 0);
  EXPECT_TRUE(ask(1, kRequest, {}).empty());
  auto all = ask(1, kRequest | kAcknowledge, std::string(8, 'x'));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].header.flags, kCapped);
  EXPECT_EQ(all[0].body.size(), 4u + sizeof(Header));
}

TEST_F(NetlinkTest, MalformedRequestsAreHarmless) {
  auto socket = make();
  EXPECT_EQ(send(*socket, ""), Errno::kNoData);
  EXPECT_EQ(send(*socket, "short"), kOk);
  std::string lying = request(kGetLink, kDump, kAnyFamily);
  lying[0] = '\xff';
  EXPECT_EQ(send(*socket, lying), kOk);
  lying[0] = 4;
  EXPECT_EQ(send(*socket, lying), kOk);
  EXPECT_TRUE(replies(*socket).empty());
  // Two requests in one datagram are both answered.
  EXPECT_EQ(
      send(*socket, request(kGetLink, kDump, kAnyFamily) + request(kGetAddress, kDump, kAnyFamily)),
      kOk);
  EXPECT_EQ(replies(*socket).size(), 7u);
  EXPECT_EQ(send(*socket, std::string(300'000, 'x')), Errno::kMsgSize);
}

TEST_F(NetlinkTest, AnswersThatNobodyReadsAreBounded) {
  auto socket = make();
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(send(*socket, request(kGetLink, kDump, kAnyFamily)), kOk);
  std::byte byte;
  IoBuffer data{std::span<std::byte>(&byte, 1)};
  Message message{data};
  EXPECT_TRUE(has(socket->poll(), PollEvents::kErr));
  EXPECT_EQ(socket->receive(message).error(), Errno::kNoBufs);
  EXPECT_FALSE(replies(*socket).empty());
}

TEST_F(NetlinkTest, ReadinessAndWakeUps) {
  auto socket = make();
  constexpr PollEvents kWritable = kPollWritable | PollEvents::kWrBand;
  EXPECT_EQ(socket->poll(), kWritable);
  ASSERT_EQ(send(*socket, request(kGetLink, kDump, kAnyFamily)), kOk);
  EXPECT_EQ(socket->poll(), kWritable | kPollReadable);
}

}  // namespace

SocketActor socket_actor() {
  return current->user();
}

}  // namespace narwhal
