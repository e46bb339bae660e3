// The index of TCP connections by their four-tuple. lwIP's own lists are walked from the front for
// each segment; here finding one costs the same however many there are.
//
// Each active pcb has a Connection, kept in its extension slot. When the pcb enters TIME-WAIT the
// Connection stays on, small, and the pcb goes: a server that closes thousands of connections a
// second has a record of each, not a pcb, and the oldest give way when there are too many.
//
// All calls with the core lock held.
#pragma once

#include "lwip/ip_addr.h"
#include "net/lwip/ports.h"

struct tcp_pcb;
struct tcp_pcb_listen;

namespace narwhal::net {

class TcpEndpoint;

// How long a record stays: two "maximum segment lifetimes". Linux keeps a minute, but gives such a
// four-tuple to a new connection with newer sequence numbers at once, and so does this; lost
// segments older than this are rare on the networks of this century (RFC 9293, section 3.4.2).
inline constexpr u64 kTimeWaitNs = 2 * kNanosPerSecond;
// More than this and the oldest go: 20 MB... of records would serve nobody.
inline constexpr usize kMostTimeWaits = 16384;

struct Connection {
  HashNode hash_node;
  u64 hash = 0;
  tcp_pcb* pcb = nullptr;           // null in TIME-WAIT
  TcpEndpoint* listener = nullptr;  // who counts it among its half-open ones
  ip_addr_t local{};
  ip_addr_t remote{};
  u16 local_port = 0;
  u16 remote_port = 0;
  PortBinding binding;
  // TIME-WAIT only.
  ListNode time_wait_node;
  u64 deadline_ns = 0;
  u32 next_received = 0;
  u32 next_sent = 0;
  u16 window = 0;
};

// Takes up a pcb whose addresses and ports are set. `like`: whose claim on the port it shares.
// ENOMEM; EADDRNOTAVAIL: there is such a connection, or one in TIME-WAIT that may not be replaced.
Result<Connection*> index_connection(tcp_pcb* pcb, const PortBinding& like);
Connection* connection_of(const tcp_pcb* pcb);
Connection& connection_of(PortBinding& binding);
Connection* find_connection(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote,
                            u16 remote_port);
// Every connection, TIME-WAIT too.
void for_each_connection(void (*visit)(const Connection& connection, void* argument),
                         void* argument);
usize time_wait_count();

// A listener hears of each SYN before it is answered.
void index_listener(tcp_pcb_listen* listener);

}  // namespace narwhal::net
