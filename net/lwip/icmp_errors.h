// What ICMP messages say about our own packets reaches the sockets that sent them (RFC 1122,
// sections 4.1.3.3 and 4.2.3.9).
#pragma once

#include "net/core/ip_address.h"

namespace narwhal::net {

// Begins to listen. ENOMEM. Called by core_init().
Result<> icmp_errors_init();

struct IcmpError {
  IpAddress reporter;  // who says so
  IpEndpoint remote;   // where our packet went
  IpEndpoint local;    // from where
  Errno error{};
  bool hard = false;  // the destination will not answer
  u8 type = 0, code = 0;
  u32 mtu = 0;       // the path's, where that was the trouble; else 0
  u32 sequence = 0;  // of the TCP segment
};

// Each protocol's part, with the core lock held.
void tcp_icmp_error(const IcmpError& error);
void udp_icmp_error(const IcmpError& error);
void raw_icmp_error(u8 protocol, const IcmpError& error);

}  // namespace narwhal::net
