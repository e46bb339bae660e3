#include "net/netlink/route.h"

#include "kernel/abi/socket.h"

namespace narwhal::netlink {
namespace {

using net::InterfaceAddress;
using net::InterfaceInfo;

// What all answers to a request have in common.
struct Answer {
  Writer& out;
  const Header& request;
  u32 port;
  u16 flags;

  template <typename T>
  void begin(u16 type, const T& body) {
    out.begin(type, flags, request.sequence, port, body);
  }
};

// --- links

constexpr u16 kEthernet = 1, kLoopback = 772;  // ARPHRD_*
constexpr u32 kIsUp = 0x1, kBroadcasts = 0x2, kLoops = 0x8, kRunning = 0x40, kMulticasts = 0x1000,
              kLowerUp = 0x10000;  // IFF_*
constexpr u8 kOperationUnknown = 0, kOperationDown = 2, kOperationUp = 6;
enum LinkAttribute : u16 {
  kLinkAddress = 1,
  kLinkBroadcast = 2,
  kLinkName = 3,
  kLinkMtu = 4,
  kLinkDiscipline = 6,
  kLinkStatistics = 7,
  kLinkQueueLength = 13,
  kLinkOperation = 16,
  kLinkMode = 17,
  kLinkStatistics64 = 23,
  kLinkGroup = 27,
  kLinkPromiscuity = 30,
  kLinkSendQueues = 31,
  kLinkReceiveQueues = 32,
  kLinkCarrier = 33,
};

// struct rtnl_link_stats and rtnl_link_stats64: the first eight, then errors of kinds that are not
// counted here.
template <typename T, usize kCount>
struct Statistics {
  T values[kCount] = {};
  explicit Statistics(const InterfaceInfo& info) {
    values[0] = T(info.received_packets);
    values[1] = T(info.sent_packets);
    values[2] = T(info.received_bytes);
    values[3] = T(info.sent_bytes);
    values[6] = T(info.received_dropped);
    values[7] = T(info.sent_dropped);
  }
};

std::string_view name_of(const InterfaceInfo& info) {
  return {info.name, strnlen(info.name, sizeof info.name)};
}

void write_link(Answer& answer, const InterfaceInfo& info) {
  LinkHeader header{};
  header.type = info.loopback ? kLoopback : kEthernet;
  header.index = i32(info.index);
  header.flags = info.loopback ? kLoops : kBroadcasts | kMulticasts;
  if (info.up) header.flags |= kIsUp;
  if (info.up && info.link) header.flags |= kRunning | kLowerUp;
  answer.begin(kNewLink, header);

  Writer& out = answer.out;
  out.attribute(kLinkName, name_of(info));
  out.attribute(kLinkQueueLength, u32{1000});
  out.attribute(kLinkOperation, info.loopback ? kOperationUnknown
                                : info.link   ? kOperationUp
                                              : kOperationDown);
  out.attribute(kLinkMode, u8{0});
  out.attribute(kLinkMtu, info.mtu);
  out.attribute(kLinkGroup, u32{0});
  out.attribute(kLinkPromiscuity, u32{0});
  out.attribute(kLinkSendQueues, u32{1});
  out.attribute(kLinkReceiveQueues, u32{1});
  out.attribute(kLinkCarrier, u8(info.link));
  out.attribute(kLinkDiscipline, std::string_view("noqueue"));
  MacAddress broadcast{};
  if (!info.loopback) std::memset(broadcast.bytes, 0xff, sizeof broadcast.bytes);
  out.attribute(kLinkAddress, info.mac.bytes, sizeof info.mac.bytes);
  out.attribute(kLinkBroadcast, broadcast.bytes, sizeof broadcast.bytes);
  const Statistics<u64, 25> statistics64(info);
  out.attribute(kLinkStatistics64, &statistics64, sizeof statistics64);
  const Statistics<u32, 24> statistics(info);
  out.attribute(kLinkStatistics, &statistics, sizeof statistics);
}

// --- addresses

constexpr u8 kScopeEverywhere = 0, kScopeLink = 253, kScopeHost = 254;  // RT_SCOPE_*
constexpr u8 kTentative = 0x40, kPermanent = 0x80;                      // IFA_F_*
enum AddressAttribute : u16 {
  kAddressAddress = 1,
  kAddressLocal = 2,
  kAddressLabel = 3,
  kAddressBroadcast = 4,
  kAddressTimes = 6,
  kAddressFlags = 8,
};

u8 family_of(const IpAddress& address) {
  return u8(address.is_v4() ? abi::kAfInet : abi::kAfInet6);
}

u8 scope_of(const IpAddress& address) {
  if (address.is_loopback()) return kScopeHost;
  // 169.254/16 is a link's, too, but Linux leaves that to whoever sets it.
  return address.is_v6() && address.is_link_local() ? kScopeLink : kScopeEverywhere;
}

// The address with all bits behind the prefix as given.
IpAddress with_host_bits(IpAddress address, u8 prefix_length, bool ones) {
  for (usize i = 0; i < address.size() * 8; ++i) {
    if (i < prefix_length) continue;
    const u8 bit = u8(0x80 >> i % 8);
    if (ones)
      address.bytes[i / 8] |= bit;
    else
      address.bytes[i / 8] &= u8(~bit);
  }
  return address;
}

void write_address(Answer& answer, const InterfaceInfo& info, const InterfaceAddress& entry) {
  const IpAddress& address = entry.address;
  AddressHeader header{};
  header.family = family_of(address);
  header.prefix_length = entry.prefix_length;
  header.flags = u8((entry.permanent ? kPermanent : 0) | (entry.tentative ? kTentative : 0));
  header.scope = scope_of(address);
  header.index = info.index;
  answer.begin(kNewAddress, header);

  Writer& out = answer.out;
  out.attribute(kAddressAddress, address.bytes, address.size());
  if (address.is_v4()) {
    out.attribute(kAddressLocal, address.bytes, address.size());
    if (!info.loopback && entry.prefix_length < 31) {
      const IpAddress all = with_host_bits(address, entry.prefix_length, true);
      out.attribute(kAddressBroadcast, all.bytes, all.size());
    }
    out.attribute(kAddressLabel, name_of(info));
  }
  out.attribute(kAddressFlags, u32{header.flags});
  // struct ifa_cacheinfo: preferred and valid for ever, of unknown age.
  const u32 times[4] = {~0u, ~0u, 0, 0};
  out.attribute(kAddressTimes, times, sizeof times);
}

// --- routes

constexpr u8 kTableMain = 254;
constexpr u8 kByKernel = 2, kByBoot = 3, kByRouter = 9;  // RTPROT_KERNEL, _BOOT, _RA
constexpr u8 kUnicast = 1;
enum RouteAttribute : u16 {
  kRouteDestination = 1,
  kRouteInterface = 4,
  kRouteGateway = 5,
  kRoutePriority = 6,
  kRouteSource = 7,
  kRouteTable = 15,
};
// What Linux gives to IPv6 routes of its own making, and to those that routers announce.
constexpr u32 kPriorityKernel6 = 256, kPriorityRouter6 = 1024;

void write_prefix_route(Answer& answer, const InterfaceInfo& info, const InterfaceAddress& entry) {
  const IpAddress& address = entry.address;
  RouteHeader header{};
  header.family = family_of(address);
  header.destination_length = entry.prefix_length;
  header.table = kTableMain;
  header.protocol = kByKernel;
  header.scope = address.is_v4() ? kScopeLink : kScopeEverywhere;
  header.type = kUnicast;
  answer.begin(kNewRoute, header);
  const IpAddress network = with_host_bits(address, entry.prefix_length, false);
  answer.out.attribute(kRouteTable, u32{kTableMain});
  answer.out.attribute(kRouteDestination, network.bytes, network.size());
  if (address.is_v4())
    answer.out.attribute(kRouteSource, address.bytes, address.size());
  else
    answer.out.attribute(kRoutePriority, kPriorityKernel6);
  answer.out.attribute(kRouteInterface, info.index);
}

void write_default_route(Answer& answer, const InterfaceInfo& info, const IpAddress& gateway) {
  RouteHeader header{};
  header.family = family_of(gateway);
  header.table = kTableMain;
  header.protocol = gateway.is_v4() ? kByBoot : kByRouter;
  header.scope = kScopeEverywhere;
  header.type = kUnicast;
  answer.begin(kNewRoute, header);
  answer.out.attribute(kRouteTable, u32{kTableMain});
  if (gateway.is_v6()) answer.out.attribute(kRoutePriority, kPriorityRouter6);
  answer.out.attribute(kRouteGateway, gateway.bytes, gateway.size());
  answer.out.attribute(kRouteInterface, info.index);
}

void write_routes(Answer& answer, const InterfaceInfo& info, u8 family) {
  const auto wanted = [family](const IpAddress& address) {
    return family == abi::kAfUnspecified || family == family_of(address);
  };
  if (!info.up) return;
  if (!info.gateway4.is_any() && wanted(info.gateway4))
    write_default_route(answer, info, info.gateway4);
  if (!info.gateway6.is_any() && wanted(info.gateway6))
    write_default_route(answer, info, info.gateway6);
  for (usize i = 0; i < info.address_count; ++i) {
    const InterfaceAddress& entry = info.addresses[i];
    // 127.0.0.0/8 is in the table of local routes, which is not shown.
    if (wanted(entry.address) && !(info.loopback && entry.address.is_v4()))
      write_prefix_route(answer, info, entry);
  }
}

// --- requests

Result<> dump(const Provider& provider, const Request& request, const Header& header, u8 family,
              DatagramList& out) {
  const bool ip =
      family == abi::kAfUnspecified || family == abi::kAfInet || family == abi::kAfInet6;
  if (header.type != kGetLink && !ip) return Errno::kOpNotSupp;
  const auto interfaces = TRY(provider.interfaces());
  Writer writer(out);
  Answer answer{writer, header, request.port, kMulti};
  for (const InterfaceInfo& info : interfaces) {
    if (header.type == kGetLink) write_link(answer, info);
    if (header.type == kGetRoute) write_routes(answer, info, family);
    if (header.type != kGetAddress) continue;
    for (usize i = 0; i < info.address_count; ++i)
      if (family == abi::kAfUnspecified || family == family_of(info.addresses[i].address))
        write_address(answer, info, info.addresses[i]);
  }
  const i32 no_error = 0;
  answer.begin(kDone, no_error);
  return writer.finish();
}

// The value of an attribute behind a request's header; empty when it is not there.
std::span<const std::byte> find_attribute(std::span<const std::byte> attributes, u16 type) {
  while (attributes.size() >= sizeof(Attribute)) {
    Attribute header;
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.length < sizeof header || header.length > attributes.size()) break;
    constexpr u16 kTypeMask = 0x3fff;
    if ((header.type & kTypeMask) == type)
      return attributes.subspan(sizeof header, header.length - sizeof header);
    const usize step = aligned(header.length);
    if (step >= attributes.size()) break;
    attributes = attributes.subspan(step);
  }
  return {};
}

// One link, by number or by name.
Result<> get_link(const Provider& provider, const Request& request, const Header& header,
                  DatagramList& out) {
  LinkHeader wanted;
  if (request.bytes.size() < sizeof header + sizeof wanted) return Errno::kInval;
  std::memcpy(&wanted, request.bytes.data() + sizeof header, sizeof wanted);
  const auto bytes =
      find_attribute(request.bytes.subspan(sizeof header + sizeof wanted), kLinkName);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const std::string_view name(text, text ? strnlen(text, bytes.size()) : 0);
  if (wanted.index < 0 || (wanted.index == 0 && name.empty())) return Errno::kInval;
  const auto interfaces = TRY(provider.interfaces());
  for (const InterfaceInfo& info : interfaces) {
    const bool found = wanted.index != 0 ? info.index == u32(wanted.index) : name_of(info) == name;
    if (!found) continue;
    Writer writer(out);
    Answer answer{writer, header, request.port, 0};
    write_link(answer, info);
    return writer.finish();
  }
  return Errno::kNoDev;
}

}  // namespace

Result<> answer(const Provider& provider, const Request& request, DatagramList& out) {
  Header header;
  std::memcpy(&header, request.bytes.data(), sizeof header);
  if (header.type > kLastType) return Errno::kOpNotSupp;
  // A message without even a family says nothing.
  if (request.bytes.size() <= sizeof header) return {};
  const u8 family = u8(request.bytes[sizeof header]);
  constexpr u16 kKindMask = 3, kKindGet = 2;
  if ((header.type & kKindMask) != kKindGet) {
    if (!request.may_change) return Errno::kPerm;
    return Errno::kOpNotSupp;  // interfaces are set up by the boot settings
  }
  const bool known =
      header.type == kGetLink || header.type == kGetAddress || header.type == kGetRoute;
  if (!known) return Errno::kOpNotSupp;
  if (header.flags & kDumpFlags) return dump(provider, request, header, family, out);
  return header.type == kGetLink ? get_link(provider, request, header, out)
                                 : Result<>(Errno::kOpNotSupp);
}

}  // namespace narwhal::netlink
