#include "net/lwip/raw_endpoint.h"

#include "lwip/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/raw.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/routes.h"

namespace narwhal::net {
namespace {

constexpr u8 kDefaultHops = 64;
constinit RawEndpoint* first_endpoint = nullptr;

// The result says that the packet is not used up: everybody who wants it gets a copy.
u8 on_received(void* argument, raw_pcb*, pbuf* packet, const ip_addr_t* address) {
  static_cast<RawEndpoint*>(argument)->receive(packet, from_lwip(*address));
  return 0;
}

}  // namespace

RawEndpoint* RawEndpoint::first() {
  return first_endpoint;
}

Result<> RawEndpoint::open() {
  pcb_ = raw_new_ip_type(version_ == IpVersion::k4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6, protocol_);
  if (!pcb_) return Errno::kNoBufs;
  pcb_->so_options |= SOF_BROADCAST;
  raw_recv(pcb_, on_received, this);
  next_ = std::exchange(first_endpoint, this);
  return {};
}

void RawEndpoint::release() {
  if (!pcb_) return;
  raw_remove(std::exchange(pcb_, nullptr));
  RawEndpoint** link = &first_endpoint;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
  drop_all();
}

void RawEndpoint::bind(const IpAddress& local) {
  local_ = local;
  pcb_->local_ip = to_lwip(local);
}

void RawEndpoint::connect(const IpAddress& remote) {
  remote_ = remote;
  const ip_addr_t address = to_lwip(remote);
  if (remote.is_any())
    raw_disconnect(pcb_);
  else
    raw_connect(pcb_, &address);
}

void RawEndpoint::set_device(u32 index) {
  pcb_->netif_idx = u8(index);
}

// raw(7): IPv4 packets come with their header, IPv6 packets without.
void RawEndpoint::receive(const pbuf* packet, const IpAddress& from) {
  const u16 headers = version_ == IpVersion::k6 ? ip_current_header_tot_len() : u16{0};
  const u16 header_length = ip_current_header_tot_len();
  if (packet->tot_len < headers) return;
  u8 type = 0;
  const bool icmp = protocol_ == IP_PROTO_ICMP || protocol_ == IP6_NEXTH_ICMP6;
  if (icmp && (pbuf_copy_partial(packet, &type, 1, header_length) != 1 || !wants(type))) return;
  if (!has_room()) return note_dropped();
  const u16 size = u16(packet->tot_len - headers);
  pbuf* copy = pbuf_alloc(PBUF_RAW, size, PBUF_RAM);
  if (!copy) return note_dropped();
  pbuf_copy_partial(packet, copy->payload, size, headers);
  enqueue(copy, {from, 0});
}

void raw_icmp_error(u8 protocol, const IcmpError& error) {
  for (RawEndpoint* endpoint = first_endpoint; endpoint; endpoint = endpoint->next()) {
    if (endpoint->protocol() != protocol ||
        endpoint->local().version != error.local.address.version)
      continue;
    if (!endpoint->remote().is_any() && !(endpoint->remote() == error.remote.address)) continue;
    endpoint->icmp_error(error);
  }
}

Result<usize> RawEndpoint::send(IoBuffer& from, const SendRequest& request, bool header_included,
                                i32 checksum_at) {
  const IpAddress& to = request.to.address;
  const usize size = from.remaining();
  const usize header = header_included ? 0 : to.is_v4() ? IP_HLEN : IP6_HLEN;
  if (size + header > 0xffff) return Errno::kMsgSize;
  if (header_included && size < IP_HLEN) return Errno::kInval;
  const Route route = TRY(find_route(to, request.device ? request.device : pcb_->netif_idx));
  netif* interface = netif_get_by_index(u8(route.interface));
  if (is_broadcast_address(to) && !request.broadcast_allowed) return Errno::kAcces;
  IpAddress source = local_.is_any() ? route.source : local_;
  if (!request.source.is_any()) source = request.source;

  pbuf* packet = TRY(load(from, size));
  const u8 hops = request.hops ? request.hops : to.is_multicast() ? 1 : kDefaultHops;
  pcb_->ttl = hops;
  raw_set_multicast_ttl(pcb_, hops);
  pcb_->tos = request.traffic_class;
  pcb_->flags =
      u8((remote_.is_any() ? 0 : RAW_FLAGS_CONNECTED) | (header_included ? RAW_FLAGS_HDRINCL : 0) |
         (request.multicast_loop ? RAW_FLAGS_MULTICAST_LOOP : 0));
  pcb_->chksum_reqd = checksum_at >= 0;
  pcb_->chksum_offset = checksum_at >= 0 ? u16(checksum_at) : u16{0};
  if (checksum_at >= 0 && usize(checksum_at) + 2 > packet->len) {
    pbuf_free(packet);
    return Errno::kInval;
  }
  if (checksum_at >= 0) std::memset(static_cast<u8*>(packet->payload) + checksum_at, 0, 2);
  ip_addr_t destination = to_lwip(to);
  if (to.is_v6() && ip6_addr_lacks_zone(ip_2_ip6(&destination), IP6_UNKNOWN))
    ip6_addr_assign_zone(ip_2_ip6(&destination), IP6_UNKNOWN, interface);
  const ip_addr_t own = to_lwip(source);
  const err_t sent = raw_sendto_if_src(pcb_, packet, &destination, interface, &own);
  pbuf_free(packet);
  core_work_noted.traffic = true;
  if (sent != ERR_OK && sent != ERR_MEM) return to_errno(sent);
  return size;
}

}  // namespace narwhal::net
