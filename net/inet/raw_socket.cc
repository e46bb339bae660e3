#include "net/inet/raw_socket.h"

namespace narwhal::inet {
namespace {

constexpr i32 kIcmp6ChecksumAt = 2;

}  // namespace

RawSocket::RawSocket(int family, u8 protocol, OpenFlags flags)
    : DatagramSocket(family, abi::kSockRaw, protocol, flags),
      endpoint_(*this, family == abi::kAfInet6 ? IpVersion::k6 : IpVersion::k4, protocol) {
  // "Raw" as a protocol: the program writes IP headers itself (raw(7)).
  options_.header_included = protocol == abi::kProtocolRaw;
  if (family == abi::kAfInet6 && protocol == abi::kProtocolIcmpv6) checksum_at_ = kIcmp6ChecksumAt;
}

RawSocket::~RawSocket() {
  net::CoreGuard guard(net::core_lock);
  leave_groups();
  endpoint_.release();
}

Result<> RawSocket::open() {
  net::CoreGuard guard(net::core_lock);
  return endpoint_.open();
}

void RawSocket::apply_options() {
  DatagramSocket::apply_options();
  endpoint_.set_device(options_.device);
}

Result<> RawSocket::bind(const SocketAddress& address) {
  const IpEndpoint local = TRY(parse_bind_address(address));
  net::CoreGuard guard(net::core_lock);
  if (local.address.version != version()) return Errno::kInval;
  endpoint_.bind(local.address);
  return {};
}

Result<> RawSocket::connect(const SocketAddress& address) {
  if (address.length < sizeof(u16)) return Errno::kInval;
  net::CoreGuard guard(net::core_lock);
  if (address.family() == abi::kAfUnspecified) {
    endpoint_.connect(IpAddress::any(version()));
    return {};
  }
  const IpEndpoint remote = TRY(parse_destination(address));
  if (remote.address.version != version()) return Errno::kInval;
  endpoint_.connect(remote.address);
  return {};
}

Result<> RawSocket::local_address(SocketAddress& out) {
  net::CoreGuard guard(net::core_lock);
  store({endpoint_.local(), endpoint_.protocol()}, out);
  return {};
}

Result<> RawSocket::peer_address(SocketAddress& out) {
  net::CoreGuard guard(net::core_lock);
  if (endpoint_.remote().is_any()) return Errno::kNotConn;
  store({endpoint_.remote(), 0}, out);
  return {};
}

Result<usize> RawSocket::transmit(IoBuffer& data, const net::SendRequest& request, bool more) {
  if (more) return Errno::kOpNotSupp;
  if (request.to.address.version != version()) return Errno::kInval;
  const bool with_header = !is_v6() && options_.header_included;
  return endpoint_.send(data, request, with_header, is_v6() ? checksum_at_ : -1);
}

// Linux's ICMP filter has a bit for each of the first 32 types, ICMPv6's one for all of them.
std::span<u32> RawSocket::filter_words(int level, int name) {
  if (!is_v6() && level == abi::kSolRaw && name == abi::kIcmpFilter &&
      protocol() == abi::kProtocolIcmp)
    return {filter_, 1};
  if (is_v6() && level == abi::kProtocolIcmpv6 && name == abi::kIcmp6Filter &&
      protocol() == abi::kProtocolIcmpv6)
    return filter_;
  return {};
}

Result<> RawSocket::set_option(int level, int name, std::span<const std::byte> value) {
  if (const std::span<u32> filter = filter_words(level, name); !filter.empty()) {
    if (value.empty()) return Errno::kInval;
    const usize size = value.size() < filter.size_bytes() ? value.size() : filter.size_bytes();
    net::CoreGuard guard(net::core_lock);
    std::memcpy(filter.data(), value.data(), size);
    return {};
  }
  if (is_v6() && name == abi::kIpv6Checksum &&
      (level == abi::kProtocolIpv6 || level == abi::kSolRaw)) {
    const i32 offset = TRY(option_int(value));
    // ICMPv6's checksum is the kernel's business (RFC 3542, section 3.1).
    if (protocol() == abi::kProtocolIcmpv6 || (offset > 0 && offset % 2 != 0)) return Errno::kInval;
    net::CoreGuard guard(net::core_lock);
    checksum_at_ = offset < 0 ? -1 : offset;
    return {};
  }
  return InetSocket::set_option(level, name, value);
}

Result<usize> RawSocket::get_option(int level, int name, std::span<std::byte> value) {
  if (const std::span<u32> filter = filter_words(level, name); !filter.empty()) {
    net::CoreGuard guard(net::core_lock);
    return put_option(value, filter.data(), filter.size_bytes());
  }
  if (is_v6() && name == abi::kIpv6Checksum &&
      (level == abi::kProtocolIpv6 || level == abi::kSolRaw))
    return put_option(value, checksum_at_);
  return InetSocket::get_option(level, name, value);
}

}  // namespace narwhal::inet
