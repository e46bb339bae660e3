#include "net/lwip/udp_endpoint.h"

#include "lwip/ip.h"
#include "lwip/udp.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/routes.h"

namespace narwhal::net {
namespace {

constexpr usize kMostPayload4 = 65535 - IP_HLEN - UDP_HLEN;
// lwIP counts a packet's bytes in 16 bits, IPv6's header among them.
constexpr usize kMostPayload6 = 65535 - IP6_HLEN - UDP_HLEN;
constexpr u8 kDefaultHops = 64;

void on_received(void* argument, udp_pcb*, pbuf* packet, const ip_addr_t* address, u16_t port) {
  static_cast<UdpEndpoint*>(argument)->receive(packet, {from_lwip(*address), port});
}

}  // namespace

UdpEndpoint& UdpEndpoint::of_binding(PortBinding& binding) {
  const auto offset =
      reinterpret_cast<uptr>(&reinterpret_cast<UdpEndpoint*>(uptr{0x1000})->binding_) - 0x1000;
  return *reinterpret_cast<UdpEndpoint*>(reinterpret_cast<uptr>(&binding) - offset);
}

Result<> UdpEndpoint::bind(const IpEndpoint& local) {
  const bool dual = local.address.is_v6() && local.address.is_any() && !binding_.v6_only;
  const u8 type = dual                    ? u8(IPADDR_TYPE_ANY)
                  : local.address.is_v4() ? u8(IPADDR_TYPE_V4)
                                          : u8(IPADDR_TYPE_V6);
  binding_.address = local.address;
  auto claimed =
      local.port == 0 ? udp_ports.bind_ephemeral(binding_) : udp_ports.bind(binding_, local.port);
  if (!claimed.ok()) {
    binding_.address = IpAddress::any(version_);
    return claimed;
  }
  udp_pcb* pcb = udp_new_ip_type(type);
  if (!pcb) {
    udp_ports.unbind(binding_);
    return Errno::kNoBufs;
  }
  // Who may share a port is the port table's to say, and which broadcasts may be sent the socket's.
  pcb->so_options |= SOF_REUSEADDR | SOF_BROADCAST;
  ip_addr_t own = to_lwip(local.address);
  own.type = type;
  if (udp_bind(pcb, &own, binding_.number()) != ERR_OK) {
    udp_remove(pcb);
    udp_ports.unbind(binding_);
    return Errno::kAddrInUse;
  }
  udp_recv(pcb, on_received, this);
  pcb_ = pcb;
  apply_binding();
  // So that the port table's listeners are those who receive.
  udp_ports.begin_listening(binding_);
  chosen_port_ = local.port == 0;
  return {};
}

void UdpEndpoint::apply_binding() {
  if (pcb_) pcb_->netif_idx = u8(binding_.device);
}

IpEndpoint UdpEndpoint::local() const {
  if (connected_) return local_;
  return {binding_.address, binding_.number()};
}

Result<> UdpEndpoint::connect(const IpEndpoint& remote) {
  const IpEndpoint& to = remote;
  const Route route = TRY(find_route(to.address, binding_.device));
  if (!bound()) TRY(bind({binding_.address, 0}));
  local_ = {binding_.address.is_any() ? route.source : binding_.address, binding_.number()};
  const ip_addr_t there = to_lwip(to.address), here = to_lwip(local_.address);
  pcb_->local_ip = here;
  udp_connect(pcb_, &there, to.port);
  remote_ = {from_lwip(pcb_->remote_ip), to.port};
  connected_ = true;
  return {};
}

void UdpEndpoint::disconnect() {
  if (!connected_ && !chosen_port_) return;
  connected_ = false;
  remote_ = local_ = {};
  drop_gathered();
  if (chosen_port_) {
    // Linux forgets the port that it chose.
    udp_remove(std::exchange(pcb_, nullptr));
    udp_ports.unbind(binding_);
    chosen_port_ = false;
    return;
  }
  const bool dual = binding_.address.is_v6() && binding_.address.is_any() && !binding_.v6_only;
  pcb_->local_ip = to_lwip(binding_.address);
  if (dual) pcb_->local_ip.type = IPADDR_TYPE_ANY;
  udp_disconnect(pcb_);
  apply_binding();
}

void UdpEndpoint::release() {
  drop_gathered();
  if (pcb_) udp_remove(std::exchange(pcb_, nullptr));
  udp_ports.unbind(binding_);
  drop_all();
}

// --- receiving

// Of several that share the port by SO_REUSEPORT, always the same one for a peer; lwIP knows only
// the first of them.
UdpEndpoint& UdpEndpoint::sharer_for(const IpEndpoint& from) {
  if (!binding_.reuse_port || connected_) return *this;
  u64 hash = from.port;
  for (usize i = 0; i < sizeof from.address.bytes; ++i) hash = hash * 31 + from.address.bytes[i];
  UdpEndpoint* chosen = this;
  u32 equals = 0;
  for (PortBinding& binding : binding_.port->listeners) {
    if (!binding.reuse_port || !(binding.address == binding_.address)) continue;
    UdpEndpoint& other = of_binding(binding);
    if (other.connected_ || binding.device != binding_.device) continue;
    ++equals;
    if (mix_hash(hash + equals) % equals == 0) chosen = &other;
  }
  return *chosen;
}

void UdpEndpoint::receive(pbuf* packet, const IpEndpoint& from) {
  if (ip_addr_ismulticast(ip_current_dest_addr()))
    enqueue(packet, from);
  else
    sharer_for(from).enqueue(packet, from);
}

void udp_icmp_error(const IcmpError& error) {
  Port* port = udp_ports.find(error.local.port);
  if (!port) return;
  for (PortBinding& binding : port->listeners) {
    UdpEndpoint& endpoint = UdpEndpoint::of_binding(binding);
    const IpEndpoint remote = endpoint.remote();
    const IpEndpoint local = endpoint.local();
    if (endpoint.connected() &&
        (remote.port != error.remote.port || !(remote.address == error.remote.address)))
      continue;
    if (!local.address.is_any() && !(local.address == error.local.address)) continue;
    endpoint.icmp_error(error);
    return;
  }
}

void for_each_udp(void (*visit)(UdpEndpoint&, void*), void* argument) {
  udp_ports.for_each([&](Port& port) {
    for (PortBinding& binding : port.listeners) visit(UdpEndpoint::of_binding(binding), argument);
  });
}

// --- sending

void UdpEndpoint::drop_gathered() {
  if (gathered_) pbuf_free(std::exchange(gathered_, nullptr));
}

Result<> UdpEndpoint::uncork() {
  if (!gathered_) return {};
  pbuf* packet = std::exchange(gathered_, nullptr);
  auto sent = transmit(packet, gathered_for_);
  pbuf_free(packet);
  return sent;
}

Result<usize> UdpEndpoint::send(IoBuffer& from, const SendRequest& request, bool more) {
  const usize size = from.remaining();
  const usize before = gathered_ ? gathered_->tot_len : 0;
  const bool v4 = (gathered_ ? gathered_for_ : request).to.address.is_v4();
  auto piece = size > (v4 ? kMostPayload4 : kMostPayload6) - before ? Result<pbuf*>(Errno::kMsgSize)
                                                                    : load(from, size);
  if (!piece.ok()) {
    drop_gathered();
    return piece.error();
  }
  if (!gathered_ && !more) {
    auto sent = transmit(piece.value(), request);
    pbuf_free(piece.value());
    TRY(sent);
    return size;
  }
  if (gathered_) {
    pbuf_cat(gathered_, piece.value());
  } else {
    gathered_ = piece.value();
    gathered_for_ = request;
  }
  if (!more) TRY(uncork());
  return size;
}

Result<> UdpEndpoint::transmit(pbuf* packet, const SendRequest& request) {
  const IpAddress& to = request.to.address;
  if (!bound()) TRY(bind({binding_.address, 0}));
  const Route route = TRY(find_route(to, request.device ? request.device : binding_.device));
  netif* interface = netif_get_by_index(u8(route.interface));
  if (is_broadcast_address(to) && !request.broadcast_allowed) return Errno::kAcces;
  const usize headers = UDP_HLEN + (to.is_v4() ? IP_HLEN : IP6_HLEN);
  if (request.dont_fragment && packet->tot_len + headers > interface->mtu) return Errno::kMsgSize;
  IpAddress source = route.source;
  if (!local().address.is_any() && !local().address.is_multicast()) source = local().address;
  if (!request.source.is_any()) source = request.source;
  if (source.version != to.version) return Errno::kNetUnreach;

  const u8 hops = request.hops ? request.hops : to.is_multicast() ? 1 : kDefaultHops;
  pcb_->ttl = hops;
  udp_set_multicast_ttl(pcb_, hops);
  pcb_->tos = request.traffic_class;
  if (request.multicast_loop)
    udp_set_flags(pcb_, UDP_FLAGS_MULTICAST_LOOP);
  else
    udp_clear_flags(pcb_, UDP_FLAGS_MULTICAST_LOOP);
  ip_addr_t destination = to_lwip(to);
  if (to.is_v6() && ip6_addr_lacks_zone(ip_2_ip6(&destination), IP6_UNKNOWN))
    ip6_addr_assign_zone(ip_2_ip6(&destination), IP6_UNKNOWN, interface);
  const ip_addr_t own = to_lwip(source);
  const err_t sent =
      udp_sendto_if_src(pcb_, packet, &destination, request.to.port, interface, &own);
  core_work_noted.traffic = true;
  // A full device queue drops datagrams, as a network does; nobody is told (ip(7), IP_RECVERR).
  if (sent != ERR_OK && sent != ERR_MEM) return to_errno(sent);
  return {};
}

}  // namespace narwhal::net
