// Socket options: what is there before, what is kept, and what is refused.
#include <net/if.h>
#include <netinet/ip.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

TEST(SocketOption, ReceiveBufferIsDoubled) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_RCVBUF, 20000));
  EXPECT_EQ(40000, get_option(fd, SOL_SOCKET, SO_RCVBUF));
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_SNDBUF, 30000));
  EXPECT_EQ(60000, get_option(fd, SOL_SOCKET, SO_SNDBUF));
}

TEST(SocketOption, BuffersHaveALeastSize) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_RCVBUF, 1));
  EXPECT_EQ(2304, get_option(fd, SOL_SOCKET, SO_RCVBUF));
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_SNDBUF, 1));
  EXPECT_EQ(4608, get_option(fd, SOL_SOCKET, SO_SNDBUF));
}

TEST(SocketOption, SwitchesAreOffAtFirstAndKeepOne) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  for (const int name : {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE,
                         SO_DONTROUTE, SO_TIMESTAMP}) {
    EXPECT_EQ(0, get_option(fd, SOL_SOCKET, name)) << name;
    EXPECT_OK(set_option(fd, SOL_SOCKET, name, 17)) << name;
    EXPECT_EQ(1, get_option(fd, SOL_SOCKET, name)) << name;
    EXPECT_OK(set_option(fd, SOL_SOCKET, name, 0)) << name;
    EXPECT_EQ(0, get_option(fd, SOL_SOCKET, name)) << name;
  }
}

TEST(SocketOption, LingerIsKept) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 12}));
  linger got = {};
  socklen_t size = sizeof got;
  ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &size));
  EXPECT_EQ(sizeof got, size);
  EXPECT_EQ(1, got.l_onoff);
  EXPECT_EQ(12, got.l_linger);
  int one = 1;
  EXPECT_ERRNO(EINVAL, setsockopt(fd, SOL_SOCKET, SO_LINGER, &one, sizeof one));
}

TEST(SocketOption, TimeoutsAreKeptAndChecked) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    timeval time = {.tv_sec = 9, .tv_usec = 9};
    socklen_t size = sizeof time;
    ASSERT_OK(getsockopt(fd, SOL_SOCKET, name, &time, &size));
    EXPECT_EQ(sizeof time, size);
    EXPECT_EQ(0, time.tv_sec);
    EXPECT_EQ(0, time.tv_usec);
    ASSERT_OK(set_option(fd, SOL_SOCKET, name, timeval{.tv_sec = 3, .tv_usec = 500'000}));
    ASSERT_OK(getsockopt(fd, SOL_SOCKET, name, &time, &size));
    EXPECT_EQ(3, time.tv_sec);
    EXPECT_EQ(500'000, time.tv_usec);
    EXPECT_ERRNO(EDOM, set_option(fd, SOL_SOCKET, name, timeval{.tv_usec = 1'000'000}));
    EXPECT_ERRNO(EINVAL, set_option(fd, SOL_SOCKET, name, 1));
  }
}

TEST(SocketOption, ErrorIsNoneAtFirst) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(0, pending_error(fd));
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, SOL_SOCKET, SO_ERROR, 1));
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, SOL_SOCKET, SO_TYPE, 1));
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, SOL_SOCKET, SO_ACCEPTCONN, 1));
}

TEST(SocketOption, UnknownOnesAreRefused) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  int value = 1;
  socklen_t size = sizeof value;
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, SOL_SOCKET, 9999, value));
  EXPECT_ERRNO(ENOPROTOOPT, getsockopt(fd, SOL_SOCKET, 9999, &value, &size));
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, IPPROTO_TCP, 9999, value));
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, IPPROTO_IP, 9999, value));
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, 9999, 1, value));
}

TEST(SocketOption, SizesAndPointersAreChecked) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  int value = 1;
  EXPECT_ERRNO(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 2));
  EXPECT_ERRNO(EFAULT, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad_pointer<int>(), sizeof value));
  EXPECT_ERRNO(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, -1));
  socklen_t size = sizeof value;
  EXPECT_ERRNO(EFAULT, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad_pointer<int>(), &size));
  EXPECT_ERRNO(EFAULT, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, bad_pointer<socklen_t>()));
  size = socklen_t(-1);
  EXPECT_ERRNO(EINVAL, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &size));
}

