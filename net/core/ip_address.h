// IP addresses of either version, and an address with a port. No protocol code.
#pragma once

#include <cstring>
#include <string_view>

#include "kernel/base/format.h"
#include "kernel/base/result.h"

namespace narwhal {

enum class IpVersion : u8 { k4 = 4, k6 = 6 };

struct IpAddress {
  u8 bytes[16] = {};  // network order; IPv4 uses the first four, the rest is zero
  IpVersion version = IpVersion::k4;
  u32 zone = 0;  // the interface of a link-local IPv6 address; 0: none

  static constexpr IpAddress any(IpVersion version) {
    IpAddress address;
    address.version = version;
    return address;
  }
  static constexpr IpAddress v4(u8 a, u8 b, u8 c, u8 d) {
    IpAddress address;
    address.bytes[0] = a;
    address.bytes[1] = b;
    address.bytes[2] = c;
    address.bytes[3] = d;
    return address;
  }
  static constexpr IpAddress loopback(IpVersion version) {
    if (version == IpVersion::k4) return v4(127, 0, 0, 1);
    IpAddress address = any(IpVersion::k6);
    address.bytes[15] = 1;
    return address;
  }
  static IpAddress from_bytes(IpVersion version, const void* network_order) {
    IpAddress address = any(version);
    std::memcpy(address.bytes, network_order, address.size());
    return address;
  }

  constexpr usize size() const { return version == IpVersion::k4 ? 4 : 16; }
  constexpr bool is_v4() const { return version == IpVersion::k4; }
  constexpr bool is_v6() const { return version == IpVersion::k6; }
  constexpr bool is_any() const {
    for (u8 byte : bytes)
      if (byte != 0) return false;
    return true;
  }
  constexpr bool is_multicast() const {
    return is_v4() ? (bytes[0] & 0xf0) == 0xe0 : bytes[0] == 0xff;
  }
  constexpr bool is_limited_broadcast() const {
    return is_v4() && bytes[0] == 255 && bytes[1] == 255 && bytes[2] == 255 && bytes[3] == 255;
  }
  constexpr bool is_loopback() const {
    if (is_v4()) return bytes[0] == 127;
    for (usize i = 0; i < 15; ++i)
      if (bytes[i] != 0) return false;
    return bytes[15] == 1;
  }
  constexpr bool is_link_local() const {
    return is_v4() ? bytes[0] == 169 && bytes[1] == 254
                   : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  }
  // ::ffff:a.b.c.d, by which an AF_INET6 socket names an IPv4 peer.
  constexpr bool is_mapped() const {
    if (is_v4()) return false;
    for (usize i = 0; i < 10; ++i)
      if (bytes[i] != 0) return false;
    return bytes[10] == 0xff && bytes[11] == 0xff;
  }
  constexpr IpAddress unmapped() const {
    return is_mapped() ? v4(bytes[12], bytes[13], bytes[14], bytes[15]) : *this;
  }
  constexpr IpAddress mapped() const {
    if (is_v6()) return *this;
    IpAddress address = any(IpVersion::k6);
    address.bytes[10] = address.bytes[11] = 0xff;
    for (usize i = 0; i < 4; ++i) address.bytes[12 + i] = bytes[i];
    return address;
  }

  // Zones count only where both sides name one.
  friend constexpr bool operator==(const IpAddress& a, const IpAddress& b) {
    if (a.version != b.version) return false;
    for (usize i = 0; i < 16; ++i)
      if (a.bytes[i] != b.bytes[i]) return false;
    return a.zone == 0 || b.zone == 0 || a.zone == b.zone;
  }
};

struct IpEndpoint {
  IpAddress address;
  u16 port = 0;  // host order
};

// "192.0.2.1" or "2001:db8::1" (RFC 4291, section 2.2), without a zone. EINVAL.
Result<IpAddress> parse_ip_address(std::string_view text);
// RFC 5952's form.
TextSink& operator<<(TextSink& out, const IpAddress& address);

}  // namespace narwhal
