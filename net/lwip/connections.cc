#include "net/lwip/connections.h"

#include "lwip/etharp.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/tcp.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/device_io.h"
#include "net/lwip/packet_memory.h"
#include "net/lwip/raw_endpoint.h"
#include "net/lwip/tcp_index.h"
#include "net/lwip/udp_endpoint.h"

namespace narwhal::net {
namespace {

struct Visit {
  ConnectionVisitor visit;
  void* argument;
};

ConnectionInfo describe(const TcpEndpoint& endpoint) {
  ConnectionInfo info{};
  info.version = endpoint.version();
  info.local = endpoint.local();
  info.remote = endpoint.remote();
  if (info.remote.port == 0) info.remote.address = IpAddress::any(info.version);
  info.state = endpoint.state();
  if (info.state == TcpState::kListen) {
    info.receive_queue = endpoint.waiting_count();
    info.send_queue = endpoint.backlog();
  } else {
    info.receive_queue = endpoint.readable_bytes();
    info.send_queue = endpoint.queued_to_send();
  }
  info.inode = endpoint.inode_number();
  info.retransmits = endpoint.statistics().retransmits;
  return info;
}

// A connection that has no endpoint: half open, closed by its program, or in TIME-WAIT.
ConnectionInfo describe(const Connection& connection) {
  ConnectionInfo info{};
  info.local = {from_lwip(connection.local), connection.local_port};
  info.remote = {from_lwip(connection.remote), connection.remote_port};
  info.version = info.local.address.version;
  info.state = connection.pcb ? tcp_state_of(connection.pcb) : TcpState::kTimeWait;
  if (connection.pcb) info.send_queue = TCP_SND_BUF - connection.pcb->snd_buf;
  return info;
}

TcpEndpoint* endpoint_of(const Connection& connection) {
  if (!connection.pcb || connection.pcb->state == SYN_RCVD) return nullptr;
  return static_cast<TcpEndpoint*>(connection.pcb->callback_arg);
}

void visit_connection(const Connection& connection, void* argument) {
  const auto& visit = *static_cast<Visit*>(argument);
  const TcpEndpoint* endpoint = endpoint_of(connection);
  ConnectionInfo info = endpoint ? describe(*endpoint) : describe(connection);
  info.uid = connection.binding.uid;
  visit.visit(info, visit.argument);
}

}  // namespace

void visit_tcp(ConnectionVisitor visit, void* argument) {
  CoreGuard guard(core_lock);
  tcp_ports.for_each([&](Port& port) {
    for (PortBinding& binding : port.listeners) {
      ConnectionInfo info = describe(TcpEndpoint::of_binding(binding));
      info.uid = binding.uid;
      visit(info, argument);
    }
  });
  Visit wrapped{visit, argument};
  for_each_connection(visit_connection, &wrapped);
}

void visit_udp(ConnectionVisitor visit, void* argument) {
  CoreGuard guard(core_lock);
  Visit wrapped{visit, argument};
  for_each_udp(
      [](UdpEndpoint& endpoint, void* data) {
        const auto& wanted = *static_cast<Visit*>(data);
        ConnectionInfo info{};
        info.version = endpoint.version();
        info.local = endpoint.local();
        info.remote = endpoint.connected() ? endpoint.remote()
                                           : IpEndpoint{IpAddress::any(endpoint.version()), 0};
        info.state = endpoint.connected() ? TcpState::kEstablished : TcpState::kClose;
        info.receive_queue = endpoint.queued_bytes();
        info.uid = endpoint.binding().uid;
        info.inode = endpoint.inode_number();
        info.dropped = endpoint.dropped();
        wanted.visit(info, wanted.argument);
      },
      &wrapped);
}

void visit_raw(ConnectionVisitor visit, void* argument) {
  CoreGuard guard(core_lock);
  for (RawEndpoint* endpoint = RawEndpoint::first(); endpoint; endpoint = endpoint->next()) {
    ConnectionInfo info{};
    info.local = {endpoint->local(), endpoint->protocol()};
    info.remote = {endpoint->remote(), 0};
    info.version = info.local.address.version;
    info.state = info.remote.address.is_any() ? TcpState::kClose : TcpState::kEstablished;
    info.receive_queue = endpoint->queued_bytes();
    info.inode = endpoint->inode_number();
    info.dropped = endpoint->dropped();
    visit(info, argument);
  }
}

ConnectionCounts count_connections() {
  ConnectionCounts counts;
  visit_tcp(
      [](const ConnectionInfo& info, void* data) {
        auto& into = *static_cast<ConnectionCounts*>(data);
        if (info.state == TcpState::kTimeWait)
          ++into.time_wait;
        else if (info.inode == 0)
          ++into.tcp_orphaned;
        else
          ++into.tcp_in_use;
        if (info.state == TcpState::kListen) ++into.tcp_listening;
      },
      &counts);
  visit_udp(
      [](const ConnectionInfo&, void* data) { ++static_cast<ConnectionCounts*>(data)->udp_in_use; },
      &counts);
  CoreGuard guard(core_lock);
  counts.packet_bytes = packet_memory.used();
  return counts;
}

// lwIP's table of IPv4 neighbours shows those only that have answered.
bool packets_wait_for_neighbours() {
  CoreGuard guard(core_lock);
  for (DeviceInterface* device = first_device_interface(); device; device = device->next) {
    const ip4_addr_t& asked_for = device->asked_for;
    const bool is_neighbour = !ip4_addr_isany_val(asked_for) &&
                              !ip4_addr_cmp(&asked_for, netif_ip4_addr(&device->interface));
    eth_addr* card;
    const ip4_addr_t* address;
    if (is_neighbour && etharp_find_addr(&device->interface, &asked_for, &card, &address) < 0)
      return true;
  }
  for (usize i = 0; i < LWIP_ND6_NUM_NEIGHBORS; ++i)
    if (neighbor_cache[i].q) return true;
  return false;
}

}  // namespace narwhal::net
