// Interfaces, their addresses and routes: netdevice(7), getifaddrs(3), netlink(7), resolving names.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netdb.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

// One answer of the kernel, message by message.
std::vector<std::string> netlink_messages(int fd) {
  std::vector<std::string> result;
  for (;;) {
    const std::string bytes = receive(fd, 65536);
    if (bytes.starts_with("error")) return {};
    auto left = unsigned(bytes.size());
    for (auto* header = reinterpret_cast<const nlmsghdr*>(bytes.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return result;
      result.emplace_back(reinterpret_cast<const char*>(header), header->nlmsg_len);
      if (!(header->nlmsg_flags & NLM_F_MULTI)) return result;
    }
  }
}
const nlmsghdr& header_of(const std::string& message) {
  return *reinterpret_cast<const nlmsghdr*>(message.data());
}
template <class Body>
std::string request(uint16_t type, uint16_t flags, const Body& body) {
  struct {
    nlmsghdr header;
    Body body;
  } all = {};
  all.header.nlmsg_len = NLMSG_LENGTH(sizeof body);
  all.header.nlmsg_type = type;
  all.header.nlmsg_flags = flags | NLM_F_REQUEST;
  all.header.nlmsg_seq = 7;
  all.body = body;
  return std::string(reinterpret_cast<const char*>(&all), all.header.nlmsg_len);
}
Fd route_socket() {
  return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

TEST(Interface, LoopbackIsNumberOne) {
  EXPECT_EQ(1u, if_nametoindex("lo"));
  char name[IF_NAMESIZE] = {};
  EXPECT_STREQ("lo", if_indextoname(1, name));
  EXPECT_EQ(0u, if_nametoindex("nosuch0"));
  EXPECT_EQ(ENODEV, errno);
  EXPECT_EQ(nullptr, if_indextoname(9999, name));
  EXPECT_EQ(ENXIO, errno);
}

TEST(Interface, LoopbackIsUpAndTellsItsAddress) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  ASSERT_OK(ioctl(fd, SIOCGIFFLAGS, &request));
  EXPECT_EQ(IFF_UP | IFF_LOOPBACK | IFF_RUNNING,
            request.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
  ASSERT_OK(ioctl(fd, SIOCGIFADDR, &request));
  EXPECT_EQ(htonl(INADDR_LOOPBACK),
            reinterpret_cast<sockaddr_in*>(&request.ifr_addr)->sin_addr.s_addr);
  ASSERT_OK(ioctl(fd, SIOCGIFNETMASK, &request));
  EXPECT_EQ(htonl(0xff000000), reinterpret_cast<sockaddr_in*>(&request.ifr_addr)->sin_addr.s_addr);
  ASSERT_OK(ioctl(fd, SIOCGIFHWADDR, &request));
  EXPECT_EQ(ARPHRD_LOOPBACK, request.ifr_hwaddr.sa_family);
  ASSERT_OK(ioctl(fd, SIOCGIFMTU, &request));
  EXPECT_GE(request.ifr_mtu, 1500);
  strcpy(request.ifr_name, "nosuch0");
  EXPECT_ERRNO(ENODEV, ioctl(fd, SIOCGIFFLAGS, &request));
}

TEST(Interface, ListHoldsLoopback) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq entries[16] = {};
  ifconf list = {};
  list.ifc_len = sizeof entries;
  list.ifc_req = entries;
  ASSERT_OK(ioctl(fd, SIOCGIFCONF, &list));
  bool found = false;
  for (size_t i = 0; i < size_t(list.ifc_len) / sizeof(ifreq); ++i)
    found = found || strcmp(entries[i].ifr_name, "lo") == 0;
  EXPECT_TRUE(found);
}

TEST(Interface, AddressesOfLoopbackAreListed) {
  ifaddrs* list = nullptr;
  ASSERT_OK(getifaddrs(&list));
  bool four = false, packet = false;
  for (const ifaddrs* each = list; each; each = each->ifa_next) {
    if (strcmp(each->ifa_name, "lo") != 0 || !each->ifa_addr) continue;
    EXPECT_NE(0u, each->ifa_flags & IFF_LOOPBACK);
    if (each->ifa_addr->sa_family == AF_INET) {
      four = true;
      EXPECT_EQ(htonl(INADDR_LOOPBACK),
                reinterpret_cast<sockaddr_in*>(each->ifa_addr)->sin_addr.s_addr);
      EXPECT_EQ(htonl(0xff000000),
                reinterpret_cast<sockaddr_in*>(each->ifa_netmask)->sin_addr.s_addr);
    }
    packet = packet || each->ifa_addr->sa_family == AF_PACKET;
  }
  freeifaddrs(list);
  EXPECT_TRUE(four);
  EXPECT_TRUE(packet);
}

TEST(Interface, AddressOfIpv6LoopbackIsListed) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  ifaddrs* list = nullptr;
  ASSERT_OK(getifaddrs(&list));
  bool found = false;
  for (const ifaddrs* each = list; each; each = each->ifa_next)
    if (each->ifa_addr && each->ifa_addr->sa_family == AF_INET6)
      found = found ||
              IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6*>(each->ifa_addr)->sin6_addr);
  freeifaddrs(list);
  EXPECT_TRUE(found);
}

