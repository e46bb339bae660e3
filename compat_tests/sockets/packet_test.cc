// AF_PACKET, packet(7): frames of the loopback interface, which is number 1 everywhere.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

using std::string_literals::operator""s;

constexpr int kLoopback = 1;
// Of those that IEEE 802 gives for experiments.
constexpr uint16_t kExperiment = 0x88b5;

sockaddr_ll link_address(int interface, uint16_t protocol) {
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface;
  address.sll_protocol = htons(protocol);
  return address;
}

struct Frame {
  std::string bytes;
  sockaddr_ll from;
  socklen_t from_size;
};

class Packets : public testing::Test {
 protected:
  void SetUp() override {
    const Fd probe = socket(AF_PACKET, SOCK_RAW, 0);
    if (probe < 0 && errno == EPERM) GTEST_SKIP() << "needs CAP_NET_RAW";
    ASSERT_OK(probe);
  }
  static Fd listener(int type, uint16_t protocol) {
    Fd fd = socket(AF_PACKET, type | SOCK_CLOEXEC, 0);
    const sockaddr_ll address = link_address(kLoopback, protocol);
    EXPECT_OK(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return fd;
  }
  static Frame take(int fd, int flags = 0) {
    char bytes[70000];
    Frame frame = {};
    frame.from_size = sizeof frame.from;
    const ssize_t size = recvfrom(fd, bytes, sizeof bytes, flags | MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&frame.from), &frame.from_size);
    frame.bytes = size < 0 ? error_name(errno) : std::string(bytes, size_t(size));
    return frame;
  }
  static bool is_readable_soon(int fd) {
    pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, 5000) == 1;
  }
  // The next one that holds `text`: others use the machine's loopback, too.
  static Frame take_with(int fd, const std::string& text) {
    for (;;) {
      if (!is_readable_soon(fd)) return {"nothing came", {}, 0};
      Frame frame = take(fd);
      if (frame.bytes.find(text) != std::string::npos) return frame;
    }
  }
  static ssize_t send_to(int fd, const std::string& bytes, const sockaddr_ll& to,
                         socklen_t size = sizeof(sockaddr_ll)) {
    return sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), size);
  }
  static std::string header(uint16_t protocol) {
    std::string text(12, '\0');
    text += char(protocol >> 8);
    text += char(protocol & 0xff);
    return text;
  }
};

TEST_F(Packets, MakingASocket) {
  EXPECT_ERRNO(ESOCKTNOSUPPORT, socket(AF_PACKET, SOCK_STREAM, 0));
  EXPECT_ERRNO(ESOCKTNOSUPPORT, socket(AF_PACKET, SOCK_SEQPACKET, 0));
  const Fd fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
  int number = 0;
  socklen_t size = sizeof number;
  ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &number, &size));
  EXPECT_EQ(AF_PACKET, number);
  EXPECT_ERRNO(EOPNOTSUPP, listen(fd, 1));
  EXPECT_ERRNO(EOPNOTSUPP, accept(fd, nullptr, nullptr));
  EXPECT_ERRNO(EOPNOTSUPP, shutdown(fd, SHUT_RD));
  const sockaddr_ll address = link_address(kLoopback, ETH_P_IP);
  EXPECT_ERRNO(EOPNOTSUPP,
               connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  int pair[2];
  EXPECT_ERRNO(EOPNOTSUPP, socketpair(AF_PACKET, SOCK_RAW, 0, pair));
}

TEST_F(Packets, OrdinaryUsersMayNot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  in_thread([] {
    ASSERT_OK(syscall(SYS_setresuid, 12345, 12345, 12345));
    EXPECT_ERRNO(EPERM, socket(AF_PACKET, SOCK_RAW, 0));
  });
}

TEST_F(Packets, Binding) {
  const Fd fd = socket(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll address = link_address(9999, ETH_P_ALL);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_ERRNO(ENODEV, bind(fd, generic, sizeof address));
  EXPECT_ERRNO(EINVAL, bind(fd, generic, sizeof address - 1));
  address.sll_family = AF_INET;
  EXPECT_ERRNO(EINVAL, bind(fd, generic, sizeof address));

  sockaddr_ll own = {};
  socklen_t size = sizeof own;
  ASSERT_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size));
  EXPECT_EQ(12u, size);
  EXPECT_EQ(AF_PACKET, own.sll_family);
  EXPECT_EQ(0, own.sll_protocol);
  EXPECT_EQ(0, own.sll_ifindex);
  address = link_address(kLoopback, kExperiment);
  ASSERT_OK(bind(fd, generic, sizeof address));
  // No protocol: as before.
  address = link_address(kLoopback, 0);
  ASSERT_OK(bind(fd, generic, sizeof address));
  size = sizeof own;
  ASSERT_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size));
  EXPECT_EQ(18u, size);
  EXPECT_EQ(htons(kExperiment), own.sll_protocol);
  EXPECT_EQ(kLoopback, own.sll_ifindex);
  EXPECT_EQ(ARPHRD_LOOPBACK, own.sll_hatype);
  EXPECT_EQ(6, own.sll_halen);
  EXPECT_ERRNO(EOPNOTSUPP, getpeername(fd, reinterpret_cast<sockaddr*>(&own), &size));
}

