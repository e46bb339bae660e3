#pragma once

// lwIP's settings. Its own defaults are those of a microcontroller; each group here says what is
// different and why. C, because lwIP includes it.

// One lock of ours stands around every call into lwIP, and our own thread drives its timers
// (net/lwip/timers.cc): lwIP's would tick for ever.
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_NETIF_API 0
#define LWIP_HOOK_FILENAME "lwip_hooks.h"
#define LWIP_HOOK_TCP_DEMUX(header, length, pcb, listener) \
  narwhal_tcp_demux(header, length, pcb, listener)
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) \
  narwhal_tcp_initial_sequence(local, local_port, remote, remote_port)
#define LWIP_HOOK_TCP_FIT(pcb, netif, segment, window) \
  narwhal_tcp_fit(pcb, netif, segment, window)
#define LWIP_HOOK_TCP_REXMIT(pcb, segment) narwhal_tcp_cut_to_resend(pcb, segment)
#define LWIP_HOOK_PBUF_IS_CUT(packet) ((packet)->flags & NARWHAL_PBUF_IS_CUT)
#define LWIP_HOOK_IP4_ROUTE_SRC(source, destination) narwhal_route4(source, destination)
#define LWIP_HOOK_IP6_ROUTE(source, destination) narwhal_route6(source, destination)
#define LWIP_HOOK_ND6_GET_GW(interface, destination) narwhal_gateway6(interface, destination)
#ifdef NARWHAL_DEBUG
#define LWIP_ASSERT_CORE_LOCKED() narwhal_lwip_assert_locked()
#endif

// Memory comes from the kernel's heap, so that no pool has a limit of its own.
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 16
#define mem_clib_malloc narwhal_lwip_malloc
#define mem_clib_calloc narwhal_lwip_calloc
#define mem_clib_free narwhal_lwip_free

// Packet buffers. Received ones live in the device's own buffers (custom pbufs). 16 bytes before
// the Ethernet header stay free for the device's header, so that a packet is one piece for it.
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_PBUF_REF_T u16_t
#define PBUF_LINK_ENCAPSULATION_HLEN 16
#define PBUF_POOL_BUFSIZE 2048

// Protocols.
#define LWIP_ETHERNET 1
#define LWIP_ARP 1
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_ICMP 1
#define LWIP_ICMP6 1
#define LWIP_RAW 1
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DHCP 1
// What a server offers is taken: looking whether somebody has the address costs half a second.
#define DHCP_DOES_ARP_CHECK 0
#define LWIP_IGMP 1
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_MLD 1
#define LWIP_IPV6_NUM_ADDRESSES 6
// Programs bring their own resolver. lwIP's is there only because DHCP and router advertisements
// hand it the servers' addresses, where resolv.conf finds them.
#define LWIP_DNS 1
#define DNS_MAX_SERVERS 3
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 1
#define IP_FORWARD 0

// IP. A datagram of 64 KiB comes in 45 fragments.
#define IP_DEFAULT_TTL 64
#define IP_REASSEMBLY 1
#define IP_REASS_MAX_PBUFS 512
#define MEMP_NUM_REASSDATA 16
#define IP_FRAG 1
#define LWIP_IPV6_FRAG 1
#define LWIP_IPV6_REASS 1
// Pointers do not fit where a fragment header was.
#define IPV6_FRAG_COPYHEADER 1
#define IP_SOF_BROADCAST 1
#define IP_SOF_BROADCAST_RECV 0
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 1
#define ARP_TABLE_SIZE 64
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 16
#define LWIP_NETIF_HWADDRHINT 1
#define LWIP_ND6_NUM_NEIGHBORS 64
#define LWIP_ND6_NUM_DESTINATIONS 64
#define LWIP_ND6_NUM_ROUTERS 4

// TCP. The largest segment only counts on loopback (Ethernet's MTU cuts it to 1,460 bytes): with
// its headers and pbuf it fills four pages exactly.
#define TCP_MSS 16256
// The largest windows; what a connection really gets grows as it needs it (tcp_endpoint.h).
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 7
#define TCP_WND (4 * 1024 * 1024)
#define TCP_SND_BUF (4 * 1024 * 1024)
#define TCP_SND_QUEUELEN 0xfff0
// Segments are built by tcp_send.cc and not by tcp_write(), whose limits are not ours.
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 1024
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_KEEPALIVE 1
// Ten segments, RFC 6928.
#define LWIP_TCP_CALC_INITIAL_CWND(mss) ((tcpwnd_size_t)(10U * (mss)))
// The backlog is counted by tcp_listener.cc: lwIP's counters have eight bits.
#define TCP_LISTEN_BACKLOG 0
// One slot in each pcb, for the index of connections (tcp_index.h).
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1
// A tick of 50 ms gives delayed acknowledgements of at most 50 ms, and retransmissions after 200 to
// 300 ms on a near network, as Linux has them.
#define TCP_TMR_INTERVAL 50
#define TCP_SYNMAXRTX 6
#define TCP_MAXRTX 12

// Each network device says what its checksum offload does; loopback needs none.
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHKSUM narwhal_lwip_checksum
#define LWIP_HAVE_LOOPIF 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 0
#define LWIP_NETIF_HOSTNAME 1

#define LWIP_STATS 0
#define LWIP_DEBUG 0
