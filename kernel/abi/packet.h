// <linux/if_packet.h>.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr i32 kSolPacket = 263;

// Options of SOL_PACKET.
inline constexpr i32 kPacketAddMembership = 1;
inline constexpr i32 kPacketDropMembership = 2;
inline constexpr i32 kPacketStatistics = 6;
inline constexpr i32 kPacketAuxiliaryData = 8;
inline constexpr i32 kPacketOriginalDevice = 9;
inline constexpr i32 kPacketIgnoreOutgoing = 23;

// Kinds of memberships: of one group, of everything, of all groups, of one more address.
inline constexpr u16 kPacketMostMemberKind = 3;

struct LinkAddress {  // struct sockaddr_ll
  u16 family;
  u16 protocol;  // in the network's order
  i32 interface;
  u16 hardware_type;
  u8 packet_type;
  u8 address_length;
  u8 address[8];
};
static_assert(sizeof(LinkAddress) == 20);

inline constexpr u16 kHardwareEthernet = 1;
inline constexpr u16 kHardwareLoopback = 772;

struct PacketMembership {  // struct packet_mreq
  i32 interface;
  u16 kind;
  u16 address_length;
  u8 address[8];
};
static_assert(sizeof(PacketMembership) == 16);

struct PacketCounts {  // struct tpacket_stats
  u32 packets;         // the dropped ones as well
  u32 dropped;
};

struct PacketAuxiliaryData {  // struct tpacket_auxdata
  u32 status;
  u32 length;
  u32 captured;
  u16 link_at;
  u16 network_at;
  u16 vlan;
  u16 vlan_protocol;
};
static_assert(sizeof(PacketAuxiliaryData) == 20);
inline constexpr u32 kPacketForUser = 1;            // TP_STATUS_USER
inline constexpr u32 kPacketChecksumMissing = 8;    // TP_STATUS_CSUMNOTREADY
inline constexpr u32 kPacketChecksumGood = 1 << 7;  // TP_STATUS_CSUM_VALID

}  // namespace narwhal::abi
