// What TCP, UDP and raw sockets of AF_INET and AF_INET6 have in common: options, addresses,
// ioctl(2) on network interfaces, readiness.
//
// Locks: the core lock (net/lwip/core.h) guards everything in here and in the endpoints below. It
// is taken by each operation and held over copies from and to the program. An operation that needs
// socket_actor() or an interface's name asks before.
#pragma once

#include "net/core/basic_options.h"
#include "net/core/socket.h"
#include "net/inet/inet_address.h"
#include "net/lwip/core.h"
#include "net/lwip/ports.h"

namespace narwhal::inet {

// Settings by setsockopt(2), as Linux keeps them. Accepted connections inherit their listener's.
struct InetOptions {
  bool reuse_address = false;
  bool reuse_port = false;
  bool keep_alive = false;
  bool broadcast = false;
  bool dont_route = false;
  bool out_of_band_inline = false;
  bool linger = false;
  bool no_check = false;
  bool timestamp = false;     // SO_TIMESTAMP
  bool timestamp_ns = false;  // SO_TIMESTAMPNS
  bool v6_only = false;
  bool free_bind = false;
  bool bind_no_port = false;
  bool header_included = false;
  bool receive_error = false;
  bool receive_error6 = false;
  bool receive_info = false;
  bool receive_info6 = false;
  bool receive_ttl = false;
  bool receive_tos = false;
  bool receive_hops6 = false;
  bool receive_class6 = false;
  bool multicast_loop = true;
  bool multicast_all = true;
  bool dont_fragment6 = false;
  u8 mtu_discover = 1;  // IP_PMTUDISC_WANT
  u8 mtu_discover6 = 1;
  u8 tos = 0;
  u8 traffic_class = 0;
  u8 multicast_ttl = 1;
  i16 ttl = -1;   // -1: the default
  i16 hops = -1;  // likewise, IPv6
  i16 multicast_hops = -1;
  i32 linger_seconds = 0;
  i32 priority = 0;
  u32 mark = 0;
  u32 device = 0;  // SO_BINDTODEVICE
  u32 multicast_device = 0;
  u32 send_buffer = 0;  // twice what was asked for, as Linux shows it
  u32 receive_buffer = 0;
  bool send_buffer_fixed = false;
  bool receive_buffer_fixed = false;
  i32 receive_low_water = 1;
  u32 max_pacing_rate = ~u32{0};
};

class InetSocket : public Socket {
 public:
  InetSocket(int family, int type, int protocol, OpenFlags flags)
      : Socket(family, type, protocol, flags) {}

  WaitQueue* poll_queue() final { return &queue_; }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;

 protected:
  bool is_v6() const { return family() == abi::kAfInet6; }
  IpVersion version() const { return is_v6() ? IpVersion::k6 : IpVersion::k4; }
  void store(const IpEndpoint& endpoint, SocketAddress& out) const {
    store_address(family(), endpoint, out);
  }
  // bind(2)'s address: checked against the socket's options, the machine's addresses and the
  // caller's rights. An IPv4 address inside IPv6 comes out unwrapped. EINVAL, EAFNOSUPPORT,
  // EADDRNOTAVAIL, EACCES, ENODEV.
  Result<IpEndpoint> parse_bind_address(const SocketAddress& address);
  // A destination: checked against the socket's version. ENETUNREACH, and as parse_address().
  Result<IpEndpoint> parse_destination(const SocketAddress& address);

  // The settings changed that the endpoint has to know. The core lock is held.
  virtual void apply_options() = 0;
  virtual bool is_listening() { return false; }
  virtual bool is_bound() = 0;
  virtual Errno take_socket_error() = 0;
  // Whom the socket is connected to; any: nobody.
  virtual IpAddress remote_ip() { return {}; }
  // IP_ADD_MEMBERSHIP and its kin. Interface 0: whichever leads there.
  virtual Result<> change_membership(const IpAddress& group, u32 interface, bool join);
  // For PortBinding.
  void set_up_binding(net::PortBinding& binding) const;
  void remember_owner(u32 uid) { uid_ = uid; }

  InetOptions options_;
  WaitQueue queue_;

 private:
  Result<> set_socket_option(int name, std::span<const std::byte> value);
  Result<> set_ip_option(int name, std::span<const std::byte> value);
  Result<> set_ipv6_option(int name, std::span<const std::byte> value);
  Result<usize> get_socket_option(int name, std::span<std::byte> value);
  Result<usize> get_ip_option(int name, std::span<std::byte> value);
  Result<usize> get_ipv6_option(int name, std::span<std::byte> value);
  Result<> set_device(std::span<const std::byte> name);
  Result<> change_group(std::span<const std::byte> value, bool join);
  u32 path_mtu();

  u32 uid_ = 0;
};

// SIOCGIF*: ENODEV, ENOTTY when it is no such command. (interface_ioctl.cc)
Result<i64> interface_ioctl(u32 command, UserAddr argument);

}  // namespace narwhal::inet
