// Socket options of SOL_SOCKET, IPPROTO_IP and IPPROTO_IPV6: socket(7), ip(7), ipv6(7).
#include "kernel/base/format.h"
#include "net/core/socket_actor.h"
#include "net/inet/inet_socket.h"
#include "net/lwip/interface.h"
#include "net/lwip/routes.h"

namespace narwhal::inet {
namespace {

constexpr i32 kMostPriority = 6;  // above it: CAP_NET_ADMIN
constexpr i32 kMostMtuDiscover = 5;
constexpr i32 kDefaultHops = 64;

struct Switch {
  int name;
  bool InetOptions::* field;
};
// Options that are on or off, and nothing more.
constexpr Switch kSocketSwitches[] = {
    {abi::kSoReuseAddress, &InetOptions::reuse_address},
    {abi::kSoReusePort, &InetOptions::reuse_port},
    {abi::kSoKeepAlive, &InetOptions::keep_alive},
    {abi::kSoBroadcast, &InetOptions::broadcast},
    {abi::kSoDontRoute, &InetOptions::dont_route},
    {abi::kSoOutOfBandInline, &InetOptions::out_of_band_inline},
    {abi::kSoNoCheck, &InetOptions::no_check},
    {abi::kSoTimestamp, &InetOptions::timestamp},
    {abi::kSoTimestampNs, &InetOptions::timestamp_ns},
};
constexpr Switch kIpSwitches[] = {
    {abi::kIpPacketInfo, &InetOptions::receive_info},
    {abi::kIpReceiveError, &InetOptions::receive_error},
    {abi::kIpReceiveTtl, &InetOptions::receive_ttl},
    {abi::kIpReceiveTos, &InetOptions::receive_tos},
    {abi::kIpFreeBind, &InetOptions::free_bind},
    {abi::kIpBindAddressNoPort, &InetOptions::bind_no_port},
    {abi::kIpMulticastLoop, &InetOptions::multicast_loop},
    {abi::kIpMulticastAll, &InetOptions::multicast_all},
};
constexpr Switch kIpv6Switches[] = {
    {abi::kIpv6ReceivePacketInfo, &InetOptions::receive_info6},
    {abi::kIpv6ReceiveError, &InetOptions::receive_error6},
    {abi::kIpv6ReceiveHopLimit, &InetOptions::receive_hops6},
    {abi::kIpv6ReceiveTrafficClass, &InetOptions::receive_class6},
    {abi::kIpv6MulticastLoop, &InetOptions::multicast_loop},
    {abi::kIpv6MulticastAll, &InetOptions::multicast_all},
    {abi::kIpv6DontFragment, &InetOptions::dont_fragment6},
};

const Switch* find_switch(std::span<const Switch> switches, int name) {
  for (const Switch& entry : switches)
    if (entry.name == name) return &entry;
  return nullptr;
}

// ip(7): options of this level also come as a single byte.
Result<i32> load_ip_int(std::span<const std::byte> value) {
  if (value.size() >= sizeof(i32)) return option_int(value);
  if (value.empty()) return Errno::kInval;
  return i32(value[0]);
}
usize store_ip_int(std::span<std::byte> out, i32 value) {
  if (out.size() < sizeof value && !out.empty() && value >= 0 && value <= 255) {
    out[0] = std::byte(value);
    return 1;
  }
  return put_option(out, value);
}

bool may_administer() {
  return socket_actor().credentials->capable(Capability::kNetAdmin);
}

}  // namespace

Result<> InetSocket::set_option(int level, int name, std::span<const std::byte> value) {
  switch (level) {
    case abi::kSolSocket:
      return set_socket_option(name, value);
    case abi::kProtocolIp:
      return set_ip_option(name, value);
    case abi::kProtocolIpv6:
      if (is_v6()) return set_ipv6_option(name, value);
      return Errno::kNoProtoOpt;
    default:
      return Errno::kNoProtoOpt;
  }
}

Result<usize> InetSocket::get_option(int level, int name, std::span<std::byte> value) {
  switch (level) {
    case abi::kSolSocket:
      return get_socket_option(name, value);
    case abi::kProtocolIp:
      return get_ip_option(name, value);
    case abi::kProtocolIpv6:
      if (is_v6()) return get_ipv6_option(name, value);
      [[fallthrough]];
    default:
      // Linux's two versions of IP differ.
      return is_v6() ? Errno::kNoProtoOpt : Errno::kOpNotSupp;
  }
}

// --- SOL_SOCKET

Result<> InetSocket::set_device(std::span<const std::byte> name) {
  usize length = 0;
  while (length < name.size() && name[length] != std::byte{0}) ++length;
  u32 device = 0;
  if (length != 0) {
    device = TRY(net::find_interface({reinterpret_cast<const char*>(name.data()), length})).index;
  }
  net::CoreGuard guard(net::core_lock);
  if (options_.device != 0 && device != options_.device) return Errno::kPerm;
  options_.device = device;
  apply_options();
  return {};
}

Result<> InetSocket::set_socket_option(int name, std::span<const std::byte> value) {
  if (name == abi::kSoBindToDevice) return set_device(value);
  if (name == abi::kSoLinger) {
    abi::Linger linger;
    if (value.size() < sizeof linger) return Errno::kInval;
    std::memcpy(&linger, value.data(), sizeof linger);
    net::CoreGuard guard(net::core_lock);
    options_.linger = linger.on != 0;
    if (options_.linger) options_.linger_seconds = linger.seconds;
    return {};
  }
  const i32 number = TRY(option_int(value));
  const bool force = name == abi::kSoSendBufferForce || name == abi::kSoReceiveBufferForce;
  if ((force || name == abi::kSoMark || name == abi::kSoDebug) && number != 0 && !may_administer())
    return Errno::kPerm;
  if (name == abi::kSoPriority && (number < 0 || number > kMostPriority) && !may_administer())
    return Errno::kPerm;

  net::CoreGuard guard(net::core_lock);
  if (const Switch* entry = find_switch(kSocketSwitches, name)) {
    options_.*entry->field = number != 0;
    // Of the two forms of time stamps, the last one asked for counts.
    if (name == abi::kSoTimestamp) options_.timestamp_ns = false;
    if (name == abi::kSoTimestampNs) options_.timestamp = false;
    apply_options();
    return {};
  }
  switch (name) {
    case abi::kSoSendBuffer:
    case abi::kSoSendBufferForce:
      options_.send_buffer =
          u32(BasicOptions::buffer_size(number, BasicOptions::kLeastSendBuffer, force));
      options_.send_buffer_fixed = true;
      break;
    case abi::kSoReceiveBuffer:
    case abi::kSoReceiveBufferForce:
      options_.receive_buffer =
          u32(BasicOptions::buffer_size(number, BasicOptions::kLeastReceiveBuffer, force));
      options_.receive_buffer_fixed = true;
      break;
    case abi::kSoPriority:
      options_.priority = number;
      break;
    case abi::kSoMark:
      options_.mark = u32(number);
      break;
    case abi::kSoReceiveLowWater:
      options_.receive_low_water = number < 0 ? 0x7fffffff : number == 0 ? 1 : number;
      break;
    case abi::kSoMaxPacingRate:
      options_.max_pacing_rate = u32(number);
      break;
    case abi::kSoDebug:
    case abi::kSoBusyPoll:
    case abi::kSoIncomingCpu:
      return {};  // hints that change nothing here
    default:
      return Errno::kNoProtoOpt;
  }
  apply_options();
  return {};
}

Result<usize> InetSocket::get_socket_option(int name, std::span<std::byte> value) {
  if (name == abi::kSoBindToDevice) {
    if (options_.device == 0) return usize{0};
    if (value.size() < 16) return Errno::kInval;
    const auto info = TRY(net::find_interface(options_.device));
    return put_option(value, info.name, std::string_view(info.name).size() + 1);
  }
  net::CoreGuard guard(net::core_lock);
  if (const Switch* entry = find_switch(kSocketSwitches, name))
    return put_option(value, options_.*entry->field);
  switch (name) {
    case abi::kSoError:
      return put_option(value, i32(take_socket_error()));
    case abi::kSoLinger: {
      const abi::Linger linger{options_.linger, options_.linger_seconds};
      return put_option(value, &linger, sizeof linger);
    }
    case abi::kSoSendBuffer:
      return put_option(value, i32(options_.send_buffer));
    case abi::kSoReceiveBuffer:
      return put_option(value, i32(options_.receive_buffer));
    case abi::kSoPriority:
      return put_option(value, options_.priority);
    case abi::kSoMark:
      return put_option(value, i32(options_.mark));
    case abi::kSoReceiveLowWater:
      return put_option(value, options_.receive_low_water);
    case abi::kSoSendLowWater:
      return put_option(value, 1);
    case abi::kSoAcceptConnections:
      return put_option(value, is_listening());
    case abi::kSoIncomingCpu:
      return put_option(value, 0);
    case abi::kSoBindToInterface:
      return put_option(value, i32(options_.device));
    case abi::kSoMaxPacingRate:
      return put_option(value, &options_.max_pacing_rate, sizeof options_.max_pacing_rate);
    case abi::kSoDebug:
    case abi::kSoBusyPoll:
    case abi::kSoZeroCopy:
      return put_option(value, 0);
    case abi::kSoCookie: {
      const u64 cookie = inode_number();
      if (value.size() < sizeof cookie) return Errno::kInval;
      return put_option(value, &cookie, sizeof cookie);
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

// --- IPPROTO_IP

Result<> InetSocket::change_membership(const IpAddress&, u32, bool) {
  return Errno::kProto;
}

// The group and the interface in whichever structure they come.
Result<> InetSocket::change_group(std::span<const std::byte> value, bool join) {
  abi::IpMulticastRequest request{};
  constexpr usize kOldSize = 8;  // struct ip_mreq: no interface number
  if (value.size() < kOldSize) return Errno::kInval;
  std::memcpy(&request, value.data(), value.size() < sizeof request ? kOldSize : sizeof request);
  const IpAddress group = IpAddress::from_bytes(IpVersion::k4, request.group);
  if (!group.is_multicast()) return Errno::kInval;
  u32 interface = u32(request.interface);
  const IpAddress own = IpAddress::from_bytes(IpVersion::k4, request.address);
  if (interface == 0 && !own.is_any()) {
    net::CoreGuard guard(net::core_lock);
    interface = net::interface_of(own);
    if (interface == 0) return Errno::kNoDev;
  }
  return change_membership(group, interface, join);
}

Result<> InetSocket::set_ip_option(int name, std::span<const std::byte> value) {
  if (name == abi::kIpAddMembership || name == abi::kIpDropMembership)
    return change_group(value, name == abi::kIpAddMembership);
  if (name == abi::kMcastJoinGroup || name == abi::kMcastLeaveGroup) {
    abi::GroupRequest request;
    if (value.size() < sizeof request) return Errno::kInval;
    std::memcpy(&request, value.data(), sizeof request);
    SocketAddress address;
    std::memcpy(address.bytes, request.group, sizeof request.group);
    address.length = sizeof request.group;
    const auto group = TRY(parse_address(family(), address));
    return change_membership(group.address, request.interface, name == abi::kMcastJoinGroup);
  }
  if (name == abi::kIpMulticastInterface) {
    // An address, or a structure with a number as in IP_ADD_MEMBERSHIP.
    abi::IpMulticastRequest request{};
    if (value.size() >= sizeof request)
      std::memcpy(&request, value.data(), sizeof request);
    else if (value.size() >= sizeof request.address)
      std::memcpy(request.address, value.data(), sizeof request.address);
    else
      return Errno::kInval;
    u32 interface = u32(request.interface);
    const IpAddress own = IpAddress::from_bytes(IpVersion::k4, request.address);
    net::CoreGuard guard(net::core_lock);
    if (interface == 0 && !own.is_any()) {
      interface = net::interface_of(own);
      if (interface == 0) return Errno::kAddrNotAvail;
    }
    options_.multicast_device = interface;
    return {};
  }
  if (name == abi::kIpOptions) return value.empty() ? Result<>{} : Errno::kInval;
  const i32 number = TRY(load_ip_int(value));
  net::CoreGuard guard(net::core_lock);
  if (const Switch* entry = find_switch(kIpSwitches, name)) {
    options_.*entry->field = number != 0;
    apply_options();
    return {};
  }
  switch (name) {
    case abi::kIpTos:
      // A stream's congestion bits are the protocol's (RFC 3168).
      options_.tos = type() == abi::kSockStream ? u8(number & ~3) | (options_.tos & 3) : u8(number);
      break;
    case abi::kIpTtl:
      if (number != -1 && (number < 1 || number > 255)) return Errno::kInval;
      options_.ttl = i16(number);
      break;
    case abi::kIpMtuDiscover:
      if (number < 0 || number > kMostMtuDiscover) return Errno::kInval;
      options_.mtu_discover = u8(number);
      break;
    case abi::kIpMulticastTtl:
      if (type() == abi::kSockStream || number < -1 || number > 255) return Errno::kInval;
      options_.multicast_ttl = number == -1 ? 1 : u8(number);
      break;
    case abi::kIpHeaderIncluded:
      if (type() != abi::kSockRaw) return Errno::kNoProtoOpt;
      options_.header_included = number != 0;
      break;
    default:
      return Errno::kNoProtoOpt;
  }
  apply_options();
  return {};
}

u32 InetSocket::path_mtu() {
  const IpAddress remote = remote_ip();
  return remote.is_any() ? 0 : net::path_mtu(remote);
}

Result<usize> InetSocket::get_ip_option(int name, std::span<std::byte> value) {
  net::CoreGuard guard(net::core_lock);
  if (const Switch* entry = find_switch(kIpSwitches, name))
    return store_ip_int(value, options_.*entry->field);
  switch (name) {
    case abi::kIpTos:
      return store_ip_int(value, options_.tos);
    case abi::kIpTtl:
      return store_ip_int(value, options_.ttl < 0 ? kDefaultHops : options_.ttl);
    case abi::kIpMtuDiscover:
      return store_ip_int(value, options_.mtu_discover);
    case abi::kIpMulticastTtl:
      return store_ip_int(value, options_.multicast_ttl);
    case abi::kIpMulticastInterface: {
      const IpAddress own = net::interface_address(options_.multicast_device);
      return put_option(value, own.bytes, own.size());
    }
    case abi::kIpHeaderIncluded:
      if (type() != abi::kSockRaw) return Errno::kNoProtoOpt;
      return store_ip_int(value, options_.header_included);
    case abi::kIpOptions:
      return usize{0};
    case abi::kIpMtu: {
      const u32 mtu = path_mtu();
      if (mtu == 0) return Errno::kNotConn;
      return store_ip_int(value, i32(mtu));
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

// --- IPPROTO_IPV6

Result<> InetSocket::set_ipv6_option(int name, std::span<const std::byte> value) {
  if (name == abi::kIpv6JoinGroup || name == abi::kIpv6LeaveGroup) {
    abi::Ipv6MulticastRequest request;
    if (value.size() < sizeof request) return Errno::kInval;
    std::memcpy(&request, value.data(), sizeof request);
    const IpAddress group = IpAddress::from_bytes(IpVersion::k6, request.group);
    if (!group.is_multicast()) return Errno::kInval;
    return change_membership(group, request.interface, name == abi::kIpv6JoinGroup);
  }
  if (name == abi::kMcastJoinGroup || name == abi::kMcastLeaveGroup)
    return set_ip_option(name, value);
  const i32 number = TRY(option_int(value));
  if (name == abi::kIpv6MulticastInterface && number != 0) TRY(net::find_interface(u32(number)));
  net::CoreGuard guard(net::core_lock);
  if (const Switch* entry = find_switch(kIpv6Switches, name)) {
    options_.*entry->field = number != 0;
    apply_options();
    return {};
  }
  switch (name) {
    case abi::kIpv6Only:
      if (is_bound()) return Errno::kInval;
      options_.v6_only = number != 0;
      break;
    case abi::kIpv6UnicastHops:
      if (number < -1 || number > 255) return Errno::kInval;
      options_.hops = i16(number);
      break;
    case abi::kIpv6MulticastHops:
      if (type() == abi::kSockStream) return Errno::kNoProtoOpt;
      if (number < -1 || number > 255) return Errno::kInval;
      options_.multicast_hops = i16(number);
      break;
    case abi::kIpv6MulticastInterface:
      options_.multicast_device = u32(number);
      break;
    case abi::kIpv6TrafficClass:
      if (number < -1 || number > 255) return Errno::kInval;
      options_.traffic_class = number == -1 ? 0 : u8(number);
      break;
    case abi::kIpv6Mtu: {
      // How large fragments may be, for who does not trust the path (RFC 8200: 1280 always gets
      // through). No device here takes less than an Ethernet, and its size is what is used.
      constexpr i32 kLeastMtu = 1280;
      if (number != 0 && number < kLeastMtu) return Errno::kInval;
      break;
    }
    case abi::kIpv6MtuDiscover:
      if (number < 0 || number > kMostMtuDiscover) return Errno::kInval;
      options_.mtu_discover6 = u8(number);
      break;
    default:
      return Errno::kNoProtoOpt;
  }
  apply_options();
  return {};
}

Result<usize> InetSocket::get_ipv6_option(int name, std::span<std::byte> value) {
  net::CoreGuard guard(net::core_lock);
  if (const Switch* entry = find_switch(kIpv6Switches, name))
    return put_option(value, options_.*entry->field);
  switch (name) {
    case abi::kIpv6Only:
      return put_option(value, options_.v6_only);
    case abi::kIpv6UnicastHops:
      return put_option(value, options_.hops < 0 ? kDefaultHops : options_.hops);
    case abi::kIpv6MulticastHops:
      return put_option(value, options_.multicast_hops < 0 ? 1 : options_.multicast_hops);
    case abi::kIpv6MulticastInterface:
      return put_option(value, i32(options_.multicast_device));
    case abi::kIpv6TrafficClass:
      return put_option(value, options_.traffic_class);
    case abi::kIpv6MtuDiscover:
      return put_option(value, options_.mtu_discover6);
    case abi::kIpv6Mtu: {
      const u32 mtu = path_mtu();
      if (mtu == 0) return Errno::kNotConn;
      return put_option(value, i32(mtu));
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

}  // namespace narwhal::inet
