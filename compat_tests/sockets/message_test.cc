// sendmsg(2) and recvmsg(2) and their plural forms; control messages of IP; addresses.
#include <netinet/ip.h>
#include <sys/uio.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

TEST(Message, PiecesAreJoinedAndScattered) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  char one[] = "one ", two[] = "two";
  iovec out[] = {{one, 4}, {nullptr, 0}, {two, 3}};
  msghdr header = {};
  header.msg_iov = out;
  header.msg_iovlen = 3;
  EXPECT_EQ(7, sendmsg(pair.client, &header, 0));
  char first[2], second[10];
  iovec in[] = {{first, 2}, {second, 10}};
  header.msg_iov = in;
  header.msg_iovlen = 2;
  EXPECT_EQ(7, recvmsg(pair.server, &header, 0));
  EXPECT_EQ("on", std::string(first, 2));
  EXPECT_EQ("e two", std::string(second, 5));
}

TEST(Message, CountsAndPointersAreChecked) {
  const Pair pair = unix_pair();
  msghdr header = {};
  header.msg_iovlen = 1025;
  EXPECT_ERRNO(EMSGSIZE, sendmsg(pair.client, &header, 0));
  EXPECT_ERRNO(EMSGSIZE, recvmsg(pair.client, &header, 0));
  EXPECT_ERRNO(EFAULT, sendmsg(pair.client, bad_pointer<msghdr>(), 0));
  iovec piece = {bad_pointer<char>(), 4};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  EXPECT_ERRNO(EFAULT, sendmsg(pair.client, &header, 0));
  header.msg_iov = bad_pointer<iovec>();
  EXPECT_ERRNO(EFAULT, sendmsg(pair.client, &header, 0));
}

TEST(Message, BrokenControlMessagesAreInvalid) {
  const Pair pair = unix_pair();
  MessageBuffer out("x");
  out.add_files({0});
  reinterpret_cast<cmsghdr*>(out.control)->cmsg_len = 4;
  EXPECT_ERRNO(EINVAL, out.send(pair.client));
  reinterpret_cast<cmsghdr*>(out.control)->cmsg_len = 4000;
  EXPECT_ERRNO(EINVAL, out.send(pair.client));
}

TEST(Message, NameComesWithTheMessage) {
  const Fd one = udp_socket();
  const Fd two = udp_socket();
  Address to = local_address(two);
  MessageBuffer out("hello");
  out.header.msg_name = to.get();
  out.header.msg_namelen = to.length;
  EXPECT_EQ(5, out.send(one));
  MessageBuffer in(100);
  Address from;
  in.header.msg_name = from.get();
  in.header.msg_namelen = from.length;
  EXPECT_EQ(5, in.receive(two));
  EXPECT_EQ(sizeof(sockaddr_in), in.header.msg_namelen);
  EXPECT_EQ(local_address(one).port(), from.port());
  EXPECT_EQ(0u, in.header.msg_controllen);
  EXPECT_EQ(0, in.header.msg_flags);
}

TEST(Message, ManyAreSentAndReceivedAtOnce) {
  const Fd one = udp_socket();
  const Fd two = udp_socket();
  ASSERT_OK(connect_to(one, local_address(two)));
  char texts[3][4] = {"one", "two", "six"};
  iovec pieces[3];
  mmsghdr messages[3] = {};
  for (int i = 0; i < 3; ++i) {
    pieces[i] = {texts[i], size_t(i + 1)};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(3, sendmmsg(one, messages, 3, 0));
  EXPECT_EQ(1u, messages[0].msg_len);
  EXPECT_EQ(3u, messages[2].msg_len);
  char got[4][8] = {};
  iovec places[4];
  mmsghdr received[4] = {};
  for (int i = 0; i < 4; ++i) {
    places[i] = {got[i], 8};
    received[i].msg_hdr.msg_iov = &places[i];
    received[i].msg_hdr.msg_iovlen = 1;
  }
  poll_until(two, POLLIN);
  EXPECT_EQ(3, recvmmsg(two, received, 4, MSG_DONTWAIT, nullptr));
  EXPECT_EQ(2u, received[1].msg_len);
  EXPECT_STREQ("tw", got[1]);
  EXPECT_STREQ("six", got[2]);
  EXPECT_ERRNO(EAGAIN, recvmmsg(two, received, 4, MSG_DONTWAIT, nullptr));
}

TEST(Message, WaitForOneTakesWhatThereIs) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  EXPECT_EQ(1, send_text(pair.client, "x"));
  char got[2][8];
  iovec places[2] = {{got[0], 8}, {got[1], 8}};
  mmsghdr received[2] = {};
  for (int i = 0; i < 2; ++i) {
    received[i].msg_hdr.msg_iov = &places[i];
    received[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(1, recvmmsg(pair.server, received, 2, MSG_WAITFORONE, nullptr));
}

TEST(Message, TimeLimitOfManyIsChecked) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  mmsghdr received = {};
  timespec bad = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_ERRNO(EINVAL, recvmmsg(pair.server, &received, 1, MSG_DONTWAIT, &bad));
}

TEST(Message, FailureAfterTheFirstIsToldLater) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  char text[] = "ok";
  iovec good = {text, 2};
  iovec bad = {bad_pointer<char>(), 2};
  mmsghdr messages[2] = {};
  messages[0].msg_hdr.msg_iov = &good;
  messages[0].msg_hdr.msg_iovlen = 1;
  messages[1].msg_hdr.msg_iov = &bad;
  messages[1].msg_hdr.msg_iovlen = 1;
  EXPECT_EQ(1, sendmmsg(pair.client, messages, 2, 0));
  EXPECT_ERRNO(EFAULT, sendmmsg(pair.client, messages + 1, 1, 0));
}

