// <netinet/in.h>, <linux/in6.h>, <netinet/tcp.h>, <linux/errqueue.h>: addresses, options and their
// data, as Internet sockets know them.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

// Protocols, which are also levels of options.
inline constexpr i32 kProtocolIp = 0;
inline constexpr i32 kProtocolIcmp = 1;
inline constexpr i32 kProtocolTcp = 6;
inline constexpr i32 kProtocolUdp = 17;
inline constexpr i32 kProtocolIpv6 = 41;
inline constexpr i32 kProtocolIcmpv6 = 58;
inline constexpr i32 kProtocolRaw = 255;

struct SockAddrIn {
  u16 family;
  u8 port[2];  // network order
  u8 address[4];
  u8 zero[8];
};
static_assert(sizeof(SockAddrIn) == 16);

struct SockAddrIn6 {
  u16 family;
  u8 port[2];  // network order
  u8 flow[4];
  u8 address[16];
  u32 scope;
};
static_assert(sizeof(SockAddrIn6) == 28);
inline constexpr u32 kSockAddrIn6Short = 24;  // without the scope, RFC 2133

// IPPROTO_IP.
inline constexpr i32 kIpTos = 1;
inline constexpr i32 kIpTtl = 2;
inline constexpr i32 kIpHeaderIncluded = 3;
inline constexpr i32 kIpOptions = 4;
inline constexpr i32 kIpReceiveOptions = 6;
inline constexpr i32 kIpReturnOptions = 7;
inline constexpr i32 kIpPacketInfo = 8;
inline constexpr i32 kIpMtuDiscover = 10;
inline constexpr i32 kIpReceiveError = 11;
inline constexpr i32 kIpReceiveTtl = 12;
inline constexpr i32 kIpReceiveTos = 13;
inline constexpr i32 kIpMtu = 14;
inline constexpr i32 kIpFreeBind = 15;
inline constexpr i32 kIpBindAddressNoPort = 24;
inline constexpr i32 kIpMulticastInterface = 32;
inline constexpr i32 kIpMulticastTtl = 33;
inline constexpr i32 kIpMulticastLoop = 34;
inline constexpr i32 kIpAddMembership = 35;
inline constexpr i32 kIpDropMembership = 36;
inline constexpr i32 kMcastJoinGroup = 42;
inline constexpr i32 kMcastLeaveGroup = 45;
inline constexpr i32 kIpMulticastAll = 49;

// IPPROTO_IPV6.
inline constexpr i32 kIpv6UnicastHops = 16;
inline constexpr i32 kIpv6MulticastInterface = 17;
inline constexpr i32 kIpv6MulticastHops = 18;
inline constexpr i32 kIpv6MulticastLoop = 19;
inline constexpr i32 kIpv6JoinGroup = 20;
inline constexpr i32 kIpv6LeaveGroup = 21;
inline constexpr i32 kIpv6MtuDiscover = 23;
inline constexpr i32 kIpv6Mtu = 24;
inline constexpr i32 kIpv6ReceiveError = 25;
inline constexpr i32 kIpv6Only = 26;
inline constexpr i32 kIpv6MulticastAll = 29;
inline constexpr i32 kIpv6ReceivePacketInfo = 49;
inline constexpr i32 kIpv6PacketInfo = 50;
inline constexpr i32 kIpv6ReceiveHopLimit = 51;
inline constexpr i32 kIpv6HopLimit = 52;
inline constexpr i32 kIpv6DontFragment = 62;
inline constexpr i32 kIpv6ReceiveTrafficClass = 66;
inline constexpr i32 kIpv6TrafficClass = 67;

// ICMPv6's own level: which types a raw socket wants (RFC 3542, section 3.2).
inline constexpr i32 kIcmp6Filter = 1;
// SOL_RAW.
inline constexpr i32 kSolRaw = 255;
inline constexpr i32 kIcmpFilter = 1;
// On raw IPv6 sockets: where the checksum goes (RFC 3542, section 3.1).
inline constexpr i32 kIpv6Checksum = 7;

// IPPROTO_TCP.
inline constexpr i32 kUdpCork = 1;
inline constexpr i32 kTcpNoDelay = 1;
inline constexpr i32 kTcpMaxSegment = 2;
inline constexpr i32 kTcpCork = 3;
inline constexpr i32 kTcpKeepIdle = 4;
inline constexpr i32 kTcpKeepInterval = 5;
inline constexpr i32 kTcpKeepCount = 6;
inline constexpr i32 kTcpSynCount = 7;
inline constexpr i32 kTcpLinger2 = 8;
inline constexpr i32 kTcpDeferAccept = 9;
inline constexpr i32 kTcpWindowClamp = 10;
inline constexpr i32 kTcpInfo = 11;
inline constexpr i32 kTcpQuickAck = 12;
inline constexpr i32 kTcpCongestion = 13;
inline constexpr i32 kTcpUserTimeout = 18;
inline constexpr i32 kTcpFastOpen = 23;
inline constexpr i32 kTcpNotSentLowWater = 25;

struct IpMulticastRequest {  // struct ip_mreqn; ip_mreq is its first eight bytes
  u8 group[4];
  u8 address[4];
  i32 interface;
};
struct Ipv6MulticastRequest {  // struct ipv6_mreq
  u8 group[16];
  u32 interface;
};
struct GroupRequest {  // struct group_req
  u32 interface;
  u32 padding;
  u8 group[128];  // a struct sockaddr_storage
};
static_assert(sizeof(GroupRequest) == 136);

struct PacketInfo {  // struct in_pktinfo
  i32 interface;
  u8 specific_destination[4];  // our address that answers would come from
  u8 destination[4];
};
struct PacketInfo6 {  // struct in6_pktinfo
  u8 address[16];
  u32 interface;
};

struct Linger {
  i32 on;
  i32 seconds;
};

struct ExtendedError {  // struct sock_extended_err
  u32 error;
  u8 origin;  // 2: ICMP, 3: ICMPv6
  u8 type;
  u8 code;
  u8 padding;
  u32 info;
  u32 data;
};
inline constexpr u8 kErrorOriginIcmp = 2;
inline constexpr u8 kErrorOriginIcmp6 = 3;

struct TcpInfo {  // struct tcp_info, as of Linux 4.x
  u8 state, ca_state, retransmits, probes, backoff, options;
  u8 scales;  // sender's in the low half, receiver's in the high one
  u8 app_limited;
  u32 rto, ato, snd_mss, rcv_mss;
  u32 unacked, sacked, lost, retrans, fackets;
  u32 last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
  u32 pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
  u32 rcv_rtt, rcv_space, total_retrans;
  u64 pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
  u32 segs_out, segs_in;
  u32 notsent_bytes, min_rtt, data_segs_in, data_segs_out;
  u64 delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
  u32 delivered, delivered_ce;
  u64 bytes_sent, bytes_retrans;
  u32 dsack_dups, reord_seen, rcv_ooopack, snd_wnd;
};
static_assert(sizeof(TcpInfo) == 232);

// Of the same family as SOL_SOCKET's, but only Internet sockets know them.
inline constexpr i32 kSoMaxPacingRate = 47;
inline constexpr i32 kSoBusyPoll = 46;
inline constexpr i32 kSoReuseportFilter = 51;
inline constexpr i32 kSoBindToInterface = 62;

}  // namespace narwhal::abi
