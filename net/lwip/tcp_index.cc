#include "net/lwip/tcp_index.h"

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip_hooks.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/icmp_errors.h"
#include "net/lwip/packet_memory.h"
#include "net/lwip/port/lwip_hooks.h"
#include "net/lwip/random.h"
#include "net/lwip/tcp_endpoint.h"

namespace narwhal::net {
namespace {

struct Traits {
  static u64 hash(const Connection& connection) { return connection.hash; }
};
[[clang::no_destroy]] constinit HashTable<Connection, &Connection::hash_node, Traits> connections;
[[clang::no_destroy]] constinit List<Connection, &Connection::time_wait_node> time_waits;
constinit usize time_waits_count = 0;
constinit u64 hash_key = 0;
constinit u8 slot = 0;

u64 address_bits(const ip_addr_t& address) {
  const u32* words = ip_2_ip6(&address)->addr;
  if (address.type == IPADDR_TYPE_V4) return words[0];
  return mix_hash((u64{words[0]} << 32 | words[1]) ^ hash_key) ^ (u64{words[2]} << 32 | words[3]);
}
u64 tuple_hash(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote, u16 remote_port) {
  const u64 ports = u64{local_port} << 16 | remote_port;
  return mix_hash(address_bits(remote) ^ mix_hash((address_bits(local) << 32 | ports) ^ hash_key));
}

void forget(Connection& connection) {
  if (connection.time_wait_node.linked()) {
    connection.time_wait_node.unlink();
    --time_waits_count;
  }
  if (connection.hash_node.linked) connections.remove(connection);
  tcp_ports.unbind(connection.binding);
  delete &connection;
}

// A pcb is freed (lwIP's tcp_free()).
void on_pcb_freed(u8_t, void* data) {
  auto* connection = static_cast<Connection*>(data);
  // In TIME-WAIT the record outlives its pcb.
  if (!connection || !connection->pcb) return;
  packet_memory.remove(TCP_SND_BUF - connection->pcb->snd_buf);  // what nobody acknowledged
  if (connection->listener) connection->listener->half_open_ended(connection->binding);
  forget(*connection);
}

// A SYN came for a listener, and lwIP has made a pcb for the connection. An error drops it without
// an answer, so that the peer tries again.
err_t on_passive_open(u8_t, tcp_pcb_listen* listener, tcp_pcb* pcb) {
  auto* endpoint = static_cast<TcpEndpoint*>(listener->callback_arg);
  if (!endpoint || !endpoint->may_take_another()) return ERR_MEM;
  auto connection = index_connection(pcb, endpoint->binding());
  if (!connection.ok()) return ERR_MEM;
  connection.value()->listener = endpoint;
  endpoint->half_open_began(pcb, connection.value()->binding);
  if (PortBinding* oldest = endpoint->oldest_half_open())
    tcp_abandon(connection_of(*oldest).pcb, 0);  // without a word: nobody may be there
  return ERR_OK;
}

constinit const tcp_ext_arg_callbacks pcb_callbacks{on_pcb_freed, nullptr};
constinit const tcp_ext_arg_callbacks listener_callbacks{nullptr, on_passive_open};

// The record of a connection whose pcb is in TIME-WAIT.
void enter_time_wait(tcp_pcb* pcb) {
  Connection* connection = connection_of(pcb);
  auto* endpoint = static_cast<TcpEndpoint*>(pcb->callback_arg);
  if (endpoint) endpoint->pcb_entered_time_wait();
  if (connection) {
    connection->pcb = nullptr;
    connection->binding.time_wait = true;
    connection->next_received = pcb->rcv_nxt;
    connection->next_sent = pcb->snd_nxt;
    connection->window = TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd));
    connection->deadline_ns = core_now() + kTimeWaitNs;
    time_waits.push_back(*connection);
    ++time_waits_count;
  }
  tcp_abort(pcb);  // in this state it sends nothing
  if (time_waits_count > kMostTimeWaits) forget(*time_waits.front());
}

