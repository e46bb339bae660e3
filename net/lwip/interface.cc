#include "net/lwip/interface.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip_hooks.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/device_io.h"
#include "net/lwip/port/lwip_hooks.h"

namespace narwhal::net {
namespace {

[[clang::no_destroy]] constinit WaitQueue changes;
constinit DeviceInterface* interfaces = nullptr;
constinit u32 interface_count = 0;

void on_change(netif*) {
  changes.wake_all();
}

// To one of our own addresses, the packet stays here, whatever route led to this interface. What
// goes to many also comes to us: multicast if the sender wants so, broadcast always.
err_t output4(netif* interface, pbuf* packet, const ip4_addr_t* destination) {
  if (ip4_addr_cmp(destination, netif_ip4_addr(interface))) return loopback_send(interface, packet);
  if ((packet->flags & PBUF_FLAG_MCASTLOOP) || ip4_addr_isbroadcast(destination, interface))
    loopback_send(interface, packet);
  return etharp_output(interface, packet, destination);
}
err_t output6(netif* interface, pbuf* packet, const ip6_addr_t* destination) {
  if (netif_get_ip6_addr_match(interface, destination) >= 0)
    return loopback_send(interface, packet);
  if (packet->flags & PBUF_FLAG_MCASTLOOP) loopback_send(interface, packet);
  return ethip6_output(interface, packet, destination);
}

err_t init_interface(netif* interface) {
  auto& self = *static_cast<DeviceInterface*>(interface->state);
  NetDevice& device = *self.device;
  interface->name[0] = 'e';
  interface->name[1] = 't';
  const MacAddress mac = device.mac();
  interface->hwaddr_len = sizeof mac.bytes;
  std::memcpy(interface->hwaddr, mac.bytes, sizeof mac.bytes);
  const u32 mtu = device.mtu();
  interface->mtu = interface->mtu6 =
      u16(mtu < 65521 ? mtu : 65521);  // a frame's length has 16 bits
  interface->output = output4;
  interface->output_ip6 = output6;
  interface->linkoutput = device_transmit;
  interface->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
                     NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
  if (device.link_up()) interface->flags |= NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

netif* find(u32 index) TA_REQUIRES(core_lock) {
  return index != 0 && index < 256 ? netif_get_by_index(u8(index)) : nullptr;
}

u8 prefix_of(const ip4_addr_t& mask) {
  return u8(__builtin_popcount(mask.addr));
}

void describe(netif& interface, InterfaceInfo& out) {
  out.index = netif_get_index(&interface);
  out.loopback = &interface == loopback_interface();
  Text<sizeof out.name> name;
  if (out.loopback)
    name << "lo";
  else
    name << "eth" << static_cast<DeviceInterface*>(interface.state)->number;
  std::memcpy(out.name, name.view().data(), name.size());
  out.up = netif_is_up(&interface);
  out.link = netif_is_link_up(&interface);
  std::memcpy(out.mac.bytes, interface.hwaddr, sizeof out.mac.bytes);
  out.mtu = interface.mtu;
  out.is_default = &interface == netif_default;
  if (!ip4_addr_isany(netif_ip4_addr(&interface))) {
    InterfaceAddress& address = out.addresses[out.address_count++];
    address.address = from_lwip(interface.ip_addr);
    address.prefix_length = prefix_of(*netif_ip4_netmask(&interface));
    address.permanent = !dhcp_supplied_address(&interface);
  }
  out.gateway4 = from_lwip(interface.gw);
  for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; ++i) {
    const u8 state = netif_ip6_addr_state(&interface, i);
    if (ip6_addr_isinvalid(state) || ip6_addr_isduplicated(state)) continue;
    InterfaceAddress& address = out.addresses[out.address_count++];
    address.address = from_lwip(interface.ip6_addr[i]);
    address.prefix_length = out.loopback ? 128 : 64;
    address.tentative = ip6_addr_istentative(state);
    address.permanent = netif_ip6_addr_isstatic(&interface, i);
  }
  if (!out.loopback) {
    const auto& self = *static_cast<DeviceInterface*>(interface.state);
    out.gateway6 = self.gateway6;
    out.received_packets = self.received_packets;
    out.received_bytes = self.received_bytes;
    out.received_dropped = self.received_dropped;
    out.sent_packets = self.sent_packets;
    out.sent_bytes = self.sent_bytes;
    out.sent_dropped = self.sent_dropped;
  }
}
static_assert(1 + LWIP_IPV6_NUM_ADDRESSES <= InterfaceInfo::kMostAddresses);

}  // namespace

Result<u32> add_interface(Ref<NetDevice> device) {
  CoreGuard guard(core_lock);
  auto self = TRY(make_own<DeviceInterface>(std::move(device)));
  self->number = interface_count;
  netif& interface = self->interface;
  if (!netif_add_noaddr(&interface, self.get(), init_interface, device_input)) return Errno::kNoMem;
  self->set_checksums();
  netif_set_status_callback(&interface, on_change);
  netif_set_link_callback(&interface, on_change);
  self->device->set_handlers([](void*) { core_wake(); }, nullptr, device_transmit_done);
  if (!netif_default) netif_set_default(&interface);
  netif_set_up(&interface);
  interface.rs_count = 0;  // routers are asked by start_ipv6()
  ++interface_count;
  DeviceInterface** last = &interfaces;
  while (*last) last = &(*last)->next;
  *last = self.release();  // lives as long as the machine
  core_wake();
  return u32(netif_get_index(&interface));
}

DeviceInterface* first_device_interface() {
  return interfaces;
}

Result<Vector<InterfaceInfo>> list_interfaces() {
  Vector<InterfaceInfo> all;
  CoreGuard guard(core_lock);
  for (u32 index = 1; netif* interface = find(index); ++index) {
    InterfaceInfo info;
    describe(*interface, info);
    TRY(all.push_back(info));
  }
  return all;
}

Result<InterfaceInfo> find_interface(u32 index) {
  CoreGuard guard(core_lock);
  netif* interface = find(index);
  if (!interface) return Errno::kNoDev;
  InterfaceInfo info;
  describe(*interface, info);
  return info;
}

Result<InterfaceInfo> find_interface(std::string_view name) {
  CoreGuard guard(core_lock);
  for (u32 index = 1; netif* interface = find(index); ++index) {
    InterfaceInfo info;
    describe(*interface, info);
    if (name == info.name) return info;
  }
  return Errno::kNoDev;
}

Result<> set_ipv4(u32 index, const IpAddress& address, u8 prefix_length, const IpAddress& gateway) {
  CoreGuard guard(core_lock);
  netif* interface = find(index);
  if (!interface) return Errno::kNoDev;
  if (!address.is_v4() || !gateway.is_v4() || prefix_length > 32) return Errno::kInval;
  const u32 mask = prefix_length == 0 ? 0 : ~u32{0} << (32 - prefix_length);
  const ip4_addr_t netmask{lwip_htonl(mask)};
  const ip_addr_t own = to_lwip(address), way = to_lwip(gateway);
  netif_set_addr(interface, ip_2_ip4(&own), &netmask, ip_2_ip4(&way));
  return {};
}

Result<> add_ipv6(u32 index, const IpAddress& address, const IpAddress& gateway) {
  CoreGuard guard(core_lock);
  netif* interface = find(index);
  if (!interface || interface == loopback_interface()) return Errno::kNoDev;
  if (!address.is_v6() || !gateway.is_v6()) return Errno::kInval;
  const ip_addr_t own = to_lwip(address);
  s8_t slot = -1;
  if (netif_add_ip6_address(interface, ip_2_ip6(&own), &slot) != ERR_OK) return Errno::kNoSpc;
  // An address that somebody chose for us is taken for unique, so that it can be used at once.
  netif_ip6_addr_set_state(interface, slot, IP6_ADDR_PREFERRED);
  if (!gateway.is_any()) static_cast<DeviceInterface*>(interface->state)->gateway6 = gateway;
  core_work_noted.traffic = true;
  return {};
}

Result<> start_ipv6(u32 index) {
  CoreGuard guard(core_lock);
  netif* interface = find(index);
  if (!interface) return Errno::kNoDev;
  netif_create_ip6_linklocal_address(interface, 1);
  netif_set_ip6_autoconfig_enabled(interface, 1);
  interface->rs_count = LWIP_ND6_MAX_MULTICAST_SOLICIT;
  core_work_noted.traffic = true;
  return {};
}

Result<> start_dhcp(u32 index, const char* host_name) {
  CoreGuard guard(core_lock);
  netif* interface = find(index);
  if (!interface) return Errno::kNoDev;
  netif_set_hostname(interface, host_name);
  if (dhcp_start(interface) != ERR_OK) return Errno::kNoMem;
  core_work_noted.groups = true;
  return {};
}

void set_name_server(usize which, const IpAddress& address) {
  CoreGuard guard(core_lock);
  const ip_addr_t server = to_lwip(address);
  dns_setserver(u8(which), &server);
}

usize name_servers(std::span<IpAddress, kMostNameServers> out) {
  static_assert(kMostNameServers == DNS_MAX_SERVERS);
  CoreGuard guard(core_lock);
  usize count = 0;
  for (u8 i = 0; i < kMostNameServers; ++i) {
    const ip_addr_t* server = dns_getserver(i);
    if (!ip_addr_isany(server)) out[count++] = from_lwip(*server);
  }
  return count;
}

WaitQueue& interface_changes() {
  return changes;
}

bool is_local_address(const ip_addr_t& address) {
  if (ip_addr_isloopback(&address)) return true;
  netif* interface;
  NETIF_FOREACH(interface) {
    if (!netif_is_up(interface)) continue;
    if (IP_IS_V6(&address) ? netif_get_ip6_addr_match(interface, ip_2_ip6(&address)) >= 0
                           : ip4_addr_cmp(ip_2_ip4(&address), netif_ip4_addr(interface)))
      return true;
  }
  return false;
}

}  // namespace narwhal::net

// --- hooks (port/lwip_hooks.h)

using namespace narwhal::net;

// Packets to ourselves take the loopback interface, whichever interface has the address.
netif* narwhal_route4(const ip4_addr_t*, const ip4_addr_t* destination) {
  ip_addr_t address{};
  ip_addr_copy_from_ip4(address, *destination);
  if (ip4_addr_isany(destination) || is_local_address(address)) return loopback_interface();
  return nullptr;
}
netif* narwhal_route6(const ip6_addr_t*, const ip6_addr_t* destination) {
  ip_addr_t address{};
  ip_addr_copy_from_ip6(address, *destination);
  if (ip6_addr_isany(destination) || is_local_address(address)) return loopback_interface();
  return nullptr;
}
const ip6_addr_t* narwhal_gateway6(netif* interface, const ip6_addr_t*) {
  if (interface == loopback_interface()) return nullptr;
  auto& self = *static_cast<DeviceInterface*>(interface->state);
  if (self.gateway6.is_any()) return nullptr;
  self.gateway6_lwip = to_lwip(self.gateway6);
  ip6_addr_assign_zone(ip_2_ip6(&self.gateway6_lwip), IP6_UNICAST, interface);
  return ip_2_ip6(&self.gateway6_lwip);
}