TEST(SocketOption, AnswerIsCutToTheRoom) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  unsigned char bytes[8];
  memset(bytes, 0x5a, sizeof bytes);
  socklen_t size = 2;
  ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, bytes, &size));
  EXPECT_EQ(2u, size);
  EXPECT_EQ(SOCK_STREAM, bytes[0]);
  EXPECT_EQ(0x5a, bytes[2]);
  size = 8;
  ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, bytes, &size));
  EXPECT_EQ(4u, size);
}

TEST(SocketOption, LowWaterMarkHoldsPollBack) {
  const Pair pair = tcp_pair();
  EXPECT_EQ(1, get_option(pair.server, SOL_SOCKET, SO_RCVLOWAT));
  ASSERT_OK(set_option(pair.server, SOL_SOCKET, SO_RCVLOWAT, 5));
  EXPECT_EQ(3, send_text(pair.client, "abc"));
  int count = 0;
  EXPECT_TRUE(eventually([&] { return ioctl(pair.server, FIONREAD, &count) == 0 && count == 3; }));
  EXPECT_EQ(0, poll_now(pair.server, POLLIN));
  EXPECT_EQ(3, send_text(pair.client, "def"));
  poll_until(pair.server, POLLIN);
}

TEST(SocketOption, PriorityAndMark) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_PRIORITY, 5));
  EXPECT_EQ(5, get_option(fd, SOL_SOCKET, SO_PRIORITY));
}

TEST(SocketOption, BoundDeviceIsTold) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  char name[IFNAMSIZ + 1] = {};
  socklen_t size = IFNAMSIZ;
  ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size));
  EXPECT_EQ(0u, size);
  ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
  size = IFNAMSIZ;
  ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size));
  EXPECT_STREQ("lo", name);
  EXPECT_ERRNO(ENODEV, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8));
}

// --- TCP

TEST(TcpOption, DefaultsAreLinuxs) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(0, get_option(fd, IPPROTO_TCP, TCP_NODELAY));
  EXPECT_EQ(0, get_option(fd, IPPROTO_TCP, TCP_CORK));
  EXPECT_EQ(1, get_option(fd, IPPROTO_TCP, TCP_QUICKACK));
  EXPECT_EQ(7200, get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
  EXPECT_EQ(75, get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL));
  EXPECT_EQ(9, get_option(fd, IPPROTO_TCP, TCP_KEEPCNT));
  EXPECT_EQ(0, get_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT));
  EXPECT_EQ(0, get_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
  EXPECT_EQ(536, get_option(fd, IPPROTO_TCP, TCP_MAXSEG));
}

TEST(TcpOption, KeepaliveNumbersAreKeptAndChecked) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 100));
  ASSERT_OK(set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 20));
  ASSERT_OK(set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3));
  EXPECT_EQ(100, get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
  EXPECT_EQ(20, get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL));
  EXPECT_EQ(3, get_option(fd, IPPROTO_TCP, TCP_KEEPCNT));
  EXPECT_ERRNO(EINVAL, set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0));
  EXPECT_ERRNO(EINVAL, set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 32768));
  EXPECT_ERRNO(EINVAL, set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 128));
}

TEST(TcpOption, UserTimeoutIsKept) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345));
  EXPECT_EQ(12345, get_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
  EXPECT_ERRNO(EINVAL, set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1));
}