void acknowledge(const Connection& connection) {
  pbuf* packet = pbuf_alloc(PBUF_IP, TCP_HLEN, PBUF_RAM);
  if (!packet) return;
  auto* header = static_cast<tcp_hdr*>(packet->payload);
  header->src = lwip_htons(connection.local_port);
  header->dest = lwip_htons(connection.remote_port);
  header->seqno = lwip_htonl(connection.next_sent);
  header->ackno = lwip_htonl(connection.next_received);
  TCPH_HDRLEN_FLAGS_SET(header, TCP_HLEN / 4, TCP_ACK);
  header->wnd = lwip_htons(connection.window);
  header->chksum = 0;
  header->urgp = 0;
  if (netif* interface = ip_route(&connection.local, &connection.remote)) {
    IF__NETIF_CHECKSUM_ENABLED(interface, NETIF_CHECKSUM_GEN_TCP) {
      header->chksum = ip_chksum_pseudo(packet, IP_PROTO_TCP, packet->tot_len, &connection.local,
                                        &connection.remote);
    }
    ip_output_if(packet, &connection.local, &connection.remote, TCP_TTL, 0, IP_PROTO_TCP,
                 interface);
  }
  pbuf_free(packet);
}

// A segment for a connection in TIME-WAIT (RFC 9293, section 3.10.7.4; RFC 6191). Returns whether
// that was all; otherwise the record is gone and the segment is for a listener.
bool time_wait_input(Connection& connection, const tcp_hdr& header, u16 length) {
  const u8 flags = TCPH_FLAGS(&header);
  if (flags & TCP_RST) {
    if (header.seqno == connection.next_received) forget(connection);
    return true;
  }
  if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
      TCP_SEQ_GT(header.seqno, connection.next_received)) {
    forget(connection);
    return false;
  }
  // A repeated FIN shows that our last acknowledgement was lost: the wait begins again.
  if ((flags & TCP_FIN) && !(flags & TCP_SYN)) {
    connection.time_wait_node.unlink();
    connection.deadline_ns = core_now() + kTimeWaitNs;
    time_waits.push_back(connection);
  }
  if (length != 0) acknowledge(connection);
  return true;
}

// RFC 9293, section 3.5, figure 7: both ends open at once, and here they are one and the same. lwIP
// knows only SYN-SENT's answer with an acknowledgement; of its own SYN the connection may take that
// for granted. Returns whether the segment was such a SYN.
bool opened_to_itself(tcp_pcb& pcb, const tcp_hdr& header) {
  if (pcb.state != SYN_SENT || pcb.local_port != pcb.remote_port ||
      !ip_addr_cmp(&pcb.local_ip, &pcb.remote_ip))
    return false;
  const u8 flags = TCPH_FLAGS(&header);
  tcp_seg* own = pcb.unacked;
  if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN || !own) return false;
  pcb.rcv_nxt = pcb.rcv_ann_right_edge = header.seqno + 1;
  pcb.lastack = pcb.snd_nxt;
  pcb.snd_wnd = pcb.snd_wnd_max = header.wnd;
  pcb.snd_wl1 = header.seqno;
  pcb.state = ESTABLISHED;
  pcb.mss = tcp_eff_send_mss(TCP_MSS, &pcb.local_ip, &pcb.remote_ip);
  pcb.cwnd = LWIP_TCP_CALC_INITIAL_CWND(pcb.mss);
  --pcb.snd_queuelen;
  pcb.unacked = own->next;
  tcp_seg_free(own);
  pcb.rtime = -1;
  err_t error;
  TCP_EVENT_CONNECTED(&pcb, ERR_OK, error);
  static_cast<void>(error);  // our callback knows no failure
  return true;
}

}  // namespace