TEST_F(Packets, FramesAreSentAsTheyAre) {
  const Fd to = listener(SOCK_RAW, kExperiment), from = listener(SOCK_RAW, 0);
  const std::string frame = header(kExperiment) + "sent as it is";
  EXPECT_EQ(ssize_t(frame.size()), send_to(from, frame, link_address(kLoopback, kExperiment)));
  const Frame got = take_with(to, "sent as it is");
  EXPECT_EQ(frame, got.bytes);
  EXPECT_EQ(sizeof(sockaddr_ll), got.from_size);
  EXPECT_EQ(AF_PACKET, got.from.sll_family);
  EXPECT_EQ(htons(kExperiment), got.from.sll_protocol);
  EXPECT_EQ(kLoopback, got.from.sll_ifindex);
  EXPECT_EQ(ARPHRD_LOOPBACK, got.from.sll_hatype);
  EXPECT_EQ(PACKET_HOST, got.from.sll_pkttype);
  EXPECT_EQ(6, got.from.sll_halen);
  EXPECT_EQ("EAGAIN", take(to).bytes) << "what goes out is for who listens to all";
  EXPECT_EQ("EAGAIN", take(from).bytes) << "no protocol, no frames";
}

TEST_F(Packets, DatagramsHaveTheirHeaderMade) {
  const Fd to = listener(SOCK_RAW, kExperiment), from = listener(SOCK_DGRAM, kExperiment);
  sockaddr_ll address = link_address(kLoopback, kExperiment);
  address.sll_halen = 6;
  memcpy(address.sll_addr, "\2\3\4\5\6\7", 6);
  EXPECT_EQ(7, send_to(from, "made up", address));
  const Frame got = take_with(to, "made up");
  EXPECT_EQ(std::string("\2\3\4\5\6\7", 6) + header(kExperiment).substr(6) + "made up", got.bytes);
  EXPECT_EQ(PACKET_OTHERHOST, got.from.sll_pkttype);
  // Without a name it goes where the socket is bound; and a datagram's reader sees no header.
  ASSERT_EQ(5, send(from, "again", 5, 0));
  EXPECT_EQ("made up", take_with(from, "made up").bytes);
  EXPECT_EQ("again", take_with(from, "again").bytes);
}

TEST_F(Packets, KindsOfAddresses) {
  const Fd to = listener(SOCK_DGRAM, kExperiment), from = listener(SOCK_DGRAM, 0);
  sockaddr_ll address = link_address(kLoopback, kExperiment);
  address.sll_halen = 6;
  // Loopback's own broadcast address is 0, so that this is one of many to it.
  memset(address.sll_addr, 0xff, 6);
  ASSERT_EQ(9, send_to(from, "broadcast", address));
  EXPECT_EQ(PACKET_MULTICAST, take_with(to, "broadcast").from.sll_pkttype);
  memcpy(address.sll_addr, "\x01\x00\x5e\x00\x00\x01", 6);
  ASSERT_EQ(9, send_to(from, "multicast", address));
  EXPECT_EQ(PACKET_MULTICAST, take_with(to, "multicast").from.sll_pkttype);
}

TEST_F(Packets, SendingIsChecked) {
  const Fd raw = socket(AF_PACKET, SOCK_RAW, 0), datagram = socket(AF_PACKET, SOCK_DGRAM, 0);
  EXPECT_ERRNO(ENXIO, send(raw, "text", 4, 0)) << "which interface?";
  EXPECT_ERRNO(ENXIO, send_to(raw, header(kExperiment), link_address(9999, kExperiment)));
  EXPECT_ERRNO(EINVAL, send_to(raw, header(kExperiment), link_address(kLoopback, 0), 12));
  EXPECT_ERRNO(EMSGSIZE,
               send_to(datagram, std::string(69000, 'x'), link_address(kLoopback, kExperiment)));
}

