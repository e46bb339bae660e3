#include "net/lwip/routes.h"

#include "lwip/igmp.h"
#include "lwip/ip.h"
#include "lwip/mld6.h"
#include "lwip/netif.h"
#include "net/lwip/core_lwip.h"

namespace narwhal::net {
namespace {

netif* by_index(u32 index) {
  return index != 0 && index < 256 ? netif_get_by_index(u8(index)) : nullptr;
}

netif* way_to(const ip_addr_t& destination, u32 device) {
  if (device != 0) return by_index(device);
  if (IP_IS_V6(&destination) && ip6_addr_has_zone(ip_2_ip6(&destination)))
    return by_index(ip6_addr_zone(ip_2_ip6(&destination)));
  ip_addr_t any{};
  any.type = destination.type;
  return ip_route(&any, &destination);
}

}  // namespace

bool is_own_address(const IpAddress& address) {
  return is_local_address(to_lwip(address));
}

bool is_broadcast_address(const IpAddress& address) {
  if (!address.is_v4()) return false;
  const ip_addr_t wanted = to_lwip(address);
  // Loopback's, too, is one in Linux' table of routes, though the device has no broadcasts.
  if (address == IpAddress::v4(127, 255, 255, 255)) return true;
  netif* interface;
  NETIF_FOREACH(interface) {
    if (ip4_addr_isbroadcast(ip_2_ip4(&wanted), interface) && !address.is_any()) return true;
  }
  return address.is_limited_broadcast();
}

u32 interface_of(const IpAddress& own) {
  if (own.is_loopback()) return netif_get_index(loopback_interface());
  const ip_addr_t wanted = to_lwip(own);
  netif* interface;
  NETIF_FOREACH(interface) {
    if (own.is_v6() ? netif_get_ip6_addr_match(interface, ip_2_ip6(&wanted)) >= 0
                    : ip4_addr_cmp(ip_2_ip4(&wanted), netif_ip4_addr(interface)))
      return netif_get_index(interface);
  }
  return 0;
}

IpAddress interface_address(u32 index) {
  netif* interface = by_index(index);
  return interface ? from_lwip(interface->ip_addr) : IpAddress::any(IpVersion::k4);
}

Result<Route> find_route(const IpAddress& destination, u32 device) {
  const ip_addr_t to = to_lwip(destination);
  netif* interface = way_to(to, device);
  if (!interface) return Errno::kNetUnreach;
  const ip_addr_t* source = ip_netif_get_local_ip(interface, &to);
  // Before it has an address, DHCP's way, an interface may send broadcasts from none.
  if (!source || (IP_IS_V4(source) && ip_addr_isany(source) && !destination.is_limited_broadcast()))
    return Errno::kNetUnreach;
  Route route{netif_get_index(interface), from_lwip(*source)};
  // To one of our own addresses, also from it.
  if (interface == loopback_interface() && !destination.is_multicast()) route.source = destination;
  return route;
}

u32 path_mtu(const IpAddress& destination) {
  const ip_addr_t to = to_lwip(destination);
  netif* interface = way_to(to, 0);
  return interface ? interface->mtu : 0;
}

Result<u32> join_group(const IpAddress& group, u32 interface) {
  const ip_addr_t address = to_lwip(group);
  netif* way = way_to(address, interface);
  if (!way) return Errno::kNoDev;
  const err_t result = group.is_v4() ? igmp_joingroup_netif(way, ip_2_ip4(&address))
                                     : mld6_joingroup_netif(way, ip_2_ip6(&address));
  if (result != ERR_OK) return result == ERR_MEM ? Errno::kNoBufs : Errno::kNoDev;
  core_work_noted.groups = true;
  return u32(netif_get_index(way));
}

Result<> leave_group(const IpAddress& group, u32 interface) {
  const ip_addr_t address = to_lwip(group);
  netif* way = way_to(address, interface);
  if (!way) return Errno::kNoDev;
  const err_t result = group.is_v4() ? igmp_leavegroup_netif(way, ip_2_ip4(&address))
                                     : mld6_leavegroup_netif(way, ip_2_ip6(&address));
  if (result != ERR_OK) return Errno::kAddrNotAvail;
  core_work_noted.groups = true;
  return {};
}

}  // namespace narwhal::net