void tcp_index_init() {
  slot = tcp_ext_arg_alloc_id();
  const u64 seed = u64{random32()} << 32 | random32();
  hash_key = seed;
}

Connection* find_connection(const ip_addr_t& local, u16 local_port, const ip_addr_t& remote,
                            u16 remote_port) {
  const u64 hash = tuple_hash(local, local_port, remote, remote_port);
  return connections.find(hash, [&](const Connection& c) {
    return c.hash == hash && c.local_port == local_port && c.remote_port == remote_port &&
           ip_addr_cmp(&c.remote, &remote) && ip_addr_cmp(&c.local, &local);
  });
}

Result<Connection*> index_connection(tcp_pcb* pcb, const PortBinding& like) {
  if (Connection* old =
          find_connection(pcb->local_ip, pcb->local_port, pcb->remote_ip, pcb->remote_port)) {
    // Our own new connection: after a second its sequence numbers are safely beyond the old ones'.
    if (old->pcb || core_now() + kTimeWaitNs < old->deadline_ns + kNanosPerSecond)
      return Errno::kAddrNotAvail;
    forget(*old);
  }
  auto connection = TRY(make_own<Connection>());
  connection->pcb = pcb;
  connection->local = pcb->local_ip;
  connection->remote = pcb->remote_ip;
  connection->local_port = pcb->local_port;
  connection->remote_port = pcb->remote_port;
  connection->hash = tuple_hash(pcb->local_ip, pcb->local_port, pcb->remote_ip, pcb->remote_port);
  PortBinding& binding = connection->binding;
  binding.address = from_lwip(pcb->local_ip);
  binding.reuse_address = like.reuse_address;
  binding.reuse_port = like.reuse_port;
  binding.device = like.device;
  binding.uid = like.uid;
  binding.connected = true;
  TRY(tcp_ports.share(binding, pcb->local_port));
  if (auto inserted = connections.insert(*connection); !inserted.ok()) {
    tcp_ports.unbind(binding);
    return inserted.error();
  }
  tcp_ext_arg_set_callbacks(pcb, slot, &pcb_callbacks);
  tcp_ext_arg_set(pcb, slot, connection.get());
  return connection.release();
}

Connection& connection_of(PortBinding& binding) {
  const auto offset =
      reinterpret_cast<uptr>(&reinterpret_cast<Connection*>(uptr{0x1000})->binding) - 0x1000;
  return *reinterpret_cast<Connection*>(reinterpret_cast<uptr>(&binding) - offset);
}

Connection* connection_of(const tcp_pcb* pcb) {
  return static_cast<Connection*>(tcp_ext_arg_get(pcb, slot));
}

void index_listener(tcp_pcb_listen* listener) {
  tcp_ext_arg_set_callbacks(reinterpret_cast<tcp_pcb*>(listener), slot, &listener_callbacks);
}

void for_each_connection(void (*visit)(const Connection&, void*), void* argument) {
  connections.for_each([&](Connection& connection) { visit(connection, argument); });
}

usize time_wait_count() {
  return time_waits_count;
}

void tcp_collect_time_wait() {
  while (tcp_tw_pcbs) enter_time_wait(tcp_tw_pcbs);
}

u64 tcp_oldest_time_wait() {
  const Connection* oldest = time_waits.front();
  return oldest ? oldest->deadline_ns : platform::kNoDeadline;
}

u64 tcp_expire_time_wait(u64 now) {
  while (Connection* oldest = time_waits.front()) {
    if (oldest->deadline_ns > now) break;
    forget(*oldest);
  }
  return tcp_oldest_time_wait();
}