// --- control messages of IP

TEST(ControlMessage, PacketInfoTellsTheDestination) {
  const Fd one = udp_socket();
  const Fd two = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_OK(bind_to(two, any_address(AF_INET)));
  ASSERT_OK(set_option(two, IPPROTO_IP, IP_PKTINFO, 1));
  const Address to = v4_address(0x7f000005, local_address(two).port());
  EXPECT_EQ(1, sendto(one, "x", 1, 0, to.get(), to.length));
  MessageBuffer in(10);
  EXPECT_EQ(1, in.receive(two));
  const auto info = in.value_of<in_pktinfo>(IPPROTO_IP, IP_PKTINFO);
  EXPECT_EQ(htonl(0x7f000005), info.ipi_addr.s_addr);
  EXPECT_EQ(1, info.ipi_ifindex);
}

TEST(ControlMessage, PacketInfoChoosesTheSource) {
  const Fd one = socket(AF_INET, SOCK_DGRAM, 0);
  const Fd two = udp_socket();
  Address to = local_address(two);
  in_pktinfo info = {};
  info.ipi_spec_dst.s_addr = htonl(0x7f000007);
  MessageBuffer out("x");
  out.header.msg_name = to.get();
  out.header.msg_namelen = to.length;
  out.add(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  EXPECT_EQ(1, out.send(one));
  Address from;
  char byte;
  EXPECT_EQ(1, recvfrom(two, &byte, 1, 0, from.get(), &from.length));
  EXPECT_EQ(htonl(0x7f000007), from.v4().sin_addr.s_addr);
}

TEST(ControlMessage, PacketInfoOfIpv6) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const Fd one = udp_socket(AF_INET6);
  const Fd two = udp_socket(AF_INET6);
  ASSERT_OK(set_option(two, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
  const Address to = local_address(two);
  EXPECT_EQ(1, sendto(one, "x", 1, 0, to.get(), to.length));
  MessageBuffer in(10);
  EXPECT_EQ(1, in.receive(two));
  const auto info = in.value_of<in6_pktinfo>(IPPROTO_IPV6, IPV6_PKTINFO);
  EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&info.ipi6_addr));
}

TEST(ControlMessage, TimeToLiveAndTypeOfService) {
  const Fd one = udp_socket();
  const Fd two = udp_socket();
  ASSERT_OK(set_option(two, IPPROTO_IP, IP_RECVTTL, 1));
  ASSERT_OK(set_option(two, IPPROTO_IP, IP_RECVTOS, 1));
  ASSERT_OK(set_option(one, IPPROTO_IP, IP_TTL, 77));
  ASSERT_OK(set_option(one, IPPROTO_IP, IP_TOS, int(IPTOS_THROUGHPUT)));
  const Address to = local_address(two);
  EXPECT_EQ(1, sendto(one, "x", 1, 0, to.get(), to.length));
  MessageBuffer in(10);
  EXPECT_EQ(1, in.receive(two));
  EXPECT_EQ(77, in.value_of<int>(IPPROTO_IP, IP_TTL));
  EXPECT_EQ(IPTOS_THROUGHPUT, in.value_of<unsigned char>(IPPROTO_IP, IP_TOS));
}

