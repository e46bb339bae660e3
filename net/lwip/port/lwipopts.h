#pragma once

// lwIP's settings. Its own defaults are those of a microcontroller; each group here says what is
// different and why. C, because lwIP includes it.

// One lock of ours stands around every call into lwIP, and a timer of ours calls
// sys_check_timeouts().
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 1
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0

// Memory comes from the kernel's heap, so that no pool has a limit of its own.
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 16
#define mem_clib_malloc narwhal_lwip_malloc
#define mem_clib_calloc narwhal_lwip_calloc
#define mem_clib_free narwhal_lwip_free
// Received buffers become pbufs without a copy.
#define LWIP_SUPPORT_CUSTOM_PBUF 1
// Room for one Ethernet frame in each buffer.
#define PBUF_POOL_BUFSIZE 1536

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
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_MLD 1
#define LWIP_IGMP 1
// Programs bring their own resolver.
#define LWIP_DNS 0
#define IP_FORWARD 0
#define IP_REASSEMBLY 1
#define IP_FRAG 1
#define IP_SOF_BROADCAST 1
#define IP_SOF_BROADCAST_RECV 1
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 1

// TCP for servers on a fast network.
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 5
#define TCP_WND (1024 * 1024)
#define TCP_SND_BUF (1024 * 1024)
#define TCP_SND_QUEUELEN 8192
#define MEMP_NUM_TCP_SEG TCP_SND_QUEUELEN
// Must stay below 64 KiB less four segments; it only decides when lwIP calls a sender writable
// again.
#define TCP_SNDLOWAT (32 * 1024)
#define TCP_QUEUE_OOSEQ 1
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_KEEPALIVE 1
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
// TIME_WAIT lasts two of these. RFC 9293's two minutes would leave a server that closes 20,000
// connections a minute with 40,000 dead ones; Linux waits 60 s, but reuses such a port at once for
// a newer sequence number.
#define TCP_MSL 1000

// Each network device says what its checksum offload does; loopback needs none.
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_LOOPBACK_MAX_PBUFS 0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_API 0

#define LWIP_STATS 0
#define LWIP_DEBUG 0
