// Sockets of IPv6 that take IPv4 along: ipv6(7), IPV6_V6ONLY.
#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

TEST(DualStack, ListenerOfIpv6TakesIpv4) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const Fd listening = socket(AF_INET6, SOCK_STREAM, 0);
  ASSERT_OK(set_option(listening, IPPROTO_IPV6, IPV6_V6ONLY, 0));
  ASSERT_OK(bind_to(listening, any_address(AF_INET6)));
  ASSERT_OK(listen(listening, 4));
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, loopback(AF_INET, local_address(listening).port())));
  const Fd server = accept(listening, nullptr, nullptr);
  Address peer = peer_address(server);
  EXPECT_EQ(AF_INET6, peer.family());
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&peer.v6().sin6_addr));
  EXPECT_EQ(local_address(client).port(), peer.port());
  // The other version of the port is taken.
  const Fd other = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_ERRNO(EADDRINUSE, bind_to(other, loopback(AF_INET, local_address(listening).port())));
}

TEST(DualStack, Ipv6OnlyLeavesIpv4Alone) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  // Another program of the machine may have the port in IPv4: then it is not this one.
  Fd listening, other;
  in_port_t port = 0;
  int bound = -1;
  for (int tries = 0; tries < 20 && bound != 0; ++tries) {
    listening = socket(AF_INET6, SOCK_STREAM, 0);
    ASSERT_OK(set_option(listening, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    ASSERT_OK(bind_to(listening, any_address(AF_INET6)));
    ASSERT_OK(listen(listening, 4));
    port = local_address(listening).port();
    other = socket(AF_INET, SOCK_STREAM, 0);
    bound = bind_to(other, loopback(AF_INET, port));
    if (bound != 0) ASSERT_EQ(EADDRINUSE, errno);
  }
  EXPECT_EQ(0, bound);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_ERRNO(ECONNREFUSED, connect_to(client, loopback(AF_INET, port)));
  // It is decided once the socket has a name.
  EXPECT_ERRNO(EINVAL, set_option(listening, IPPROTO_IPV6, IPV6_V6ONLY, 0));
}

TEST(DualStack, SocketOfIpv6ConnectsToMappedIpv4) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const Fd listening = listener(AF_INET);
  in6_addr mapped = {};
  mapped.s6_addr[10] = mapped.s6_addr[11] = 0xff;
  mapped.s6_addr[12] = 127;
  mapped.s6_addr[15] = 1;
  const Address address = v6_address(mapped, local_address(listening).port());
  const Fd client = socket(AF_INET6, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, address));
  Address peer = peer_address(client);
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&peer.v6().sin6_addr));
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&local_address(client).v6().sin6_addr));
  const Fd only = socket(AF_INET6, SOCK_STREAM, 0);
  ASSERT_OK(set_option(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  EXPECT_ERRNO(ENETUNREACH, connect_to(only, address));
}

}  // namespace
}  // namespace compat
