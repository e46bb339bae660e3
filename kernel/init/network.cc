#include "kernel/init/network.h"

#include "fs/core/io_buffer.h"
#include "fs/proc/tree.h"
#include "kernel/init/devices.h"
#include "kernel/init/root.h"
#include "kernel/sched/wait_queue.h"
#include "kernel/uts/uts.h"
#include "net/inet/inet.h"
#include "net/inet/proc_net.h"
#include "net/lwip/connections.h"
#include "net/lwip/core.h"
#include "net/lwip/interface.h"
#include "net/netlink/netlink.h"
#include "net/packet/packet.h"

namespace narwhal {
namespace {

constexpr u64 kDhcpPatience = 5 * kNanosPerSecond;

struct AddressSetting {
  IpAddress address;
  u8 prefix_length = 0;
  IpAddress gateway;
};

// "ADDRESS/PREFIX,GATEWAY"; the gateway may be left out.
Result<AddressSetting> parse_address(std::string_view text, IpVersion version) {
  AddressSetting setting;
  const usize comma = text.find(',');
  if (comma != std::string_view::npos)
    setting.gateway = TRY(parse_ip_address(text.substr(comma + 1)));
  else
    setting.gateway = IpAddress::any(version);
  text = text.substr(0, comma);
  const usize slash = text.find('/');
  if (slash == std::string_view::npos) return Errno::kInval;
  setting.address = TRY(parse_ip_address(text.substr(0, slash)));
  const auto prefix = text.substr(slash + 1);
  if (prefix.empty() || prefix.size() > 3) return Errno::kInval;
  u32 length = 0;
  for (char c : prefix) {
    if (c < '0' || c > '9') return Errno::kInval;
    length = length * 10 + u32(c - '0');
  }
  const u32 most = version == IpVersion::k4 ? 32 : 128;
  if (length > most || setting.address.version != version || setting.gateway.version != version)
    return Errno::kInval;
  setting.prefix_length = u8(length);
  return setting;
}

void complain(std::string_view key, std::string_view value, Errno error) {
  LOG_ERROR("boot setting '" << key << "=" << value << "': " << error
                             << "; expected ADDRESS/PREFIX,GATEWAY");
}

bool has_ipv4(u32 index) {
  auto info = net::find_interface(index);
  if (!info.ok()) return false;
  for (usize i = 0; i < info.value().address_count; ++i)
    if (info.value().addresses[i].address.version == IpVersion::k4) return true;
  return false;
}

void run_dhcp(u32 index) {
  // For ever: DHCP tells it to the server again and again.
  static HostName name;
  name = host_name();
  static char text[sizeof name.text + 1];
  std::memcpy(text, name.text, name.size);
  if (auto started = net::start_dhcp(index, text); !started.ok()) {
    LOG_ERROR("DHCP could not be started: " << started.error());
    return;
  }
  const auto answered = [&]() -> Result<> {
    return has_ipv4(index) ? Result<>() : Result<>(Errno::kAgain);
  };
  if (!block_until_ready(net::interface_changes(), PollEvents::kAll,
                         platform::monotonic_ns() + kDhcpPatience, answered)
           .ok())
    LOG_WARN("no DHCP server has answered yet; the program starts without an IPv4 address");
}

void configure(u32 index, const BootSettings& settings) {
  if (settings.net == "dhcp") {
    run_dhcp(index);
  } else {
    auto setting = parse_address(settings.net, IpVersion::k4);
    auto set = setting.ok() ? net::set_ipv4(index, setting.value().address,
                                            setting.value().prefix_length, setting.value().gateway)
                            : Result<>(setting.error());
    if (!set.ok()) complain("net", settings.net, set.error());
  }
  if (settings.net6.empty()) {
    if (auto started = net::start_ipv6(index); !started.ok())
      LOG_WARN("IPv6 could not be started: " << started.error());
    return;
  }
  auto setting = parse_address(settings.net6, IpVersion::k6);
  auto set = setting.ok() ? net::add_ipv6(index, setting.value().address, setting.value().gateway)
                          : Result<>(setting.error());
  if (!set.ok()) complain("net6", settings.net6, set.error());
}

void set_name_servers(const BootSettings& settings) {
  usize count = 0;
  for (std::string_view text : settings.name_servers) {
    auto address = parse_ip_address(text);
    if (!address.ok())
      LOG_ERROR("boot setting 'dns=" << text << "': expected an IP address");
    else if (count < net::kMostNameServers)
      net::set_name_server(count++, address.value());
  }
}

// resolv.conf(5).
void write_resolver_settings() {
  IpAddress servers[net::kMostNameServers];
  const usize count = net::name_servers(servers);
  if (count == 0) return;
  Text<200> text;
  for (usize i = 0; i < count; ++i) text << "nameserver " << servers[i] << '\n';
  if (auto written = write_root_file("/etc/resolv.conf", text.view()); !written.ok())
    LOG_WARN("/etc/resolv.conf could not be written: " << written.error());
}

struct ProcFile {
  std::string_view name;
  ShowFunction show;
};
constexpr ProcFile kProcFiles[] = {
    {"tcp", inet::show_tcp},
    {"tcp6", inet::show_tcp6},
    {"udp", inet::show_udp},
    {"udp6", inet::show_udp6},
    {"raw", inet::show_raw},
    {"raw6", inet::show_raw6},
    {"dev", inet::show_devices},
    {"route", inet::show_routes},
    {"if_inet6", inet::show_ipv6_addresses},
    {"sockstat", inet::show_socket_counts},
};

// What peers elsewhere have not acknowledged, of all connections: bytes, and ends.
u64 unfinished() {
  u64 all = 0;
  net::visit_tcp(
      [](const net::ConnectionInfo& info, void* sum) {
        const IpAddress& peer = info.remote.address;
        if (info.state == net::TcpState::kListen || peer.is_loopback() ||
            peer == info.local.address)
          return;
        const bool ends = info.state == net::TcpState::kFinWait1 ||
                          info.state == net::TcpState::kClosing ||
                          info.state == net::TcpState::kLastAck;
        *static_cast<u64*>(sum) += info.send_queue + (ends ? 1 : 0);
      },
      &all);
  return all;
}

}  // namespace

void start_network(const BootSettings& settings) {
  if (auto started = net::core_init(); !started.ok()) {
    LOG_ERROR("the network could not be started: " << started.error());
    return;
  }
  inet::register_families();
  netlink::register_family({net::list_interfaces});
  packet::register_family();
  for (const ProcFile& file : kProcFiles)
    if (auto added = proc_add_text("net", file.name, file.show); !added.ok())
      LOG_ERROR("/proc/net/" << file.name << ": " << added.error());
  if (auto started = net::start_network_thread(); !started.ok())
    LOG_ERROR("the network's thread could not be started: " << started.error());
  if (settings.net == "none") return;
  set_name_servers(settings);
  for (Ref<NetDevice>& device : take_net_devices()) {
    auto index = net::add_interface(std::move(device));
    if (!index.ok()) {
      LOG_ERROR("a network card could not be used: " << index.error());
      continue;
    }
    configure(index.value(), settings);
  }
  write_resolver_settings();
}

void finish_sending() {
  constexpr u64 kPatience = 5 * kNanosPerSecond, kNeighbours = 2 * kNanosPerSecond;
  constexpr u64 kRest = kNanosPerMilli;
  const u64 begin = platform::monotonic_ns();
  u64 progress = begin;
  u64 least = ~u64{0};
  for (;;) {
    const u64 left = unfinished();
    const u64 now = platform::monotonic_ns();
    if (left < least) {
      least = left;
      progress = now;
    }
    const bool connections = left != 0 && now < progress + kPatience;
    const bool neighbours = now < begin + kNeighbours && net::packets_wait_for_neighbours();
    if (!connections && !neighbours) return;
    prepare_to_sleep();
    sleep_until(now + kRest, Interruptible::kNo).ignore();
  }
}

}  // namespace narwhal
