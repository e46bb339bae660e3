// The listening half of TcpEndpoint.
#include "lwip/priv/tcp_priv.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/tcp_callbacks.h"
#include "net/lwip/tcp_endpoint.h"
#include "net/lwip/tcp_index.h"

namespace narwhal::net {

Result<> TcpEndpoint::listen(u32 backlog) {
  if (!binding_.port) TRY(bind({binding_.address, 0}));
  if (!tcp_ports.may_listen(binding_)) return Errno::kAddrInUse;
  const bool dual = binding_.address.is_v6() && binding_.address.is_any() && !binding_.v6_only;
  tcp_pcb* pcb = tcp_new_ip_type(dual ? IPADDR_TYPE_ANY : IPADDR_TYPE_V4);
  if (!pcb) return Errno::kNoBufs;
  if (!dual) pcb->local_ip = to_lwip(binding_.address);
  pcb->local_port = binding_.number();
  pcb->netif_idx = u8(binding_.device);
  tcp_pcb* listener = tcp_listen(pcb);
  if (!listener) {
    tcp_abort(pcb);
    return Errno::kNoBufs;
  }
  listener_ = reinterpret_cast<tcp_pcb_listen*>(listener);
  tcp_arg(listener, this);
  tcp_accept(listener, TcpCallbacks::accepted);
  index_listener(listener_);
  tcp_ports.begin_listening(binding_);
  backlog_ = backlog;
  return {};
}

TcpEndpoint& TcpEndpoint::of_binding(PortBinding& binding) {
  const auto offset =
      reinterpret_cast<uptr>(&reinterpret_cast<TcpEndpoint*>(uptr{0x1000})->binding_) - 0x1000;
  return *reinterpret_cast<TcpEndpoint*>(reinterpret_cast<uptr>(&binding) - offset);
}

TcpEndpoint* TcpEndpoint::accept() {
  TcpEndpoint* child = waiting_.pop_front();
  if (child) --waiting_count_;
  return child;
}

void TcpEndpoint::close_listener() {
  while (PortBinding* binding = half_open_.front()) {
    connection_of(*binding).listener = nullptr;
    half_open_ended(*binding);
  }
  tcp_ports.end_listening(binding_);
  tcp_close(reinterpret_cast<tcp_pcb*>(std::exchange(listener_, nullptr)));
  // Nobody will accept these any more.
  while (TcpEndpoint* child = accept()) {
    child->abort();
    child->drop_child();
  }
}

// lwIP has completed a handshake. On an error it resets the connection.
err_t TcpCallbacks::accepted(void* argument, tcp_pcb* pcb, err_t error) {
  auto* self = static_cast<TcpEndpoint*>(argument);
  if (!self || !pcb || error != ERR_OK) return ERR_VAL;
  if (Connection* connection = connection_of(pcb); connection && connection->listener) {
    connection->listener = nullptr;
    self->half_open_ended(connection->binding);
  }
  TcpEndpoint* child = self->new_child();
  if (!child) return ERR_MEM;
  child->adopt(pcb);
  self->waiting_.push_back(*child);
  ++self->waiting_count_;
  self->told(TcpEndpoint::Event::kReadable);
  return ERR_OK;
}

}  // namespace narwhal::net
