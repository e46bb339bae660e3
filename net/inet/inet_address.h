// Socket addresses of AF_INET and AF_INET6 to and from our own form.
#pragma once

#include "kernel/abi/inet.h"
#include "kernel/abi/socket.h"
#include "net/core/ip_address.h"
#include "net/core/socket.h"

namespace narwhal::inet {

// What connect(2) and sendto(2) are given: an address of this family, IPv4 inside IPv6 unwrapped.
// EINVAL: too short. EAFNOSUPPORT: of another family.
Result<IpEndpoint> parse_address(int family, const SocketAddress& address);
// The address as a socket of this family shows it: IPv4 inside IPv6 for AF_INET6.
void store_address(int family, const IpEndpoint& endpoint, SocketAddress& out);

}  // namespace narwhal::inet