TEST(TcpOption, InfoTellsTheState) {
  const Pair pair = tcp_pair();
  tcp_info info = {};
  socklen_t size = sizeof info;
  ASSERT_OK(getsockopt(pair.client, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT_EQ(TCP_ESTABLISHED, info.tcpi_state);
  EXPECT_GE(info.tcpi_snd_mss, 536u);
  ASSERT_OK(shutdown(pair.server, SHUT_WR));
  poll_until(pair.client, POLLRDHUP);
  ASSERT_OK(getsockopt(pair.client, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT_EQ(TCP_CLOSE_WAIT, info.tcpi_state);
  const Fd listening = listener(AF_INET);
  ASSERT_OK(getsockopt(listening, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT_EQ(TCP_LISTEN, info.tcpi_state);
  const Fd fresh = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(getsockopt(fresh, IPPROTO_TCP, TCP_INFO, &info, &size));
  EXPECT_EQ(TCP_CLOSE, info.tcpi_state);
}

TEST(TcpOption, InfoIsCutToTheRoom) {
  const Pair pair = tcp_pair();
  char bytes[16];
  socklen_t size = sizeof bytes;
  ASSERT_OK(getsockopt(pair.client, IPPROTO_TCP, TCP_INFO, bytes, &size));
  EXPECT_EQ(sizeof bytes, size);
}

// tcp(7): quick acknowledgements are a mode, which the traffic ends and begins.
TEST(TcpOption, QuickAcknowledgementsEndWhereAnswersFollow) {
  const Pair pair = tcp_pair();
  EXPECT_EQ(1, get_option(pair.server, IPPROTO_TCP, TCP_QUICKACK));
  // An answer counts only if it comes soon, which a busy machine may need some tries for.
  bool quick = true;
  for (int tries = 0; quick && tries < 1000; ++tries) {
    EXPECT_EQ(1, send_text(pair.client, "x"));
    EXPECT_EQ("x", receive(pair.server));
    EXPECT_EQ(1, send_text(pair.server, "y"));
    EXPECT_EQ("y", receive(pair.client));
    quick = get_option(pair.server, IPPROTO_TCP, TCP_QUICKACK) != 0;
  }
  EXPECT_FALSE(quick);
  EXPECT_EQ(1, send_text(pair.client, "x"));
  EXPECT_TRUE(eventually([&] { return get_option(pair.server, IPPROTO_TCP, TCP_QUICKACK) == 1; }))
      << "nobody answers";
  ASSERT_OK(set_option(pair.server, IPPROTO_TCP, TCP_QUICKACK, 0));
  EXPECT_EQ(0, get_option(pair.server, IPPROTO_TCP, TCP_QUICKACK));
  ASSERT_OK(set_option(pair.server, IPPROTO_TCP, TCP_QUICKACK, 1));
  EXPECT_EQ(1, get_option(pair.server, IPPROTO_TCP, TCP_QUICKACK));
}

TEST(TcpOption, CorkHoldsPartsBackUntilItGoes) {
  const Pair pair = tcp_pair();
  ASSERT_OK(set_option(pair.client, IPPROTO_TCP, TCP_CORK, 1));
  EXPECT_EQ(3, send_text(pair.client, "one"));
  EXPECT_EQ(3, send_text(pair.client, "two"));
  EXPECT_EQ("error EAGAIN", receive(pair.server, 10, MSG_DONTWAIT));
  ASSERT_OK(set_option(pair.client, IPPROTO_TCP, TCP_CORK, 0));
  EXPECT_EQ("onetwo", receive(pair.server));
}

TEST(TcpOption, CorkLetsGoAfterAWhile) {
  const Pair pair = tcp_pair();
  ASSERT_OK(set_option(pair.client, IPPROTO_TCP, TCP_CORK, 1));
  EXPECT_EQ(3, send_text(pair.client, "one"));
  EXPECT_EQ("one", receive(pair.server)) << "after 200 ms";
}

TEST(TcpOption, MoreHoldsPartsBack) {
  const Pair pair = tcp_pair();
  EXPECT_EQ(3, send_text(pair.client, "one", MSG_MORE));
  EXPECT_EQ("error EAGAIN", receive(pair.server, 10, MSG_DONTWAIT));
  EXPECT_EQ(3, send_text(pair.client, "two"));
  EXPECT_EQ("onetwo", receive(pair.server));
}

TEST(TcpOption, CongestionControlHasAName) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  char name[16] = {};
  socklen_t size = sizeof name;
  ASSERT_OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size));
  EXPECT_NE(0u, strlen(name));
  EXPECT_OK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
  EXPECT_ERRNO(ENOENT, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "no such", 7));
}

TEST(TcpOption, NoneOfThemOnDatagrams) {
  const Fd fd = udp_socket();
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_ERRNO(ENOPROTOOPT, set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
  EXPECT_ERRNO(EOPNOTSUPP, getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size));
}

TEST(TcpOption, NoneOfThemOnLocalSockets) {
  const Pair pair = unix_pair();
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_ERRNO(EOPNOTSUPP, set_option(pair.client, IPPROTO_TCP, TCP_NODELAY, 1));
  EXPECT_ERRNO(EOPNOTSUPP, getsockopt(pair.client, IPPROTO_TCP, TCP_NODELAY, &value, &size));
  EXPECT_OK(set_option(pair.client, SOL_SOCKET, SO_KEEPALIVE, 1));
}

TEST(TcpOption, KeepaliveWorksOnAConnection) {
  const Pair pair = tcp_pair();
  ASSERT_OK(set_option(pair.client, IPPROTO_TCP, TCP_KEEPIDLE, 1));
  ASSERT_OK(set_option(pair.client, IPPROTO_TCP, TCP_KEEPINTVL, 1));
  ASSERT_OK(set_option(pair.client, SOL_SOCKET, SO_KEEPALIVE, 1));
  sleep_for(milliseconds(2300));
  EXPECT_EQ(0, poll_now(pair.client, POLLIN)) << "the peer answers, so the connection stays";
  EXPECT_EQ(2, send_text(pair.client, "ok"));
  EXPECT_EQ("ok", receive(pair.server));
}

// --- IP

TEST(IpOption, DefaultsAndValues) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(64, get_option(fd, IPPROTO_IP, IP_TTL));
  EXPECT_EQ(0, get_option(fd, IPPROTO_IP, IP_TOS));
  ASSERT_OK(set_option(fd, IPPROTO_IP, IP_TTL, 33));
  EXPECT_EQ(33, get_option(fd, IPPROTO_IP, IP_TTL));
  ASSERT_OK(set_option(fd, IPPROTO_IP, IP_TOS, int(IPTOS_LOWDELAY)));
  EXPECT_EQ(IPTOS_LOWDELAY, get_option(fd, IPPROTO_IP, IP_TOS));
  EXPECT_ERRNO(EINVAL, set_option(fd, IPPROTO_IP, IP_TTL, 0));
  EXPECT_ERRNO(EINVAL, set_option(fd, IPPROTO_IP, IP_TTL, 256));
}

TEST(IpOption, SingleBytesWork) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  unsigned char value = 7;
  ASSERT_OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &value, 1));
  EXPECT_EQ(7, get_option(fd, IPPROTO_IP, IP_MULTICAST_TTL));
  socklen_t size = 1;
  value = 0;
  ASSERT_OK(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &value, &size));
  EXPECT_EQ(7, value);
}

