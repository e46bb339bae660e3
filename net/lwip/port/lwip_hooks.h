#pragma once

// Places where lwIP asks the port (the macros are in lwipopts.h). C, because lwIP includes it;
// defined in net/lwip.

#include "lwip/arch.h"
#include "lwip/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ip4_addr;
struct ip6_addr;
struct ip_addr;
struct netif;
struct tcp_hdr;
struct tcp_pcb;
struct tcp_pcb_listen;
struct tcp_seg;

// Which connection or listener a segment is for (tcp_index.cc). Nonzero: the segment was answered
// on behalf of a connection in TIME-WAIT.
int narwhal_tcp_demux(const struct tcp_hdr* header, u16_t length, struct tcp_pcb** pcb,
                      struct tcp_pcb_listen** listener);
// Initial sequence numbers, RFC 6528 (tcp_index.cc).
u32_t narwhal_tcp_initial_sequence(const struct ip_addr* local, u16_t local_port,
                                   const struct ip_addr* remote, u16_t remote_port);
// Among pbuf::flags, of a packet's first: longer than the MTU, because the device cuts it.
#define NARWHAL_PBUF_IS_CUT 0x80u
// Likewise: a frame that a program has made, checksums and all (packet(7)).
#define NARWHAL_PBUF_AS_IT_IS 0x40u
// Before a segment is sent into the window: makes it one that may go, if it is longer than the peer
// takes it, or leaves it alone while it has to wait. Not ERR_OK: no memory (tcp_cut.cc).
err_t narwhal_tcp_fit(struct tcp_pcb* pcb, struct netif* interface, struct tcp_seg* segment,
                      u32_t window);
// Before a segment is sent again: leaves in it no more than what was lost for certain.
void narwhal_tcp_cut_to_resend(struct tcp_pcb* pcb, struct tcp_seg* segment);
// The way of packets to ourselves (interface.cc).
struct netif* narwhal_route4(const struct ip4_addr* source, const struct ip4_addr* destination);
struct netif* narwhal_route6(const struct ip6_addr* source, const struct ip6_addr* destination);
// A configured router (interface.cc); null: as announced.
const struct ip6_addr* narwhal_gateway6(struct netif* interface,
                                        const struct ip6_addr* destination);

#ifdef __cplusplus
}
#endif
