// Segments longer than the peer takes them, which the device cuts (TCP segmentation offload). The
// stack works once for what leaves as 44 packets.
//
// A connection makes its segments as long as the device cuts them (tcp_send.cc), whatever the
// windows say. When one is about to be sent, and the windows have room for a part of it, or the way
// out has become another, it is cut here into two, without copying.
//
// Only this folder includes this header. All calls with the core lock held.
#pragma once

#include "kernel/base/types.h"
#include "lwip/pbuf.h"

struct netif;
struct tcp_pcb;
struct tcp_seg;

namespace narwhal::net {

// The longest segment, in bytes of data, for a way out and the size that the peer takes.
u16 longest_segment(const netif* interface, u16 peers_size);
// What a long segment that is just being sent is to be cut into; 0: it is not.
u16 size_to_cut(const pbuf* frame);
// Leaves `at` bytes of data in a segment of a queue of the connection's; the others are in a new
// one behind it. False: no memory, nothing has changed.
bool cut_segment(tcp_pcb& pcb, tcp_seg& segment, u16 at);

}  // namespace narwhal::net