TEST(IpOption, OfIpv6NeedASocketOfIpv6) {
  const Fd four = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_ERRNO(ENOPROTOOPT, set_option(four, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  const Fd six = socket(AF_INET6, SOCK_STREAM, 0);
  EXPECT_EQ(0, get_option(six, IPPROTO_IPV6, IPV6_V6ONLY));
  EXPECT_EQ(64, get_option(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
  ASSERT_OK(set_option(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9));
  EXPECT_EQ(9, get_option(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS));
}

// What DNS servers ask for, so that their answers pass wherever IPv6 does.
TEST(Options, FragmentsOfIPv6) {
  const Fd six(socket(AF_INET6, SOCK_DGRAM, 0));
  ASSERT_GE(six, 0);
  EXPECT_OK(set_option(six, IPPROTO_IPV6, IPV6_MTU, 1280));
  EXPECT_OK(set_option(six, IPPROTO_IPV6, IPV6_MTU, 0));
  EXPECT_ERRNO(EINVAL, set_option(six, IPPROTO_IPV6, IPV6_MTU, 1279));
  int mtu;
  socklen_t size = sizeof mtu;
  EXPECT_ERRNO(ENOTCONN, getsockopt(six, IPPROTO_IPV6, IPV6_MTU, &mtu, &size));
}

TEST(IpOption, MulticastReachesTheMembers) {
  const Fd receiver = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_OK(bind_to(receiver, any_address(AF_INET)));
  ip_mreqn group = {};
  group.imr_multiaddr.s_addr = htonl(0xefff0102);
  group.imr_address.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_OK(set_option(receiver, IPPROTO_IP, IP_ADD_MEMBERSHIP, group));
  EXPECT_ERRNO(EADDRINUSE, set_option(receiver, IPPROTO_IP, IP_ADD_MEMBERSHIP, group));
  const Fd sender = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_OK(set_option(sender, IPPROTO_IP, IP_MULTICAST_IF, group.imr_address));
  const Address to = v4_address(0xefff0102, local_address(receiver).port());
  EXPECT_EQ(2, sendto(sender, "hi", 2, 0, to.get(), to.length));
  EXPECT_EQ(POLLIN, poll_now(receiver, POLLIN, 10000));
  EXPECT_EQ("hi", receive(receiver, 10, MSG_DONTWAIT));
  ASSERT_OK(set_option(receiver, IPPROTO_IP, IP_DROP_MEMBERSHIP, group));
  EXPECT_ERRNO(EADDRNOTAVAIL, set_option(receiver, IPPROTO_IP, IP_DROP_MEMBERSHIP, group));
}

}  // namespace
}  // namespace compat