TEST(ControlMessage, TimeOfArrival) {
  const Fd one = udp_socket();
  const Fd two = udp_socket();
  ASSERT_OK(set_option(two, SOL_SOCKET, SO_TIMESTAMP, 1));
  const Address to = local_address(two);
  timespec before;
  clock_gettime(CLOCK_REALTIME, &before);
  EXPECT_EQ(1, sendto(one, "x", 1, 0, to.get(), to.length));
  MessageBuffer in(10);
  EXPECT_EQ(1, in.receive(two));
  const auto time = in.value_of<timeval>(SOL_SOCKET, SO_TIMESTAMP);
  timespec after;
  clock_gettime(CLOCK_REALTIME, &after);
  EXPECT_GE(time.tv_sec, before.tv_sec - 1);
  EXPECT_LE(time.tv_sec, after.tv_sec + 1);
}

TEST(ControlMessage, WithoutRoomIsTruncated) {
  const Fd one = udp_socket();
  const Fd two = udp_socket();
  ASSERT_OK(set_option(two, IPPROTO_IP, IP_PKTINFO, 1));
  const Address to = local_address(two);
  EXPECT_EQ(1, sendto(one, "x", 1, 0, to.get(), to.length));
  MessageBuffer in(10);
  EXPECT_EQ(1, in.receive(two, 0, 8));
  EXPECT_EQ(MSG_CTRUNC, in.header.msg_flags & MSG_CTRUNC);
}

TEST(ControlMessage, UnreachablePortIsOnTheErrorQueue) {
  const Fd one = udp_socket();
  Address nobody;
  {
    const Fd gone = udp_socket();
    nobody = local_address(gone);
  }
  ASSERT_OK(set_option(one, IPPROTO_IP, IP_RECVERR, 1));
  EXPECT_EQ(4, sendto(one, "data", 4, 0, nobody.get(), nobody.length));
  poll_until(one, POLLERR);
  MessageBuffer in(10);
  Address to;
  in.header.msg_name = to.get();
  in.header.msg_namelen = to.length;
  // As much of what was sent as the report quotes.
  EXPECT_GE(in.receive(one, MSG_ERRQUEUE), 0);
  EXPECT_EQ(MSG_ERRQUEUE, in.header.msg_flags & MSG_ERRQUEUE);
  EXPECT_EQ(nobody.port(), to.port());
  // struct sock_extended_err begins with the error and where it comes from.
  struct Report {
    uint32_t error;
    uint8_t origin, type, code, pad;
  };
  const auto report = in.value_of<Report>(IPPROTO_IP, IP_RECVERR);
  EXPECT_EQ(uint32_t(ECONNREFUSED), report.error);
  EXPECT_EQ(2, report.origin) << "SO_EE_ORIGIN_ICMP";
  EXPECT_EQ("error EAGAIN", receive(one, 10, MSG_ERRQUEUE));
}

// --- addresses

TEST(SocketAddress, IsCutToTheRoomAndItsLengthTold) {
  const Fd fd = udp_socket();
  Address address;
  memset(&address.bytes, 0x5a, sizeof address.bytes);
  address.length = 3;
  EXPECT_OK(getsockname(fd, address.get(), &address.length));
  EXPECT_EQ(sizeof(sockaddr_in), address.length);
  EXPECT_EQ(AF_INET, address.bytes.ss_family);
  EXPECT_EQ(0x5a, reinterpret_cast<char*>(&address.bytes)[3]);
  socklen_t none = 0;
  EXPECT_OK(getsockname(fd, nullptr, &none));
  EXPECT_EQ(sizeof(sockaddr_in), none);
}

TEST(SocketAddress, NegativeRoomAndBadPointersAreRefused) {
  const Fd fd = udp_socket();
  Address address;
  address.length = socklen_t(-1);
  EXPECT_ERRNO(EINVAL, getsockname(fd, address.get(), &address.length));
  address.length = sizeof(sockaddr_in);
  EXPECT_ERRNO(EFAULT, getsockname(fd, bad_pointer<sockaddr>(), &address.length));
  EXPECT_ERRNO(EFAULT, getsockname(fd, address.get(), bad_pointer<socklen_t>()));
}

TEST(SocketAddress, PeerNeedsAConnection) {
  Address address;
  const Fd tcp = listener(AF_INET);
  EXPECT_ERRNO(ENOTCONN, getpeername(tcp, address.get(), &address.length));
  const Fd udp = udp_socket();
  EXPECT_ERRNO(ENOTCONN, getpeername(udp, address.get(), &address.length));
  const Fd local = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_ERRNO(ENOTCONN, getpeername(local, address.get(), &address.length));
}

}  // namespace
}  // namespace compat
