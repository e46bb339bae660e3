#include "net/inet/inet_address.h"

namespace narwhal::inet {
namespace {

u16 load_port(const u8 (&port)[2]) {
  return u16(port[0] << 8 | port[1]);
}
void store_port(u8 (&out)[2], u16 port) {
  out[0] = u8(port >> 8);
  out[1] = u8(port);
}

}  // namespace

Result<IpEndpoint> parse_address(int family, const SocketAddress& address) {
  if (family == abi::kAfInet) {
    abi::SockAddrIn in;
    if (address.length < sizeof in) return Errno::kInval;
    std::memcpy(&in, address.bytes, sizeof in);
    if (in.family != abi::kAfInet) return Errno::kAfNoSupport;
    return IpEndpoint{IpAddress::from_bytes(IpVersion::k4, in.address), load_port(in.port)};
  }
  abi::SockAddrIn6 in{};
  if (address.length < abi::kSockAddrIn6Short) return Errno::kInval;
  const usize size = address.length < sizeof in ? address.length : sizeof in;
  std::memcpy(&in, address.bytes, size);
  if (in.family != abi::kAfInet6) return Errno::kAfNoSupport;
  IpAddress ip = IpAddress::from_bytes(IpVersion::k6, in.address);
  if (ip.is_link_local() || ip.is_multicast()) ip.zone = in.scope;
  return IpEndpoint{ip.unmapped(), load_port(in.port)};
}

void store_address(int family, const IpEndpoint& endpoint, SocketAddress& out) {
  if (family == abi::kAfInet) {
    abi::SockAddrIn in{};
    in.family = abi::kAfInet;
    store_port(in.port, endpoint.port);
    std::memcpy(in.address, endpoint.address.bytes, sizeof in.address);
    std::memcpy(out.bytes, &in, sizeof in);
    out.length = sizeof in;
    return;
  }
  abi::SockAddrIn6 in{};
  in.family = abi::kAfInet6;
  store_port(in.port, endpoint.port);
  const bool any4 = endpoint.address.is_v4() && endpoint.address.is_any();
  const IpAddress ip = any4 ? IpAddress::any(IpVersion::k6) : endpoint.address.mapped();
  std::memcpy(in.address, ip.bytes, sizeof in.address);
  if (ip.is_link_local()) in.scope = ip.zone;
  std::memcpy(out.bytes, &in, sizeof in);
  out.length = sizeof in;
}

}  // namespace narwhal::inet
