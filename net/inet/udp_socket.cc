#include "net/inet/udp_socket.h"

#include "net/core/socket_actor.h"
#include "net/lwip/routes.h"

namespace narwhal::inet {

UdpSocket::UdpSocket(int family, OpenFlags flags)
    : DatagramSocket(family, abi::kSockDatagram, abi::kProtocolUdp, flags),
      endpoint_(*this, family == abi::kAfInet6 ? IpVersion::k6 : IpVersion::k4) {}

UdpSocket::~UdpSocket() {
  net::CoreGuard guard(net::core_lock);
  leave_groups();
  endpoint_.release();
}

void UdpSocket::apply_options() {
  DatagramSocket::apply_options();
  set_up_binding(endpoint_.binding());
  endpoint_.apply_binding();
}

Result<> UdpSocket::bind(const SocketAddress& address) {
  const IpEndpoint local = TRY(parse_bind_address(address));
  const u32 uid = socket_actor().credentials->fsuid;
  net::CoreGuard guard(net::core_lock);
  if (endpoint_.bound()) return Errno::kInval;
  remember_owner(uid);
  set_up_binding(endpoint_.binding());
  if (local.port == 0 && options_.bind_no_port) {
    endpoint_.binding().address = local.address;
    return {};
  }
  return endpoint_.bind(local);
}

Result<> UdpSocket::connect(const SocketAddress& address) {
  if (address.length < sizeof(u16)) return Errno::kInval;
  const u32 uid = socket_actor().credentials->fsuid;
  net::CoreGuard guard(net::core_lock);
  if (address.family() == abi::kAfUnspecified) {
    endpoint_.disconnect();
    return {};
  }
  const IpEndpoint remote = TRY(parse_destination(address));
  if (net::is_broadcast_address(remote.address) && !options_.broadcast) {
    TRY(net::find_route(remote.address, endpoint_.binding().device));  // first, as on Linux
    return Errno::kAcces;
  }
  remember_owner(uid);
  set_up_binding(endpoint_.binding());
  return endpoint_.connect(remote);
}

Result<> UdpSocket::set_option(int level, int name, std::span<const std::byte> value) {
  if (level != abi::kProtocolUdp) return DatagramSocket::set_option(level, name, value);
  const i32 number = TRY(option_int(value));
  if (name != abi::kUdpCork) return Errno::kNoProtoOpt;
  net::CoreGuard guard(net::core_lock);
  cork_ = number != 0;
  // As on Linux nobody hears how the datagram fared.
  if (!cork_) endpoint_.uncork().ignore();
  return {};
}

Result<usize> UdpSocket::get_option(int level, int name, std::span<std::byte> value) {
  if (level != abi::kProtocolUdp) return DatagramSocket::get_option(level, name, value);
  if (name != abi::kUdpCork) return Errno::kNoProtoOpt;
  net::CoreGuard guard(net::core_lock);
  return put_option(value, i32(cork_));
}

Result<> UdpSocket::local_address(SocketAddress& out) {
  net::CoreGuard guard(net::core_lock);
  store(endpoint_.local(), out);
  return {};
}

Result<> UdpSocket::peer_address(SocketAddress& out) {
  net::CoreGuard guard(net::core_lock);
  if (!endpoint_.connected() || endpoint_.remote().port == 0) return Errno::kNotConn;
  store(endpoint_.remote(), out);
  return {};
}

}  // namespace narwhal::inet
