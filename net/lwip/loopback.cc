// The loopback interface. What is sent on it waits in a queue until the core lock's holder is done,
// so that a connection to ourselves needs no thread in between and never recurses.
//
// A packet is taken over without copying its data: the headers, which the receiving side changes in
// place, are copied, the rest is referred to.
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/ip4.h"
#include "lwip/ip6.h"
#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/packet_tap_lwip.h"
#include "net/lwip/references.h"

namespace narwhal::net {
namespace {

// Up to here a copy is cheaper than a reference.
constexpr u16 kCopyAll = 512;
// IP header (options and all) and TCP header.
constexpr u16 kMostHeaders = 128;

struct Queued {
  pbuf* next;
  // Null: a frame that a program has made, with its Ethernet header.
  netif* interface;
};
// Kept in the room before the packet's first byte.
Queued& queued(pbuf* packet) {
  return *reinterpret_cast<Queued*>(static_cast<std::byte*>(packet->payload) - sizeof(Queued));
}
static_assert(PBUF_LINK >= sizeof(Queued) && MEM_ALIGNMENT % alignof(Queued) == 0);

constinit netif loop_interface{};
constinit pbuf* first_queued = nullptr;
constinit pbuf* last_queued = nullptr;

// Appends references to all of `packet` but its first `skip` bytes.
bool append_references(pbuf* to, pbuf* packet, u16 skip) {
  for (pbuf* piece = packet; piece; piece = piece->next) {
    if (skip >= piece->len) {
      skip = u16(skip - piece->len);
      continue;
    }
    pbuf* part = refer_to_packet(packet, static_cast<std::byte*>(piece->payload) + skip,
                                 u16(piece->len - skip));
    if (!part) return false;
    pbuf_cat(to, part);
    skip = 0;
  }
  return true;
}

pbuf* take_over(pbuf* packet) {
  const bool whole = packet->tot_len <= kCopyAll;
  const u16 headers = whole ? packet->tot_len : kMostHeaders;
  pbuf* copy = pbuf_alloc(PBUF_LINK, headers, PBUF_RAM);
  if (!copy) return nullptr;
  pbuf_copy_partial(packet, copy->payload, headers, 0);
  if (!whole && !append_references(copy, packet, headers)) {
    pbuf_free(copy);
    return nullptr;
  }
  return copy;
}

err_t output4(netif* interface, pbuf* packet, const ip4_addr_t*) {
  return loopback_send(interface, packet);
}
err_t output6(netif* interface, pbuf* packet, const ip6_addr_t*) {
  return loopback_send(interface, packet);
}

err_t init_interface(netif* interface) {
  interface->name[0] = 'l';
  interface->name[1] = 'o';
  interface->mtu = 65535;
  interface->output = output4;
  interface->output_ip6 = output6;
  interface->flags = NETIF_FLAG_LINK_UP | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
  return ERR_OK;
}

// All of 127.0.0.0/8 is ours, while lwIP knows one address of an interface: each packet finds the
// interface at the address that it was sent to.
class AddressFor : NonCopyable {
 public:
  AddressFor(netif* interface, const pbuf* packet) : interface_(interface) {
    const auto* header = static_cast<const ip_hdr*>(packet->payload);
    if (interface != &loop_interface || packet->len < IP_HLEN) return;
    ip4_addr_t destination;
    ip4_addr_copy(destination, header->dest);
    if (!ip4_addr_isloopback(&destination) || ip4_addr_cmp(&destination, netif_ip4_addr(interface)))
      return;
    saved_ = interface->ip_addr;
    changed_ = true;
    ip_addr_copy_from_ip4(interface->ip_addr, destination);
  }
  ~AddressFor() {
    if (changed_) interface_->ip_addr = saved_;
  }

 private:
  netif* interface_;
  ip_addr_t saved_;
  bool changed_ = false;
};

void deliver(netif* interface, pbuf* packet) {
  // The bits went through no wire.
  const u16 flags = interface->chksum_flags;
  interface->chksum_flags = flags & ~(NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_TCP |
                                      NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_ICMP6);
  packet->if_idx = netif_get_index(interface);
  if (IP_HDR_GET_VERSION(packet->payload) == 6) {
    ip6_input(packet, interface);
  } else {
    AddressFor address(interface, packet);
    ip4_input(packet, interface);
  }
  interface->chksum_flags = flags;
}

// What a program has put on the loopback interface by packet(7). IPv4's addresses of our own are
// martians there to Linux (RFC 1812, section 5.3.7), and there are no others.
void deliver_frame(pbuf* frame) {
  u8 header[SIZEOF_ETH_HDR];
  pbuf_copy_partial(frame, header, sizeof header, 0);
  pbuf_remove_header(frame, sizeof header);
  if (first_tap) tap_loopback(loop_interface, frame, header, false);
  const bool is_ipv6 = (header[12] << 8 | header[13]) == ETHTYPE_IPV6;
  if (is_ipv6 && frame->len >= IP6_HLEN)
    deliver(&loop_interface, frame);
  else
    pbuf_free(frame);
}

err_t append(pbuf* packet, netif* interface) {
  queued(packet) = {nullptr, interface};
  if (last_queued)
    queued(last_queued).next = packet;
  else
    first_queued = packet;
  last_queued = packet;
  return ERR_OK;
}

}  // namespace

Result<> loopback_init() {
  ip4_addr_t address, mask, none;
  IP4_ADDR(&address, 127, 0, 0, 1);
  IP4_ADDR(&mask, 255, 0, 0, 0);
  ip4_addr_set_any(&none);
  if (!netif_add(&loop_interface, &address, &mask, &none, nullptr, init_interface, ip_input))
    return Errno::kNoMem;
  NETIF_SET_CHECKSUM_CTRL(
      &loop_interface, NETIF_CHECKSUM_GEN_IP | NETIF_CHECKSUM_GEN_ICMP | NETIF_CHECKSUM_GEN_ICMP6);
  ip6_addr_set_loopback(ip_2_ip6(&loop_interface.ip6_addr[0]));
  loop_interface.ip6_addr[0].type = IPADDR_TYPE_V6;
  loop_interface.ip6_addr_state[0] = IP6_ADDR_PREFERRED;
  loop_interface.rs_count = 0;
  netif_set_up(&loop_interface);
  loop_interface.rs_count = 0;  // nobody to solicit
  return {};
}

netif* loopback_interface() {
  return &loop_interface;
}

err_t loopback_send(netif* interface, pbuf* packet) {
  pbuf* copy = take_over(packet);
  if (!copy) return ERR_MEM;
  if (first_tap && interface == &loop_interface) [[unlikely]]
    tap_loopback(*interface, packet, nullptr, true);
  return append(copy, interface);
}

err_t loopback_send_frame(pbuf* frame) {
  pbuf* copy = pbuf_clone(PBUF_LINK, PBUF_RAM, frame);
  if (!copy) return ERR_MEM;
  if (first_tap) tap_frame(loop_interface, frame, true);
  return append(copy, nullptr);
}

void loopback_deliver() {
  while (pbuf* packet = first_queued) {
    const Queued entry = queued(packet);
    first_queued = entry.next;
    if (!first_queued) last_queued = nullptr;
    if (!entry.interface) {
      deliver_frame(packet);
      continue;
    }
    if (first_tap && entry.interface == &loop_interface) [[unlikely]]
      tap_loopback(loop_interface, packet, nullptr, false);
    deliver(entry.interface, packet);
  }
}

}  // namespace narwhal::net
