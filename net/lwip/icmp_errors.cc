#include "net/lwip/icmp_errors.h"

#include "lwip/icmp.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/raw.h"
#include "net/lwip/core_lwip.h"

namespace narwhal::net {
namespace {

constexpr usize kIcmpHeader = 8;
// As much of the transport's header as every report quotes: ports and TCP's sequence number.
constexpr usize kQuoted = 8;

struct Meaning {
  Errno error;
  bool hard;
};

// By code of "destination unreachable" (RFC 1122, section 3.2.2.1; Linux's net/ipv4/icmp.c gives
// the numbers to which programs are used).
constexpr Meaning kUnreachable4[] = {
    {Errno::kNetUnreach, false},  {Errno::kHostUnreach, false}, {Errno::kNoProtoOpt, true},
    {Errno::kConnRefused, true},  {Errno::kMsgSize, false},     {Errno::kOpNotSupp, false},
    {Errno::kNetUnreach, true},   {Errno::kHostDown, true},     {Errno::kHostUnreach, true},
    {Errno::kNetUnreach, true},   {Errno::kHostUnreach, true},  {Errno::kNetUnreach, false},
    {Errno::kHostUnreach, false}, {Errno::kHostUnreach, true},  {Errno::kHostUnreach, true},
    {Errno::kHostUnreach, true},
};
constexpr Meaning kUnreachable6[] = {
    {Errno::kNetUnreach, false},  {Errno::kAcces, true},       {Errno::kHostUnreach, false},
    {Errno::kHostUnreach, false}, {Errno::kConnRefused, true}, {Errno::kAcces, true},
    {Errno::kAcces, true},
};

u32 load32(const u8* bytes) {
  return u32{bytes[0]} << 24 | u32{bytes[1]} << 16 | u32{bytes[2]} << 8 | bytes[3];
}
u16 load16(const u8* bytes) {
  return u16(bytes[0] << 8 | bytes[1]);
}

// Whether the message is an error report; fills in what it means.
bool interpret4(const u8* icmp, IcmpError& out) {
  switch (icmp[0]) {
    case ICMP_DUR:
      if (icmp[1] >= std::size(kUnreachable4)) return false;
      out.error = kUnreachable4[icmp[1]].error;
      out.hard = kUnreachable4[icmp[1]].hard;
      if (icmp[1] == ICMP_DUR_FRAG) out.mtu = load16(icmp + 6);
      return true;
    case ICMP_TE:
      out.error = Errno::kHostUnreach;
      return true;
    case ICMP_PP:
      out.error = Errno::kProto;
      out.hard = true;
      return true;
    default:
      return false;
  }
}
bool interpret6(const u8* icmp, IcmpError& out) {
  switch (icmp[0]) {
    case ICMP6_TYPE_DUR:
      if (icmp[1] >= std::size(kUnreachable6)) return false;
      out.error = kUnreachable6[icmp[1]].error;
      out.hard = kUnreachable6[icmp[1]].hard;
      return true;
    case ICMP6_TYPE_PTB:
      out.error = Errno::kMsgSize;
      out.mtu = load32(icmp + 4);
      return true;
    case ICMP6_TYPE_TE:
      out.error = Errno::kHostUnreach;
      return true;
    case ICMP6_TYPE_PP:
      out.error = Errno::kProto;
      out.hard = true;
      return true;
    default:
      return false;
  }
}

void pass_on(IcmpError& report, u8 protocol, const u8* transport) {
  report.local.port = load16(transport);
  report.remote.port = load16(transport + 2);
  report.sequence = load32(transport + 4);
  if (protocol == IP_PROTO_TCP) return tcp_icmp_error(report);
  if (protocol == IP_PROTO_UDP) return udp_icmp_error(report);
  raw_icmp_error(protocol, report);
}

// lwIP shows each ICMP packet here, from the IP header on, before it looks at it itself. The result
// says that it is not used up.
u8 on_icmp4(void*, raw_pcb*, pbuf* packet, const ip_addr_t* source) {
  u8 bytes[2 * IP_HLEN_MAX + kIcmpHeader + kQuoted];
  const usize size = pbuf_copy_partial(packet, bytes, sizeof bytes, 0);
  const usize outer = usize(bytes[0] & 0xf) * 4;
  if (size < outer + kIcmpHeader + IP_HLEN) return 0;
  const u8* icmp = bytes + outer;
  IcmpError report;
  if (!interpret4(icmp, report)) return 0;
  const u8* quoted = icmp + kIcmpHeader;
  const usize inner = usize(quoted[0] & 0xf) * 4;
  const bool fragment = (load16(quoted + 6) & IP_OFFMASK) != 0;
  if (fragment || size < outer + kIcmpHeader + inner + kQuoted) return 0;
  report.type = icmp[0];
  report.code = icmp[1];
  report.reporter = from_lwip(*source);
  report.local.address = IpAddress::from_bytes(IpVersion::k4, quoted + 12);
  report.remote.address = IpAddress::from_bytes(IpVersion::k4, quoted + 16);
  pass_on(report, quoted[9], quoted + inner);
  return 0;
}

u8 on_icmp6(void*, raw_pcb*, pbuf* packet, const ip_addr_t* source) {
  u8 bytes[kIcmpHeader + IP6_HLEN + kQuoted];
  // Extension headers lie between; lwIP knows how long they are together.
  if (pbuf_copy_partial(packet, bytes, sizeof bytes, ip_current_header_tot_len()) < sizeof bytes)
    return 0;
  IcmpError report;
  if (!interpret6(bytes, report)) return 0;
  const u8* quoted = bytes + kIcmpHeader;
  report.type = bytes[0];
  report.code = bytes[1];
  report.reporter = from_lwip(*source);
  report.local.address = IpAddress::from_bytes(IpVersion::k6, quoted + 8);
  report.remote.address = IpAddress::from_bytes(IpVersion::k6, quoted + 24);
  // A quoted packet with extension headers of its own is nobody's we know: we send none.
  pass_on(report, quoted[6], quoted + IP6_HLEN);
  return 0;
}

}  // namespace

Result<> icmp_errors_init() {
  raw_pcb* four = raw_new_ip_type(IPADDR_TYPE_V4, IP_PROTO_ICMP);
  raw_pcb* six = raw_new_ip_type(IPADDR_TYPE_V6, IP6_NEXTH_ICMP6);
  if (!four || !six) return Errno::kNoMem;
  raw_recv(four, on_icmp4, nullptr);
  raw_recv(six, on_icmp6, nullptr);
  return {};
}

}  // namespace narwhal::net