TEST(Netlink, LinksAreDumped) {
  const Fd fd = route_socket();
  const std::string ask = request(RTM_GETLINK, NLM_F_DUMP, rtgenmsg{.rtgen_family = AF_UNSPEC});
  EXPECT_EQ(ssize_t(ask.size()), send_text(fd, ask));
  const auto messages = netlink_messages(fd);
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(RTM_NEWLINK, header_of(messages[0]).nlmsg_type);
  EXPECT_EQ(7u, header_of(messages[0]).nlmsg_seq);
  const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(&header_of(messages[0])));
  EXPECT_EQ(1, link->ifi_index);
  EXPECT_EQ(ARPHRD_LOOPBACK, link->ifi_type);
}

TEST(Netlink, AddressesAreDumped) {
  const Fd fd = route_socket();
  const std::string ask = request(RTM_GETADDR, NLM_F_DUMP, rtgenmsg{.rtgen_family = AF_INET});
  EXPECT_EQ(ssize_t(ask.size()), send_text(fd, ask));
  bool loopback = false;
  for (const std::string& message : netlink_messages(fd)) {
    ASSERT_EQ(RTM_NEWADDR, header_of(message).nlmsg_type);
    const auto* address = static_cast<const ifaddrmsg*>(NLMSG_DATA(&header_of(message)));
    EXPECT_EQ(AF_INET, address->ifa_family);
    loopback = loopback || (address->ifa_index == 1 && address->ifa_prefixlen == 8);
  }
  EXPECT_TRUE(loopback);
}

TEST(Netlink, RoutesAreDumped) {
  const Fd fd = route_socket();
  const std::string ask = request(RTM_GETROUTE, NLM_F_DUMP, rtmsg{.rtm_family = AF_INET});
  EXPECT_EQ(ssize_t(ask.size()), send_text(fd, ask));
  for (const std::string& message : netlink_messages(fd))
    EXPECT_EQ(RTM_NEWROUTE, header_of(message).nlmsg_type);
}

TEST(Netlink, UnknownRequestsAreAnsweredWithAnError) {
  const Fd fd = route_socket();
  const std::string ask = request(9999, NLM_F_ACK, rtgenmsg{.rtgen_family = AF_UNSPEC});
  EXPECT_EQ(ssize_t(ask.size()), send_text(fd, ask));
  const auto messages = netlink_messages(fd);
  ASSERT_EQ(1u, messages.size());
  ASSERT_EQ(NLMSG_ERROR, header_of(messages[0]).nlmsg_type);
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(&header_of(messages[0])));
  EXPECT_EQ(-EOPNOTSUPP, error->error);
  EXPECT_EQ(7u, error->msg.nlmsg_seq);
}

TEST(Netlink, SocketGetsAPortOfItsOwn) {
  const Fd one = route_socket();
  const Fd two = route_socket();
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  ASSERT_OK(bind(one, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ASSERT_OK(bind(two, reinterpret_cast<sockaddr*>(&address), sizeof address));
  sockaddr_nl first = {}, second = {};
  socklen_t size = sizeof first;
  ASSERT_OK(getsockname(one, reinterpret_cast<sockaddr*>(&first), &size));
  EXPECT_EQ(sizeof first, size);
  ASSERT_OK(getsockname(two, reinterpret_cast<sockaddr*>(&second), &size));
  EXPECT_NE(0u, first.nl_pid);
  EXPECT_NE(first.nl_pid, second.nl_pid);
}

TEST(Resolver, LocalhostAndNumbersNeedNoServer) {
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* result = nullptr;
  ASSERT_EQ(0, getaddrinfo("127.0.0.1", "80", &hints, &result));
  EXPECT_EQ(80, ntohs(reinterpret_cast<sockaddr_in*>(result->ai_addr)->sin_port));
  freeaddrinfo(result);
}

}  // namespace
}  // namespace compat
