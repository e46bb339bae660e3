// Which addresses are ours, and where packets to others go. All calls with the core lock held.
#pragma once

#include "net/core/ip_address.h"

namespace narwhal::net {

// Whether the address belongs to this machine, 127.0.0.0/8 included.
bool is_own_address(const IpAddress& address);
// An address that packets to it reach everybody at: 255.255.255.255 or an interface's broadcast.
bool is_broadcast_address(const IpAddress& address);
// The interface that has this address; 0: none.
u32 interface_of(const IpAddress& own);
// An interface's IPv4 address; any: it has none.
IpAddress interface_address(u32 index);

struct Route {
  u32 interface = 0;
  IpAddress source;  // our address for packets that go this way
};
// Over `device` if that is not 0. ENETUNREACH: there is no way, or no address of ours for it.
Result<Route> find_route(const IpAddress& destination, u32 device);
// The largest packet, in bytes, on the way there; 0: there is no way.
u32 path_mtu(const IpAddress& destination);

// Multicast groups (RFC 3376, RFC 2710). Each join wants its leave. Interface 0: the way that
// packets to the group take. ENODEV, ENOBUFS, EADDRNOTAVAIL (not a member).
Result<u32> join_group(const IpAddress& group, u32 interface);
Result<> leave_group(const IpAddress& group, u32 interface);

}  // namespace narwhal::net