TEST_F(Packets, EverythingIsSeenInBothDirections) {
  const Fd all = listener(SOCK_DGRAM, ETH_P_ALL), only = listener(SOCK_DGRAM, ETH_P_IP);
  const Fd receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
  Address address = loopback(AF_INET);
  ASSERT_OK(bind(receiver, address.get(), address.length));
  ASSERT_OK(getsockname(receiver, address.get(), &address.length));
  const std::string text = "a datagram for everybody to see";
  ASSERT_EQ(ssize_t(text.size()),
            sendto(sender, text.data(), text.size(), 0, address.get(), address.length));
  const Frame out = take_with(all, text), in = take_with(all, text), same = take_with(only, text);
  EXPECT_EQ(PACKET_OUTGOING, out.from.sll_pkttype);
  EXPECT_EQ(PACKET_HOST, in.from.sll_pkttype);
  EXPECT_EQ(htons(ETH_P_IP), out.from.sll_protocol);
  EXPECT_EQ(PACKET_HOST, same.from.sll_pkttype);
  // IPv4's header, UDP's, and the text.
  ASSERT_EQ(20 + 8 + text.size(), in.bytes.size());
  EXPECT_EQ(0x45, in.bytes[0]);
  EXPECT_EQ(IPPROTO_UDP, in.bytes[9]);
  EXPECT_EQ(text, in.bytes.substr(28));
}

TEST_F(Packets, OutgoingOnesMayBeIgnored) {
  const Fd all = listener(SOCK_DGRAM, ETH_P_ALL), from = listener(SOCK_DGRAM, kExperiment);
  const int on = 1;
  ASSERT_OK(setsockopt(all, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on));
  ASSERT_EQ(8, send(from, "one way ", 8, 0));
  ASSERT_EQ(4, send(from, "last", 4, 0));
  EXPECT_EQ(PACKET_HOST, take_with(all, "one way ").from.sll_pkttype);
  EXPECT_EQ(PACKET_HOST, take_with(all, "last").from.sll_pkttype);
}

TEST_F(Packets, OwnFramesAreNotSeenGoingOut) {
  const Fd all = listener(SOCK_DGRAM, ETH_P_ALL);
  sockaddr_ll address = link_address(kLoopback, kExperiment);
  address.sll_halen = 6;
  ASSERT_EQ(6, send_to(all, "myself", address));
  EXPECT_EQ(PACKET_HOST, take_with(all, "myself").from.sll_pkttype);
}

// RFC 1071.
uint16_t checksum(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += uint32_t(uint8_t(bytes[i])) << 8 | uint8_t(bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(uint16_t(~sum));
}

TEST_F(Packets, ADatagramMadeByHandArrives) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const Fd receiver = socket(AF_INET6, SOCK_DGRAM, 0);
  Address address = loopback(AF_INET6);
  ASSERT_OK(bind(receiver, address.get(), address.length));
  ASSERT_OK(getsockname(receiver, address.get(), &address.length));
  const std::string addresses = std::string(15, '\0') + '\1' + std::string(15, '\0') + '\1';
  std::string datagram = "\x12\x67pp\0\x0c\0\0made"s;
  const uint16_t port = htons(address.port());
  memcpy(&datagram[2], &port, sizeof port);
  const uint16_t sum = checksum(addresses + "\0\0\0\x0c\0\0\0\x11"s + datagram);
  memcpy(&datagram[6], &sum, sizeof sum);
  const std::string frame = header(ETH_P_IPV6) + "\x60\0\0\0\0\x0c\x11\x40"s + addresses + datagram;
  const Fd from = listener(SOCK_RAW, 0);
  ASSERT_EQ(ssize_t(frame.size()), send_to(from, frame, link_address(kLoopback, ETH_P_IPV6)));
  ASSERT_TRUE(is_readable_soon(receiver));
  char text[16];
  Address source;
  EXPECT_EQ(4, recvfrom(receiver, text, sizeof text, MSG_DONTWAIT, source.get(), &source.length));
  EXPECT_EQ(0x1267, source.port());
}

TEST_F(Packets, LongOnesAreCut) {
  const Fd to = listener(SOCK_DGRAM, kExperiment), from = listener(SOCK_DGRAM, kExperiment);
  ASSERT_EQ(10, send(from, "0123456789", 10, 0));
  ASSERT_EQ(10, send(from, "0123456789", 10, 0));
  ASSERT_TRUE(is_readable_soon(to));
  char text[4];
  EXPECT_EQ(4, recv(to, text, sizeof text, MSG_PEEK));
  EXPECT_EQ(10, recv(to, text, sizeof text, MSG_TRUNC));
  iovec piece = {text, sizeof text};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  EXPECT_EQ(4, recvmsg(to, &message, MSG_DONTWAIT));
  EXPECT_EQ(MSG_TRUNC, message.msg_flags);
  EXPECT_ERRNO(EAGAIN, recv(to, text, sizeof text, MSG_DONTWAIT));
  EXPECT_ERRNO(EINVAL, recv(to, text, sizeof text, MSG_OOB));
}

