#include "net/inet/inet_socket.h"

#include "net/core/socket_actor.h"
#include "net/lwip/routes.h"

namespace narwhal::inet {
namespace {

constexpr u16 kFirstUnprivilegedPort = 1024;  // /proc/sys/net/ipv4/ip_unprivileged_port_start

bool address_allowed(const IpAddress& address, bool stream) {
  if (address.is_any() || net::is_own_address(address)) return true;
  return !stream && (address.is_multicast() || net::is_broadcast_address(address));
}

}  // namespace

Result<IpEndpoint> InetSocket::parse_bind_address(const SocketAddress& address) {
  // ip(7): for bind(2), AF_UNSPEC with the any-address is as good as AF_INET.
  SocketAddress wanted = address;
  abi::SockAddrIn in;
  if (!is_v6() && address.length >= sizeof in && address.family() == abi::kAfUnspecified) {
    std::memcpy(&in, address.bytes, sizeof in);
    if (IpAddress::from_bytes(IpVersion::k4, in.address).is_any()) {
      in.family = abi::kAfInet;
      std::memcpy(wanted.bytes, &in, sizeof in);
    }
  }
  const IpEndpoint local = TRY(parse_address(family(), wanted));
  const bool privileged = local.port == 0 || local.port >= kFirstUnprivilegedPort ||
                          type() == abi::kSockRaw ||
                          socket_actor().credentials->capable(Capability::kNetBindService);
  net::CoreGuard guard(net::core_lock);
  if (is_v6() && local.address.is_v4() && options_.v6_only) return Errno::kInval;
  if (local.address.is_v6() && local.address.is_link_local() && local.address.zone == 0 &&
      options_.device == 0)
    return Errno::kInval;
  if (!options_.free_bind && !address_allowed(local.address, type() == abi::kSockStream))
    return Errno::kAddrNotAvail;
  if (!privileged) return Errno::kAcces;
  return local;
}

Result<IpEndpoint> InetSocket::parse_destination(const SocketAddress& address) {
  IpEndpoint remote = TRY(parse_address(family(), address));
  if (is_v6() && remote.address.is_v4() && options_.v6_only) return Errno::kNetUnreach;
  // BSD's habit: nobody in particular means this machine.
  if (remote.address.is_any()) remote.address = IpAddress::loopback(remote.address.version);
  return remote;
}

void InetSocket::set_up_binding(net::PortBinding& binding) const {
  binding.v6_only = options_.v6_only;
  binding.reuse_address = options_.reuse_address;
  binding.reuse_port = options_.reuse_port;
  binding.device = options_.device;
  binding.uid = uid_;
}

Result<i64> InetSocket::ioctl(u32 command, UserAddr argument) {
  return interface_ioctl(command, argument);
}

}  // namespace narwhal::inet
