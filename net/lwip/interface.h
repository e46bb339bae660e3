// Network interfaces: adding devices, giving them addresses, and looking at what there is.
//
// All functions take the core lock themselves.
#pragma once

#include "kernel/base/vector.h"
#include "kernel/drivers/net_device.h"
#include "kernel/sched/wait_queue.h"
#include "net/core/ip_address.h"

namespace narwhal::net {

struct InterfaceAddress {
  IpAddress address;
  u8 prefix_length = 0;
  bool tentative = false;  // IPv6: not yet known to be unique
  bool permanent = false;  // has no lifetime
};

struct InterfaceInfo {
  static constexpr usize kMostAddresses = 8;
  u32 index = 0;
  char name[16] = {};  // "lo", "eth0"
  bool loopback = false;
  bool up = false;
  bool link = false;
  MacAddress mac{};
  u32 mtu = 0;
  InterfaceAddress addresses[kMostAddresses];
  usize address_count = 0;
  IpAddress gateway4;  // any: none
  IpAddress gateway6 = IpAddress::any(IpVersion::k6);
  bool is_default = false;  // packets without a better way go here
  u64 received_packets = 0, received_bytes = 0, received_dropped = 0;
  u64 sent_packets = 0, sent_bytes = 0, sent_dropped = 0;
};

// Makes an interface ("eth0", ...) of a device; the first becomes the default. ENOMEM. Returns its
// index.
Result<u32> add_interface(Ref<NetDevice> device);
// In order of index. ENOMEM.
Result<Vector<InterfaceInfo>> list_interfaces();
// ENODEV.
Result<InterfaceInfo> find_interface(u32 index);
Result<InterfaceInfo> find_interface(std::string_view name);

// An IPv4 address and the way out (any: none). ENODEV.
Result<> set_ipv4(u32 index, const IpAddress& address, u8 prefix_length, const IpAddress& gateway);
// An IPv6 address. The stack takes every prefix for one of 64 bits. ENODEV, ENOSPC.
Result<> add_ipv6(u32 index, const IpAddress& address, const IpAddress& gateway);
// IPv6's link-local address, and addresses as routers announce them (RFC 4862).
Result<> start_ipv6(u32 index);
// Asks for an address by DHCP (RFC 2131); it comes later. `host_name` must live for ever; null:
// none. ENODEV, ENOMEM.
Result<> start_dhcp(u32 index, const char* host_name);

// Name servers, as set or as DHCP and routers told.
inline constexpr usize kMostNameServers = 3;
void set_name_server(usize which, const IpAddress& address);
usize name_servers(std::span<IpAddress, kMostNameServers> out);

// Woken when an interface's addresses, link or state changed.
WaitQueue& interface_changes();

}  // namespace narwhal::net