void tcp_icmp_error(const IcmpError& report) {
  Connection* connection = find_connection(to_lwip(report.local.address), report.local.port,
                                           to_lwip(report.remote.address), report.remote.port);
  if (!connection || !connection->pcb) return;
  tcp_pcb* pcb = connection->pcb;
  // Only a report that quotes a segment on its way is to be believed (RFC 5927, section 4.1).
  if (!TCP_SEQ_BETWEEN(report.sequence, pcb->lastack, pcb->snd_nxt)) return;
  auto* endpoint = static_cast<TcpEndpoint*>(pcb->callback_arg);
  if (!endpoint || pcb->state == SYN_RCVD) return;
  if (report.mtu != 0)
    endpoint->path_mtu(u16(report.mtu < 0xffff ? report.mtu : 0xffff));
  else
    endpoint->icmp_error(report.error);
  note_tcp();
}

// Which listener takes a connection to this address: the more particular one; of several that share
// the port by SO_REUSEPORT, always the same one for a peer.
static tcp_pcb_listen* find_listener(const ip_addr_t& local, u16 port, const ip_addr_t& remote,
                                     u16 remote_port) {
  Port* entry = tcp_ports.find(port);
  if (!entry) return nullptr;
  const u32 input = netif_get_index(ip_current_input_netif());
  const IpAddress address = from_lwip(local);
  PortBinding asked;
  asked.address = address;
  PortBinding* best = nullptr;
  int best_score = -1;
  u32 equals = 0;
  const u64 hash = tuple_hash(local, port, remote, remote_port);
  for (PortBinding& binding : entry->listeners) {
    if (binding.device != 0 && binding.device != input) continue;
    if (!addresses_overlap(binding, asked)) continue;
    const int score = (binding.address.is_any() ? 0 : 4) + (binding.device != 0 ? 2 : 0) +
                      (binding.address.version == address.version ? 1 : 0);
    if (score < best_score) continue;
    if (score > best_score) {
      best = &binding;
      best_score = score;
      equals = 1;
    } else if (binding.reuse_port) {
      // The n-th of equals replaces the one before with chance 1/n: an even choice by the hash.
      ++equals;
      if (mix_hash(hash + equals) % equals == 0) best = &binding;
    }
  }
  return best ? TcpEndpoint::of_binding(*best).listener_pcb() : nullptr;
}

}  // namespace narwhal::net

// --- hooks (port/lwip_hooks.h)

using namespace narwhal;
using namespace narwhal::net;

// The header's numbers are in host order already.
int narwhal_tcp_demux(const tcp_hdr* header, u16_t length, tcp_pcb** pcb,
                      tcp_pcb_listen** listener) {
  if (tcp_tw_pcbs) tcp_collect_time_wait();
  core_work_noted.tcp = true;
  const ip_addr_t& local = *ip_current_dest_addr();
  const ip_addr_t& remote = *ip_current_src_addr();
  if (Connection* found = find_connection(local, header->dest, remote, header->src)) {
    if (found->pcb) {
      if (found->pcb->netif_idx == NETIF_NO_INDEX ||
          found->pcb->netif_idx == netif_get_index(ip_current_input_netif()))
        *pcb = found->pcb;
      return *pcb && opened_to_itself(**pcb, *header) ? 1 : 0;
    }
    if (time_wait_input(*found, *header, length)) return 1;
  }
  *listener = find_listener(local, header->dest, remote, header->src);
  return 0;
}

u32_t narwhal_tcp_initial_sequence(const ip_addr_t* local, u16_t local_port,
                                   const ip_addr_t* remote, u16_t remote_port) {
  u64 words[5] = {};
  std::memcpy(&words[0], ip_2_ip6(local)->addr, local->type == IPADDR_TYPE_V4 ? 4 : 16);
  std::memcpy(&words[2], ip_2_ip6(remote)->addr, remote->type == IPADDR_TYPE_V4 ? 4 : 16);
  words[4] = u64{local_port} << 16 | remote_port;
  // RFC 6528: a clock of 4 microseconds plus a secret function of the four-tuple. Linux's clock
  // ticks every 64 ns, which fits its short TIME-WAIT and ours better.
  return u32(keyed_hash(words, 5)) + u32(platform::monotonic_ns() >> 6);
}
