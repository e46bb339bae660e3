#include "net/inet/proc_net.h"

#include "net/lwip/connections.h"
#include "net/lwip/interface.h"

namespace narwhal::inet {
namespace {

void put_hex(TextSink& out, u64 value, unsigned digits) {
  char text[16];
  for (unsigned i = digits; i-- > 0; value >>= 4) text[i] = "0123456789ABCDEF"[value & 15];
  out << std::string_view(text, digits);
}

// Addresses are words in the machine's order, which is how Linux prints them.
void put_endpoint(TextSink& out, IpVersion version, const IpEndpoint& endpoint) {
  IpAddress address = endpoint.address;
  if (version == IpVersion::k6 && address.is_v4())
    address = address.is_any() ? IpAddress::any(version) : address.mapped();
  for (usize i = 0; i < address.size(); i += 4) {
    u32 word;
    std::memcpy(&word, address.bytes + i, sizeof word);
    put_hex(out, word, 8);
  }
  out << ':';
  put_hex(out, endpoint.port, 4);
}

struct Table {
  TextSink& out;
  IpVersion version;
  u32 rows = 0;
};

void put_row(const net::ConnectionInfo& info, Table& table, bool tcp) {
  if (info.version != table.version) return;
  TextSink& out = table.out;
  const usize start = out.size();
  out << padded(table.rows++, tcp ? 4 : 5) << ": ";
  put_endpoint(out, table.version, info.local);
  out << ' ';
  put_endpoint(out, table.version, info.remote);
  out << ' ';
  put_hex(out, u8(info.state), 2);
  out << ' ';
  put_hex(out, info.send_queue, 8);
  out << ':';
  put_hex(out, info.receive_queue, 8);
  out << " 00:00000000 ";
  put_hex(out, info.retransmits, 8);
  out << ' ' << padded(info.uid, 5) << "        0 " << info.inode;
  if (tcp)
    out << " 1 0000000000000000 20 4 30 10 -1";
  else
    out << " 2 0000000000000000 " << info.dropped;
  // Linux fills IPv4's rows up.
  if (table.version == IpVersion::k4)
    while (out.size() - start < (tcp ? 149u : 127u) && !out.truncated()) out << ' ';
  out << '\n';
}

Result<> put_tcp(TextSink& out, IpVersion version) {
  Table table{out, version};
  net::visit_tcp([](const net::ConnectionInfo& info,
                    void* data) { put_row(info, *static_cast<Table*>(data), true); },
                 &table);
  return {};
}
using VisitAll = void (*)(net::ConnectionVisitor visit, void* argument);
Result<> put_datagrams(TextSink& out, IpVersion version, VisitAll visit_all) {
  Table table{out, version};
  visit_all([](const net::ConnectionInfo& info,
               void* data) { put_row(info, *static_cast<Table*>(data), false); },
            &table);
  return {};
}

constexpr std::string_view kDatagramTitle6 =
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";

void put_right(TextSink& out, std::string_view text, usize width) {
  for (usize i = text.size(); i < width; ++i) out << ' ';
  out << text;
}

u32 word_of(const IpAddress& address) {
  u32 word;
  std::memcpy(&word, address.bytes, sizeof word);
  return word;
}
u32 mask_word(u8 prefix) {
  return __builtin_bswap32(prefix == 0 ? 0 : ~u32{0} << (32 - prefix));
}

void put_route(TextSink& out, const char* name, u32 destination, u32 gateway, u16 flags, u32 mask) {
  out << name << '\t';
  put_hex(out, destination, 8);
  out << '\t';
  put_hex(out, gateway, 8);
  out << '\t';
  put_hex(out, flags, 4);
  out << "\t0\t0\t0\t";
  put_hex(out, mask, 8);
  out << "\t0\t0\t0\n";
}

}  // namespace

Result<> show_tcp(TextSink& out) {
  out << "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
         "timeout inode                                                     \n";
  return put_tcp(out, IpVersion::k4);
}
Result<> show_tcp6(TextSink& out) {
  out << "  sl  local_address                         remote_address                        st "
         "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  return put_tcp(out, IpVersion::k6);
}
Result<> show_udp(TextSink& out) {
  out << "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
         "timeout inode ref pointer drops             \n";
  return put_datagrams(out, IpVersion::k4, net::visit_udp);
}
Result<> show_udp6(TextSink& out) {
  out << kDatagramTitle6;
  return put_datagrams(out, IpVersion::k6, net::visit_udp);
}
Result<> show_raw(TextSink& out) {
  out << "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
         "timeout inode ref pointer drops\n";
  return put_datagrams(out, IpVersion::k4, net::visit_raw);
}
Result<> show_raw6(TextSink& out) {
  out << kDatagramTitle6;
  return put_datagrams(out, IpVersion::k6, net::visit_raw);
}

Result<> show_devices(TextSink& out) {
  out << "Inter-|   Receive                                                |  Transmit\n"
         " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
         "drop fifo colls carrier compressed\n";
  const auto interfaces = TRY(net::list_interfaces());
  for (const net::InterfaceInfo& info : interfaces) {
    put_right(out, info.name, 6);
    out << ": " << padded(info.received_bytes, 7) << ' ' << padded(info.received_packets, 7)
        << "    0 " << padded(info.received_dropped, 4) << "    0     0          0         0 "
        << padded(info.sent_bytes, 8) << ' ' << padded(info.sent_packets, 7) << "    0 "
        << padded(info.sent_dropped, 4) << "    0     0       0          0\n";
  }
  return {};
}

Result<> show_routes(TextSink& out) {
  constexpr u16 kUp = 1, kGateway = 2;
  constexpr usize kLineWidth = 127;
  constexpr std::string_view kTitle =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
  out << kTitle;
  for (usize i = kTitle.size(); i < kLineWidth; ++i) out << ' ';
  out << '\n';
  const auto interfaces = TRY(net::list_interfaces());
  for (const net::InterfaceInfo& info : interfaces)
    if (!info.loopback && info.is_default && !info.gateway4.is_any())
      put_route(out, info.name, 0, word_of(info.gateway4), kUp | kGateway, 0);
  for (const net::InterfaceInfo& info : interfaces) {
    if (info.loopback) continue;
    for (usize i = 0; i < info.address_count; ++i) {
      const net::InterfaceAddress& address = info.addresses[i];
      if (!address.address.is_v4()) continue;
      const u32 mask = mask_word(address.prefix_length);
      put_route(out, info.name, word_of(address.address) & mask, 0, kUp, mask);
    }
  }
  return {};
}

Result<> show_ipv6_addresses(TextSink& out) {
  constexpr u8 kPermanent = 0x80, kTentative = 0x40;
  constexpr u8 kScopeHost = 0x10, kScopeLink = 0x20;
  const auto interfaces = TRY(net::list_interfaces());
  for (const net::InterfaceInfo& info : interfaces) {
    for (usize i = 0; i < info.address_count; ++i) {
      const net::InterfaceAddress& address = info.addresses[i];
      if (!address.address.is_v6()) continue;
      for (u8 byte : address.address.bytes) out << hex_digits(byte, 2);
      const u8 scope = address.address.is_loopback()     ? kScopeHost
                       : address.address.is_link_local() ? kScopeLink
                                                         : u8{0};
      const u8 flags =
          u8((address.permanent ? kPermanent : 0) | (address.tentative ? kTentative : 0));
      out << ' ' << hex_digits(info.index, 2) << ' ' << hex_digits(address.prefix_length, 2) << ' '
          << hex_digits(scope, 2) << ' ' << hex_digits(flags, 2) << ' ';
      put_right(out, info.name, 8);
      out << '\n';
    }
  }
  return {};
}

Result<> show_socket_counts(TextSink& out) {
  const net::ConnectionCounts counts = net::count_connections();
  const usize pages = (counts.packet_bytes + kPageSize - 1) / kPageSize;
  out << "sockets: used " << counts.tcp_in_use + counts.udp_in_use << "\nTCP: inuse "
      << counts.tcp_in_use << " orphan " << counts.tcp_orphaned << " tw " << counts.time_wait
      << " alloc " << counts.tcp_in_use + counts.tcp_orphaned << " mem " << pages << "\nUDP: inuse "
      << counts.udp_in_use << " mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";
  return {};
}

}  // namespace narwhal::inet
