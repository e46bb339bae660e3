// What the parts of this folder share.
#pragma once

#include "kernel/mm/heap.h"
#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"
#include "net/core/ip_address.h"
#include "net/lwip/core.h"

struct netif;

namespace narwhal::net {

inline ip_addr_t to_lwip(const IpAddress& address) {
  ip_addr_t out{};
  std::memcpy(&out.u_addr, address.bytes, address.size());
  if (address.is_v6()) {
    out.type = IPADDR_TYPE_V6;
    ip6_addr_set_zone(ip_2_ip6(&out), u8(address.zone));
  } else {
    out.type = IPADDR_TYPE_V4;
  }
  return out;
}
inline IpAddress from_lwip(const ip_addr_t& address) {
  if (address.type == IPADDR_TYPE_V4) return IpAddress::from_bytes(IpVersion::k4, &address.u_addr);
  IpAddress out = IpAddress::from_bytes(IpVersion::k6, &address.u_addr);
  out.zone = ip6_addr_zone(ip_2_ip6(&address));
  return out;
}
Errno to_errno(err_t error);

// The lock's bookkeeping (core.cc): what unlock() has to see to.
struct CoreWork {
  bool tcp = false;      // a TCP connection may need its timers
  bool traffic = false;  // frames went out or came in
  bool groups = false;   // multicast groups or DHCP may need theirs
  bool clocks = false;   // one of them was started or stopped: the timer must follow
};
extern constinit CoreWork core_work_noted;
// The time, read once for each holder of the lock: exact enough for all that is counted in
// milliseconds, and there is more than one who asks for each packet.
u64 core_now();
// A TCP connection changed in a way that may need its timers.
inline void note_tcp() {
  core_work_noted.tcp = true;
}

// loopback.cc
Result<> loopback_init();
netif* loopback_interface();
// Queues a packet for ourselves, as if `interface` had received it. The data is not copied.
err_t loopback_send(netif* interface, pbuf* packet);
// A frame that a program has made, with its Ethernet header. Taken over, or not (not ERR_OK).
err_t loopback_send_frame(pbuf* frame);
// Hands over what is queued, and what that gives rise to.
void loopback_deliver();

// interface.cc
bool interfaces_receive(usize budget);  // whether there is more
void interfaces_flush();
void interfaces_complete();      // takes back packets that were sent
u32 interfaces_enable_events();  // how many have something already
// The device's checks and our own: whether the address belongs to this machine.
bool is_local_address(const ip_addr_t& address);

// tcp_held.cc
// Sends what connections hold back.
void send_held();
// When at the latest, or platform::kNoDeadline.
u64 held_deadline();

// timers.cc
// TCP's clock stands still while no connection waits for anything; this brings it up to date.
void timers_resume();
// Runs what is due.
void timers_run(u64 now_ns);
// When the lock's holder is done: starts what has become needed. Cheap when nothing has.
void timers_finish();
u64 timers_next_deadline();

// tcp_index.cc
void tcp_index_init();
// Connections that entered TIME-WAIT become records of the index, so that their pcbs can go.
void tcp_collect_time_wait();
u64 tcp_oldest_time_wait();  // its deadline, or platform::kNoDeadline
// The same, when those that are due have gone.
u64 tcp_expire_time_wait(u64 now_ns);

}  // namespace narwhal::net
