// Who talks to whom: every TCP and UDP endpoint, for /proc/net and sock_diag(7).
#pragma once

#include "net/lwip/tcp_endpoint.h"

namespace narwhal::net {

struct ConnectionInfo {
  IpVersion version;  // of the socket; IPv4 addresses may stand in an IPv6 one
  IpEndpoint local, remote;
  TcpState state = TcpState::kClose;
  usize send_queue = 0;
  usize receive_queue = 0;
  u32 uid = 0;
  u64 inode = 0;  // 0: no program has it any more
  u8 retransmits = 0;
  u64 dropped = 0;
};
using ConnectionVisitor = void (*)(const ConnectionInfo& info, void* argument);

// Each takes the core lock, and calls back with it held.
void visit_tcp(ConnectionVisitor visit, void* argument);
void visit_udp(ConnectionVisitor visit, void* argument);
// Ports are protocol numbers.
void visit_raw(ConnectionVisitor visit, void* argument);

struct ConnectionCounts {
  usize tcp_in_use = 0;  // with a program, TIME-WAIT left out
  usize tcp_orphaned = 0;
  usize time_wait = 0;
  usize tcp_listening = 0;
  usize udp_in_use = 0;
  usize packet_bytes = 0;
};
ConnectionCounts count_connections();

// Whether packets may wait for the address of a neighbour's card, who has not answered.
bool packets_wait_for_neighbours();

}  // namespace narwhal::net
