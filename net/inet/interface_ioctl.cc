// Questions about network interfaces by ioctl(2): netdevice(7).
#include "kernel/platform/user.h"
#include "net/core/socket_actor.h"
#include "net/inet/inet_socket.h"
#include "net/lwip/interface.h"

namespace narwhal::inet {
namespace {

constexpr u32 kGetConfiguration = 0x8912;
constexpr u32 kGetFlags = 0x8913;
constexpr u32 kSetFlags = 0x8914;
constexpr u32 kGetAddress = 0x8915;
constexpr u32 kSetAddress = 0x8916;
constexpr u32 kGetPeerAddress = 0x8917;
constexpr u32 kGetBroadcast = 0x8919;
constexpr u32 kGetNetmask = 0x891b;
constexpr u32 kSetNetmask = 0x891c;
constexpr u32 kGetMetric = 0x891d;
constexpr u32 kGetMtu = 0x8921;
constexpr u32 kSetMtu = 0x8922;
constexpr u32 kGetHardwareAddress = 0x8927;
constexpr u32 kGetIndex = 0x8933;
constexpr u32 kGetName = 0x8910;
constexpr u32 kGetQueueLength = 0x8942;
constexpr u32 kAddRoute = 0x890b;
constexpr u32 kDeleteRoute = 0x890c;

constexpr u16 kUp = 0x1, kBroadcast = 0x2, kLoopback = 0x8, kRunning = 0x40, kMulticast = 0x1000;
constexpr u16 kHardwareEthernet = 1, kHardwareLoopback = 772;

struct Request {  // struct ifreq
  char name[16];
  u8 data[24];
};
static_assert(sizeof(Request) == 40);

struct Configuration {  // struct ifconf
  i32 length;
  u32 padding;
  u64 buffer;
};

void put_address(Request& request, const IpAddress& address) {
  SocketAddress out;
  store_address(abi::kAfInet, {address, 0}, out);
  std::memcpy(request.data, out.bytes, out.length);
}
template <typename T>
void put(Request& request, T value) {
  std::memcpy(request.data, &value, sizeof value);
}

const net::InterfaceAddress* address4(const net::InterfaceInfo& info) {
  for (usize i = 0; i < info.address_count; ++i)
    if (info.addresses[i].address.is_v4()) return &info.addresses[i];
  return nullptr;
}
IpAddress netmask(u8 prefix) {
  const u32 mask = prefix == 0 ? 0 : ~u32{0} << (32 - prefix);
  return IpAddress::v4(u8(mask >> 24), u8(mask >> 16), u8(mask >> 8), u8(mask));
}

u16 flags_of(const net::InterfaceInfo& info) {
  u16 flags = info.loopback ? kLoopback : kBroadcast | kMulticast;
  if (info.up) flags |= kUp;
  if (info.up && info.link) flags |= kRunning;
  return flags;
}

// Those that have an IPv4 address, as many as there is room for; without a buffer, the room that
// all of them need.
Result<i64> list_addresses(UserAddr argument) {
  Configuration configuration = TRY(load_user<Configuration>(argument));
  if (configuration.length < 0) return Errno::kInval;
  const auto interfaces = TRY(net::list_interfaces());
  i32 used = 0;
  for (const net::InterfaceInfo& info : interfaces) {
    const net::InterfaceAddress* address = address4(info);
    if (!address) continue;
    if (configuration.buffer != 0) {
      if (usize(configuration.length - used) < sizeof(Request)) break;
      Request request{};
      std::memcpy(request.name, info.name, sizeof request.name);
      put_address(request, address->address);
      TRY(store_user(UserAddr(configuration.buffer + u64(used)), request));
    }
    used += i32(sizeof(Request));
  }
  configuration.length = used;
  TRY(store_user(argument, configuration));
  return i64{0};
}

// ENODEV, EADDRNOTAVAIL.
Result<> answer(u32 command, const net::InterfaceInfo& info, Request& request) {
  const net::InterfaceAddress* address = address4(info);
  std::memset(request.data, 0, sizeof request.data);
  switch (command) {
    case kGetFlags:
      put(request, flags_of(info));
      return {};
    case kGetMetric:
      put(request, i32{0});
      return {};
    case kGetMtu:
      put(request, i32(info.mtu));
      return {};
    case kGetIndex:
      put(request, i32(info.index));
      return {};
    case kGetQueueLength:
      put(request, i32{1000});
      return {};
    case kGetHardwareAddress:
      put(request, info.loopback ? kHardwareLoopback : kHardwareEthernet);
      std::memcpy(request.data + sizeof(u16), info.mac.bytes, sizeof info.mac.bytes);
      return {};
    default:
      break;
  }
  if (!address) return Errno::kAddrNotAvail;
  IpAddress shown = address->address;
  const IpAddress mask = netmask(address->prefix_length);
  if (command == kGetNetmask) shown = mask;
  if (command == kGetBroadcast) {
    for (usize i = 0; i < 4; ++i) shown.bytes[i] |= u8(~mask.bytes[i]);
    if (info.loopback) shown = IpAddress::any(IpVersion::k4);
  }
  put_address(request, shown);
  return {};
}

bool is_change(u32 command) {
  return command == kSetFlags || command == kSetAddress || command == kSetNetmask ||
         command == kSetMtu || command == kAddRoute || command == kDeleteRoute;
}

}  // namespace

Result<i64> interface_ioctl(u32 command, UserAddr argument) {
  switch (command) {
    case kGetConfiguration:
      return list_addresses(argument);
    case kGetName: {
      Request request = TRY(load_user<Request>(argument));
      u32 index;
      std::memcpy(&index, request.data, sizeof index);
      const auto info = TRY(net::find_interface(index));
      std::memcpy(request.name, info.name, sizeof request.name);
      TRY(store_user(argument, request));
      return i64{0};
    }
    case kGetFlags:
    case kGetAddress:
    case kGetPeerAddress:
    case kGetBroadcast:
    case kGetNetmask:
    case kGetMetric:
    case kGetMtu:
    case kGetHardwareAddress:
    case kGetIndex:
    case kGetQueueLength: {
      Request request = TRY(load_user<Request>(argument));
      request.name[sizeof request.name - 1] = '\0';
      const auto info = TRY(net::find_interface(std::string_view(request.name)));
      TRY(answer(command, info, request));
      TRY(store_user(argument, request));
      return i64{0};
    }
    default:
      if (!is_change(command)) return Errno::kNotTty;
      // The settings of `narwhal run` are the machine's: no program changes them.
      TRY(load_user<Request>(argument));
      return Errno::kPerm;
  }
}

}  // namespace narwhal::inet
