#include "net/lwip/tcp_endpoint.h"

#include "lwip/etharp.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/packet_memory.h"
#include "net/lwip/tcp_callbacks.h"
#include "net/lwip/tcp_index.h"

namespace narwhal::net {

constinit PacketMemory packet_memory;

namespace {

constexpr u32 kFirstReceiveLimit = 64 * kKiB;
constexpr u32 kFirstSendLimit = 128 * kKiB;
constexpr s16_t kFirstRto = 1000 / TCP_SLOW_INTERVAL;  // RFC 6298, section 2.1
constexpr u64 kCorkLimitNs = 200 * kNanosPerMilli;
// As Linux: three unanswered requests for a neighbour's address, a second apart.
constexpr u8 kUnresolvedTries = 2;

// A port for a connection to `remote` that no other connection to it has.
u16 choose_port(const tcp_pcb& pcb) {
  const u16 start = PortTable::random_start();
  u16 port = start;
  do {
    if (tcp_ports.free_for_connections(port) &&
        !find_connection(pcb.local_ip, port, pcb.remote_ip, pcb.remote_port))
      return port;
    port = port == PortTable::kLastEphemeral ? PortTable::kFirstEphemeral : u16(port + 1);
  } while (port != start);
  return 0;
}

void free_unused(tcp_pcb* pcb) {
  tcp_close(pcb);  // in state CLOSED: frees it
}

}  // namespace

TcpState tcp_state_of(const tcp_pcb* pcb) {
  switch (pcb->state) {
    case CLOSED:
      return TcpState::kClose;
    case LISTEN:
      return TcpState::kListen;
    case SYN_SENT:
      return TcpState::kSynSent;
    case SYN_RCVD:
      return TcpState::kSynReceived;
    case ESTABLISHED:
      return TcpState::kEstablished;
    case FIN_WAIT_1:
      return TcpState::kFinWait1;
    case FIN_WAIT_2:
      return TcpState::kFinWait2;
    case CLOSE_WAIT:
      return TcpState::kCloseWait;
    case CLOSING:
      return TcpState::kClosing;
    case LAST_ACK:
      return TcpState::kLastAck;
    case TIME_WAIT:
      return TcpState::kTimeWait;
  }
  return TcpState::kClose;
}

TcpEndpoint::TcpEndpoint(IpVersion version)
    : version_(version), receive_limit_(kFirstReceiveLimit), send_limit_(kFirstSendLimit) {
  binding_.address = IpAddress::any(version);
}

TcpEndpoint::~TcpEndpoint() {
  ASSERT(!pcb_ && !listener_ && !received_first_ && !tail_);
}

Result<> TcpEndpoint::bind(const IpEndpoint& local) {
  binding_.address = local.address;
  auto bound =
      local.port == 0 ? tcp_ports.bind_ephemeral(binding_) : tcp_ports.bind(binding_, local.port);
  if (!bound.ok()) binding_.address = IpAddress::any(version_);
  return bound;
}

IpEndpoint TcpEndpoint::local() const {
  if (remote_.port != 0) return local_;
  if (binding_.port) return {binding_.address, binding_.number()};
  return {IpAddress::any(version_), 0};
}
IpEndpoint TcpEndpoint::remote() const {
  return remote_;
}

TcpState TcpEndpoint::state() const {
  if (listener_) return TcpState::kListen;
  return pcb_ ? tcp_state_of(pcb_) : state_without_pcb_;
}

// --- connecting

Result<> TcpEndpoint::connect(const IpEndpoint& remote) {
  const bool v4 = remote.address.is_v4();
  tcp_pcb* pcb = tcp_new_ip_type(v4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
  if (!pcb) return Errno::kNoBufs;
  pcb->remote_ip = to_lwip(remote.address);
  pcb->remote_port = remote.port;
  pcb->netif_idx = u8(binding_.device);
  if (!binding_.address.is_any()) pcb->local_ip = to_lwip(binding_.address);
  netif* interface = pcb->netif_idx != NETIF_NO_INDEX ? netif_get_by_index(pcb->netif_idx)
                                                      : ip_route(&pcb->local_ip, &pcb->remote_ip);
  const ip_addr_t* source = interface ? ip_netif_get_local_ip(interface, &pcb->remote_ip) : nullptr;
  if (!source || (v4 && ip_addr_isany(source))) {
    free_unused(pcb);
    return Errno::kNetUnreach;
  }
  if (binding_.address.is_any()) {
    // To one of our own addresses, also from it.
    pcb->local_ip = interface == loopback_interface() ? pcb->remote_ip : *source;
  }
  if (!v4 && ip6_addr_lacks_zone(ip_2_ip6(&pcb->remote_ip), IP6_UNICAST))
    ip6_addr_assign_zone(ip_2_ip6(&pcb->remote_ip), IP6_UNICAST, interface);
  pcb->local_port = binding_.port ? binding_.number() : choose_port(*pcb);
  if (pcb->local_port == 0) {
    free_unused(pcb);
    return Errno::kAddrNotAvail;
  }
  if (auto indexed = index_connection(pcb, binding_); !indexed.ok()) {
    pcb->local_port = 0;
    free_unused(pcb);
    return indexed.error();
  }
  use_pcb(pcb);
  pcb->rto = pcb->sv = kFirstRto;
  local_ = {from_lwip(pcb->local_ip), pcb->local_port};
  remote_ = {from_lwip(pcb->remote_ip), pcb->remote_port};
  end_of_input_ = output_finished_ = false;
  error_ = Errno{};
  const err_t result = tcp_connect(pcb, &pcb->remote_ip, pcb->remote_port, TcpCallbacks::connected);
  if (result != ERR_OK) {
    detach();
    pcb->local_port = 0;
    free_unused(pcb);
    remote_ = {};
    return to_errno(result);
  }
  last_progress_ns_ = core_now();
  watch_clock();
  note_tcp();
  return {};
}

void TcpEndpoint::use_pcb(tcp_pcb* pcb) {
  pcb_ = pcb;
  last_queued_ = nullptr;
  tcp_arg(pcb, this);
  tcp_recv(pcb, TcpCallbacks::received);
  tcp_sent(pcb, TcpCallbacks::sent);
  tcp_err(pcb, TcpCallbacks::failed);
  tcp_poll(pcb, TcpCallbacks::ticked, 0);
  // What may wait for more waits here, not in lwIP's queue.
  tcp_nagle_disable(pcb);
  apply_options();
}

void TcpEndpoint::adopt(tcp_pcb* pcb) {
  use_pcb(pcb);
  local_ = {from_lwip(pcb->local_ip), pcb->local_port};
  remote_ = {from_lwip(pcb->remote_ip), pcb->remote_port};
  last_progress_ns_ = core_now();
}

void TcpEndpoint::half_open_began(tcp_pcb* pcb, PortBinding& connection) {
  half_open_.push_back(connection);
  ++half_open_count_;
  pcb->rto = pcb->sv = kFirstRto;
  // lwIP opens the whole window at once; ours grows with the need. A limit that the program has set
  // counts from the start: senders make segments of at most half the largest window they ever saw.
  const u32 least = receive_limit_fixed_ ? 0 : 0xffff;
  const u32 window = LWIP_MIN(receive_limit_ > least ? receive_limit_ : least, TCP_WND_MAX(pcb));
  pcb->rcv_wnd = pcb->rcv_ann_wnd = window;
  if (tos_) pcb->tos = tos_;
  if (ttl_) pcb->ttl = ttl_;
}

void TcpEndpoint::half_open_ended(PortBinding& connection) {
  connection.listener_node.unlink();
  --half_open_count_;
}

// --- the end

void TcpEndpoint::detach() {
  tcp_pcb* pcb = std::exchange(pcb_, nullptr);
  if (!pcb) return;
  tcp_arg(pcb, nullptr);
  tcp_recv(pcb, nullptr);
  tcp_sent(pcb, TcpCallbacks::orphan_sent);
  tcp_err(pcb, nullptr);
  tcp_poll(pcb, nullptr, 0);
}

void TcpEndpoint::ended(Errno error) {
  drop_tail();
  state_without_pcb_ = TcpState::kClose;
  error_ = error;
  end_of_input_ = output_finished_ = true;
  told(Event::kClosed);
}

void TcpEndpoint::pcb_entered_time_wait() {
  detach();
  drop_tail();
  // As on Linux: what waits is no longer the socket's.
  state_without_pcb_ = TcpState::kClose;
  end_of_input_ = output_finished_ = true;
}

void TcpEndpoint::finish_output() {
  if (output_finished_) return;
  output_finished_ = true;
  if (!pcb_) return;
  cork_ = more_ = false;
  if (tail_) send_tail(true);
  tcp_shutdown(pcb_, 0, 1);
  note_tcp();
}

void TcpEndpoint::abort() {
  if (listener_) close_listener();
  drop_tail();
  if (tcp_pcb* pcb = pcb_) {
    detach();
    tcp_abort(pcb);
    note_tcp();
  }
  state_without_pcb_ = TcpState::kClose;
  end_of_input_ = output_finished_ = true;
}

void TcpEndpoint::release() {
  const bool unread = received_bytes_ != 0;
  if (listener_) close_listener();
  if (tcp_pcb* pcb = pcb_) {
    if (unread && pcb->state >= ESTABLISHED) {
      abort();
    } else {
      if (tail_) send_tail(true);
      detach();
      // Everything was read, which lwIP tells from its own, full window.
      pcb->rcv_wnd = TCP_WND_MAX(pcb);
      tcp_close(pcb);
      note_tcp();
    }
  }
  drop_tail();
  drop_received();
  tcp_ports.unbind(binding_);
}

void TcpEndpoint::disconnect() {
  abort();
  drop_received();
  error_ = Errno{};
  end_of_input_ = output_finished_ = false;
  cork_ = more_ = wants_room_ = false;
  remote_ = {};
}

void TcpEndpoint::icmp_error(Errno error) {
  if (!pcb_ || pcb_->state != SYN_SENT) return;
  tcp_pcb* pcb = pcb_;
  detach();
  tcp_close(pcb);
  ended(error);
}

void TcpEndpoint::path_mtu(u16 mtu) {
  const u16 headers = remote_.address.is_v4() ? IP_HLEN + TCP_HLEN : IP6_HLEN + TCP_HLEN;
  if (!pcb_ || mtu < headers + 8) return;
  if (mtu - headers < pcb_->mss) pcb_->mss = u16(mtu - headers);
}

// --- time

void TcpEndpoint::watch_clock() {
  if (!pcb_) return;
  const bool needed = pcb_->state == SYN_SENT || (tail_ && (cork_ || more_)) ||
                      (user_timeout_ms_ != 0 && queued_to_send() != 0);
  pcb_->pollinterval = needed ? 1 : 0;
}

// lwIP repeats a SYN at equal intervals; RFC 6298, section 5.5, wants them to double.
bool TcpEndpoint::tick_connecting() {
  const u8 tries = pcb_->nrtx;
  pcb_->rto = s16_t(kFirstRto << tries);
  Errno error{};
  if (tries > syn_retries_) {
    error = Errno::kTimedOut;
  } else if (tries >= kUnresolvedTries && remote_.address.is_v4()) {
    // A neighbour that does not say where it is: Linux gives up on it long before the connection's
    // own time runs out.
    netif* interface = ip_route(&pcb_->local_ip, &pcb_->remote_ip);
    if (interface && (interface->flags & NETIF_FLAG_ETHARP)) {
      const ip4_addr_t* hop = ip_2_ip4(&pcb_->remote_ip);
      if (!ip4_addr_netcmp(hop, netif_ip4_addr(interface), netif_ip4_netmask(interface)))
        hop = netif_ip4_gw(interface);
      eth_addr* ethernet = nullptr;
      const ip4_addr_t* found = nullptr;
      if (etharp_find_addr(interface, hop, &ethernet, &found) < 0) error = Errno::kHostUnreach;
    }
  }
  if (error == Errno{}) return true;
  tcp_pcb* pcb = pcb_;
  detach();
  tcp_abort(pcb);
  ended(error);
  return false;
}

bool TcpEndpoint::ticked() {
  if (pcb_->state == SYN_SENT) return tick_connecting();
  const u64 now = core_now();
  if (user_timeout_ms_ != 0 && queued_to_send() != 0 &&
      now - last_progress_ns_ >= u64{user_timeout_ms_} * kNanosPerMilli) {
    tcp_pcb* pcb = pcb_;
    detach();
    tcp_abort(pcb);
    ended(Errno::kTimedOut);
    return false;
  }
  if (tail_ && (cork_ || more_) && now - tail_since_ns_ >= kCorkLimitNs) send_tail(true);
  watch_clock();
  return true;
}

// --- options

void TcpEndpoint::apply_options() {
  if (!pcb_) return;
  if (keepalive_.enabled)
    ip_set_option(pcb_, SOF_KEEPALIVE);
  else
    ip_reset_option(pcb_, SOF_KEEPALIVE);
  pcb_->keep_idle = keepalive_.idle_seconds * 1000;
  pcb_->keep_intvl = keepalive_.interval_seconds * 1000;
  pcb_->keep_cnt = keepalive_.probes;
  pcb_->tos = tos_;
  pcb_->ttl = ttl_ ? ttl_ : TCP_TTL;
  note_tcp();
}

void TcpEndpoint::set_keepalive(const TcpKeepalive& keepalive) {
  keepalive_ = keepalive;
  apply_options();
}
void TcpEndpoint::set_traffic(u8 tos, u8 ttl) {
  tos_ = tos;
  ttl_ = ttl;
  apply_options();
}
void TcpEndpoint::set_user_timeout(u32 ms) {
  user_timeout_ms_ = ms;
  last_progress_ns_ = core_now();
  watch_clock();
  note_tcp();
}
u16 TcpEndpoint::max_segment() const {
  if (pcb_ && pcb_->state >= ESTABLISHED) return u16(segment_size());
  return max_segment_ ? max_segment_ : 536;
}

void TcpEndpoint::inherit(const TcpEndpoint& from) {
  keepalive_ = from.keepalive_;
  user_timeout_ms_ = from.user_timeout_ms_;
  max_segment_ = from.max_segment_;
  syn_retries_ = from.syn_retries_;
  tos_ = from.tos_;
  ttl_ = from.ttl_;
  no_delay_ = from.no_delay_;
  cork_ = from.cork_;
  receive_limit_ = from.receive_limit_;
  receive_limit_fixed_ = from.receive_limit_fixed_;
  send_limit_ = from.send_limit_;
  send_limit_fixed_ = from.send_limit_fixed_;
}

TcpStatistics TcpEndpoint::statistics() const {
  TcpStatistics out{};
  out.state = state();
  out.bytes_sent = bytes_sent_;
  out.bytes_acked = bytes_acked_;
  out.bytes_received = bytes_received_;
  out.retransmitted_segments = retransmitted_;
  if (!pcb_) {
    if (listener_) {
      out.unacked_segments = waiting_count_;
      out.retransmitted_segments = backlog_;
    }
    return out;
  }
  const tcp_pcb& pcb = *pcb_;
  constexpr u32 kTickUs = TCP_SLOW_INTERVAL * 1000;
  out.retransmits = pcb.nrtx;
  out.probes = pcb.persist_probe;
  out.backoff = pcb.nrtx;
  out.sack = (pcb.flags & TF_SACK) != 0;
  out.window_scaling = (pcb.flags & TF_WND_SCALE) != 0;
  out.send_scale = pcb.snd_scale;
  out.receive_scale = pcb.rcv_scale;
  out.rto_us = u32(pcb.rto) * kTickUs;
  out.rtt_us = u32(pcb.sa) * (kTickUs / 8);
  out.rtt_deviation_us = u32(pcb.sv) * (kTickUs / 4);
  out.send_mss = u32(segment_size());
  out.receive_mss = pcb.mss;
  for (const tcp_seg* segment = pcb.unacked; segment; segment = segment->next) {
    ++out.unacked_segments;
    out.unacked_bytes += segment->len;
  }
  for (const tcp_seg* segment = pcb.unsent; segment; segment = segment->next)
    out.unsent_bytes += segment->len;
  out.congestion_window = pcb.cwnd / pcb.mss;
  out.slow_start_threshold = pcb.ssthresh >= TCP_SND_BUF ? 0x7fffffff : pcb.ssthresh / pcb.mss;
  out.receive_window = pcb.rcv_wnd;
  out.send_window = pcb.snd_wnd;
  return out;
}

// --- what lwIP says

err_t TcpCallbacks::connected(void* argument, tcp_pcb* pcb, err_t) {
  auto& self = *static_cast<TcpEndpoint*>(argument);
  self.local_ = {from_lwip(pcb->local_ip), pcb->local_port};
  pcb->rcv_wnd = pcb->rcv_ann_wnd =
      LWIP_MIN(LWIP_MAX(self.receive_limit_, u32{0xffff}), TCP_WND_MAX(pcb));
  self.watch_clock();
  self.told(TcpEndpoint::Event::kConnected);
  return ERR_OK;
}

void TcpCallbacks::failed(void* argument, err_t error) {
  auto& self = *static_cast<TcpEndpoint*>(argument);
  Errno reason = Errno::kTimedOut;  // ERR_ABRT: lwIP gave up
  if (error == ERR_RST) {
    // The pcb is still there.
    const tcp_state state = self.pcb_->state;
    reason = state == SYN_SENT     ? Errno::kConnRefused
             : state == CLOSE_WAIT ? Errno::kPipe
                                   : Errno::kConnReset;
  } else if (error == ERR_CLSD) {
    reason = Errno{};  // both sides said FIN, and both were heard
  }
  self.pcb_ = nullptr;
  self.ended(reason);
}

err_t TcpCallbacks::ticked(void* argument, tcp_pcb*) {
  if (!argument) return ERR_OK;
  return static_cast<TcpEndpoint*>(argument)->ticked() ? ERR_OK : ERR_ABRT;
}

// lwIP gives up a closing connection by the time since the last segment came; as long as the peer
// takes data it lives.
err_t TcpCallbacks::orphan_sent(void*, tcp_pcb* pcb, u16_t bytes) {
  packet_memory.remove(bytes);
  pcb->tmr = tcp_ticks;
  return ERR_OK;
}

}  // namespace narwhal::net
