#include "net/lwip/ports.h"

#include "net/lwip/random.h"

namespace narwhal::net {

[[clang::no_destroy]] constinit PortTable tcp_ports{PortTable::Rules::kStream};
[[clang::no_destroy]] constinit PortTable udp_ports{PortTable::Rules::kDatagram};

namespace {

bool covers_v4(const PortBinding& binding) {
  return binding.address.is_v4() || (binding.address.is_any() && !binding.v6_only);
}

bool conflict_stream(const PortBinding& mine, const PortBinding& other) {
  if (mine.reuse_port && other.reuse_port && (other.time_wait || mine.uid == other.uid))
    return false;
  if (mine.reuse_address && other.reuse_address && !other.listening) return false;
  return true;
}

bool conflict_datagram(const PortBinding& mine, const PortBinding& other) {
  if (mine.reuse_address && other.reuse_address) return false;
  return !(mine.reuse_port && other.reuse_port && mine.uid == other.uid);
}

}  // namespace

bool addresses_overlap(const PortBinding& a, const PortBinding& b) {
  if (a.address.version == b.address.version)
    return a.address.is_any() || b.address.is_any() || a.address == b.address;
  // One of each version: they meet where IPv6's any also takes IPv4.
  return covers_v4(a) && covers_v4(b);
}

Port* PortTable::find(u16 number) const {
  return table_.find(mix_hash(number), [&](const Port& port) { return port.number == number; });
}

bool PortTable::conflicts(const Port& port, const PortBinding& binding) const {
  auto& bindings = const_cast<Port&>(port).bindings;
  for (PortBinding& other : bindings) {
    if (&other == &binding) continue;
    if (binding.device != 0 && other.device != 0 && binding.device != other.device) continue;
    if (!addresses_overlap(binding, other)) continue;
    if (rules_ == Rules::kStream ? conflict_stream(binding, other)
                                 : conflict_datagram(binding, other))
      return true;
  }
  return false;
}

Result<> PortTable::share(PortBinding& binding, u16 number) {
  ASSERT(!binding.port && number != 0);
  Port* port = find(number);
  if (!port) {
    auto fresh = TRY(make_own<Port>());
    fresh->number = number;
    TRY(table_.insert(*fresh));
    port = fresh.release();
  }
  port->bindings.push_back(binding);
  binding.port = port;
  return {};
}

Result<> PortTable::bind(PortBinding& binding, u16 number) {
  if (const Port* port = find(number); port && conflicts(*port, binding)) return Errno::kAddrInUse;
  return share(binding, number);
}

u16 PortTable::random_start() {
  constexpr u32 kCount = kLastEphemeral - kFirstEphemeral + 1;
  return u16(kFirstEphemeral + random32() % kCount);
}

Result<> PortTable::bind_ephemeral(PortBinding& binding) {
  const u16 start = random_start();
  u16 number = start;
  do {
    if (!find(number)) return share(binding, number);
    number = number == kLastEphemeral ? kFirstEphemeral : u16(number + 1);
  } while (number != start);
  // None is free altogether; perhaps one may be shared.
  do {
    if (!conflicts(*find(number), binding)) return share(binding, number);
    number = number == kLastEphemeral ? kFirstEphemeral : u16(number + 1);
  } while (number != start);
  return Errno::kAddrInUse;
}

void PortTable::unbind(PortBinding& binding) {
  if (!binding.port) return;
  Port* port = binding.port;
  if (binding.listening) end_listening(binding);
  binding.node.unlink();
  binding.port = nullptr;
  if (port->bindings.empty()) {
    table_.remove(*port);
    delete port;
  }
}

bool PortTable::may_listen(const PortBinding& binding) const {
  return !conflicts(*binding.port, binding);
}
void PortTable::begin_listening(PortBinding& binding) {
  binding.listening = true;
  binding.port->listeners.push_back(binding);
}
void PortTable::end_listening(PortBinding& binding) {
  binding.listening = false;
  binding.listener_node.unlink();
}

bool PortTable::free_for_connections(u16 number) const {
  Port* port = find(number);
  if (!port) return true;
  for (const PortBinding& binding : port->bindings)
    if (!binding.connected) return false;
  return true;
}

}  // namespace narwhal::net
