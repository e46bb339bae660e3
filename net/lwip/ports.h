// Who has which local port, and whether another may have it too: the rules of bind(2) on Linux
// (socket(7), SO_REUSEADDR and SO_REUSEPORT).
//
// One table for TCP and one for UDP; all calls with the core lock held.
#pragma once

#include "kernel/base/hash_table.h"
#include "kernel/base/list.h"
#include "kernel/base/ref.h"
#include "net/core/ip_address.h"

namespace narwhal::net {

struct Port;

// A claim on a port. Lives in its owner; take it off the table before it goes.
struct PortBinding : NonCopyable {
  ~PortBinding() { ASSERT(!port); }

  ListNode node;  // in Port::bindings
  // In Port::listeners; of a half-open connection: in its listener's list (tcp_endpoint.h).
  ListNode listener_node;
  Port* port = nullptr;  // null: not bound
  IpAddress address;     // any: every address of its version; IPv6's any also covers IPv4 unless
                         // v6_only
  bool v6_only = false;
  bool reuse_address = false;
  bool reuse_port = false;
  bool listening = false;
  bool time_wait = false;
  bool connected = false;  // of a connection, whose remote end tells it apart from others
  u32 device = 0;          // interface that it is bound to; 0: any
  u32 uid = 0;             // SO_REUSEPORT is only for sockets of one user

  u16 number() const;
};

struct Port {
  HashNode hash_node;
  u16 number = 0;
  List<PortBinding, &PortBinding::node> bindings;
  List<PortBinding, &PortBinding::listener_node> listeners;
};
inline u16 PortBinding::number() const {
  return port ? port->number : 0;
}

class PortTable : NonCopyable {
 public:
  static constexpr u16 kFirstEphemeral = 32768;  // /proc/sys/net/ipv4/ip_local_port_range
  static constexpr u16 kLastEphemeral = 60999;

  enum class Rules : u8 { kStream, kDatagram };
  constexpr explicit PortTable(Rules rules) : rules_(rules) {}

  // EADDRINUSE, ENOMEM.
  Result<> bind(PortBinding& binding, u16 number);
  // To a free port of the ephemeral range. EADDRINUSE: there is none.
  Result<> bind_ephemeral(PortBinding& binding);
  // For a connection: takes a port although others have it. ENOMEM.
  Result<> share(PortBinding& binding, u16 number);
  void unbind(PortBinding& binding);

  // Whether `binding`, bound already, may begin to listen.
  bool may_listen(const PortBinding& binding) const;
  void begin_listening(PortBinding& binding);
  void end_listening(PortBinding& binding);

  Port* find(u16 number) const;
  // Whether nobody has it, or only connections whose ports were chosen for them.
  bool free_for_connections(u16 number) const;
  // Every port that somebody has.
  template <typename Visit>
  void for_each(Visit visit) const {
    table_.for_each(visit);
  }
  // Where the next search in the ephemeral range begins: unpredictable.
  static u16 random_start();

 private:
  struct Traits {
    static u64 hash(const Port& port) { return mix_hash(port.number); }
  };
  bool conflicts(const Port& port, const PortBinding& binding) const;
  Rules rules_;
  HashTable<Port, &Port::hash_node, Traits> table_;
};

extern constinit PortTable tcp_ports;
extern constinit PortTable udp_ports;

// Whether a packet could be for both.
bool addresses_overlap(const PortBinding& a, const PortBinding& b);

}  // namespace narwhal::net