TEST_F(Packets, CountsAreTakenAway) {
  const Fd to = listener(SOCK_DGRAM, kExperiment), from = listener(SOCK_DGRAM, kExperiment);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(4, send(from, "text", 4, 0));
  tpacket_stats counts = {};
  socklen_t size = sizeof counts;
  ASSERT_OK(getsockopt(to, SOL_PACKET, PACKET_STATISTICS, &counts, &size));
  EXPECT_EQ(sizeof counts, size);
  EXPECT_EQ(3u, counts.tp_packets);
  EXPECT_EQ(0u, counts.tp_drops);
  ASSERT_OK(getsockopt(to, SOL_PACKET, PACKET_STATISTICS, &counts, &size));
  EXPECT_EQ(0u, counts.tp_packets);
}

TEST_F(Packets, WithoutRoomTheyAreDropped) {
  const Fd to = listener(SOCK_DGRAM, kExperiment), from = listener(SOCK_DGRAM, kExperiment);
  const int small = 2304;
  ASSERT_OK(setsockopt(to, SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
  const std::string text(4000, 'x');
  for (int i = 0; i < 20; ++i) ASSERT_EQ(4000, send(from, text.data(), text.size(), 0));
  tpacket_stats counts = {};
  socklen_t size = sizeof counts;
  ASSERT_OK(getsockopt(to, SOL_PACKET, PACKET_STATISTICS, &counts, &size));
  EXPECT_EQ(20u, counts.tp_packets) << "those that were dropped count in both";
  EXPECT_GT(counts.tp_drops, 10u);
  EXPECT_LT(counts.tp_drops, 20u);
}

TEST_F(Packets, AuxiliaryDataComesAlong) {
  const Fd to = listener(SOCK_RAW, kExperiment), from = listener(SOCK_DGRAM, kExperiment);
  const int on = 1;
  ASSERT_OK(setsockopt(to, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on));
  int told = 0;
  socklen_t size = sizeof told;
  ASSERT_OK(getsockopt(to, SOL_PACKET, PACKET_AUXDATA, &told, &size));
  EXPECT_EQ(1, told);
  ASSERT_EQ(9, send(from, "described", 9, 0));
  ASSERT_TRUE(is_readable_soon(to));
  char text[5], control[256];
  iovec piece = {text, sizeof text};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ASSERT_EQ(5, recvmsg(to, &message, 0));
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  ASSERT_NE(nullptr, header);
  EXPECT_EQ(SOL_PACKET, header->cmsg_level);
  EXPECT_EQ(PACKET_AUXDATA, header->cmsg_type);
  tpacket_auxdata data;
  ASSERT_EQ(CMSG_LEN(sizeof data), header->cmsg_len);
  memcpy(&data, CMSG_DATA(header), sizeof data);
  EXPECT_TRUE(data.tp_status & TP_STATUS_USER);
  EXPECT_EQ(23u, data.tp_len);
  EXPECT_EQ(23u, data.tp_snaplen);
  EXPECT_EQ(0, data.tp_mac);
  EXPECT_EQ(14, data.tp_net);
}

TEST_F(Packets, Memberships) {
  const Fd fd = socket(AF_PACKET, SOCK_RAW, 0);
  packet_mreq request = {};
  request.mr_ifindex = kLoopback;
  request.mr_type = PACKET_MR_PROMISC;
  EXPECT_OK(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request));
  EXPECT_OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &request, sizeof request));
  EXPECT_OK(setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &request, sizeof request));
  EXPECT_ERRNO(EINVAL, setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, 8));
  request.mr_ifindex = 9999;
  EXPECT_ERRNO(ENODEV, setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request));
  EXPECT_ERRNO(ENOPROTOOPT, setsockopt(fd, SOL_PACKET, 999, &request, sizeof request));
  EXPECT_ERRNO(ENOPROTOOPT, setsockopt(fd, SOL_TCP, TCP_NODELAY, &request, sizeof request));
}

TEST_F(Packets, WaitingBytesAreTold) {
  const Fd to = listener(SOCK_DGRAM, kExperiment), from = listener(SOCK_DGRAM, kExperiment);
  int size = -1;
  ASSERT_OK(ioctl(to, FIONREAD, &size));
  EXPECT_EQ(0, size);
  ASSERT_EQ(4, send(from, "four", 4, 0));
  ASSERT_EQ(3, send(from, "two", 3, 0));
  ASSERT_OK(ioctl(to, FIONREAD, &size));
  EXPECT_EQ(4, size) << "the first one's";
}

}  // namespace
}  // namespace compat
