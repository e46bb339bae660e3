// Socket options of IPPROTO_TCP: tcp(7).
#include "net/inet/tcp_socket.h"
#include "net/lwip/routes.h"

namespace narwhal::inet {
namespace {

constexpr i32 kMostKeepIdle = 32767;
constexpr i32 kMostKeepInterval = 32767;
constexpr i32 kMostKeepCount = 127;
constexpr i32 kMostSynCount = 127;
constexpr i32 kDefaultSynCount = 6;  // /proc/sys/net/ipv4/tcp_syn_retries
constexpr i32 kLeastSegment = 88;
constexpr i32 kMostSegment = 32767;
constexpr i32 kMostLinger2 = 120;
// What lwIP does about congestion is closest to this one.
constexpr std::string_view kCongestion = "reno";
constexpr usize kCongestionNameSize = 16;

// Linux keeps TCP_DEFER_ACCEPT as a number of retransmissions, each taking twice as long.
i32 defer_seconds(i32 wanted) {
  if (wanted <= 0) return 0;
  i32 sum = 1, period = 1;
  while (sum < wanted && sum < 0x10000) {
    period = period * 2 < 120 ? period * 2 : 120;
    sum += period;
  }
  return sum;
}

bool in_range(i32 value, i32 least, i32 most) {
  return value >= least && value <= most;
}

}  // namespace

Result<> TcpSocket::set_option(int level, int name, std::span<const std::byte> value) {
  if (level != abi::kProtocolTcp) return InetSocket::set_option(level, name, value);
  if (name == abi::kTcpCongestion) {
    if (value.empty()) return Errno::kInval;
    std::string_view wanted(
        reinterpret_cast<const char*>(value.data()),
        value.size() < kCongestionNameSize ? value.size() : kCongestionNameSize - 1);
    wanted = wanted.substr(0, wanted.find('\0'));
    return wanted == kCongestion ? Result<>{} : Errno::kNoEnt;
  }
  const i32 number = TRY(option_int(value));
  net::CoreGuard guard(net::core_lock);
  return set_tcp_option(name, number);
}

Result<> TcpSocket::set_tcp_option(int name, i32 value) {
  net::TcpKeepalive keepalive = endpoint_.keepalive();
  switch (name) {
    case abi::kTcpNoDelay:
      endpoint_.set_no_delay(value != 0);
      return {};
    case abi::kTcpCork:
      endpoint_.set_cork(value != 0);
      return {};
    case abi::kTcpMaxSegment:
      if (value != 0 && !in_range(value, kLeastSegment, kMostSegment)) return Errno::kInval;
      tcp_options_.max_segment = u16(value);
      endpoint_.set_max_segment(u16(value));
      return {};
    case abi::kTcpKeepIdle:
      if (!in_range(value, 1, kMostKeepIdle)) return Errno::kInval;
      keepalive.idle_seconds = u32(value);
      break;
    case abi::kTcpKeepInterval:
      if (!in_range(value, 1, kMostKeepInterval)) return Errno::kInval;
      keepalive.interval_seconds = u32(value);
      break;
    case abi::kTcpKeepCount:
      if (!in_range(value, 1, kMostKeepCount)) return Errno::kInval;
      keepalive.probes = u32(value);
      break;
    case abi::kTcpSynCount:
      if (!in_range(value, 1, kMostSynCount)) return Errno::kInval;
      tcp_options_.syn_count = value;
      endpoint_.set_syn_retries(u8(value));
      return {};
    case abi::kTcpLinger2:
      tcp_options_.linger2 = value < 0 ? -1 : value > kMostLinger2 ? kMostLinger2 : value;
      return {};
    case abi::kTcpDeferAccept:
      tcp_options_.defer_accept = defer_seconds(value);
      return {};
    case abi::kTcpWindowClamp:
      if (value < 0) return Errno::kInval;
      tcp_options_.window_clamp = value;
      if (value != 0) endpoint_.set_receive_limit(usize(value));
      return {};
    case abi::kTcpQuickAck:
      endpoint_.set_quick_ack(value != 0);
      return {};
    case abi::kTcpUserTimeout:
      if (value < 0) return Errno::kInval;
      endpoint_.set_user_timeout(u32(value));
      return {};
    case abi::kTcpFastOpen:
      // Without the sysctl's say-so, which is the default, Linux takes it and does no more either.
      if (value < 0 || !(is_listening() || (endpoint_.state() == net::TcpState::kClose)))
        return Errno::kInval;
      tcp_options_.fast_open = value;
      return {};
    case abi::kTcpNotSentLowWater:
      tcp_options_.not_sent_low_water = u32(value);
      return {};
    default:
      return Errno::kNoProtoOpt;
  }
  endpoint_.set_keepalive(keepalive);
  return {};
}

Result<usize> TcpSocket::get_option(int level, int name, std::span<std::byte> value) {
  if (level != abi::kProtocolTcp) return InetSocket::get_option(level, name, value);
  net::CoreGuard guard(net::core_lock);
  switch (name) {
    case abi::kTcpNoDelay:
      return put_option(value, endpoint_.no_delay());
    case abi::kTcpCork:
      return put_option(value, endpoint_.cork());
    case abi::kTcpMaxSegment:
      return put_option(value, endpoint_.max_segment());
    case abi::kTcpKeepIdle:
      return put_option(value, i32(endpoint_.keepalive().idle_seconds));
    case abi::kTcpKeepInterval:
      return put_option(value, i32(endpoint_.keepalive().interval_seconds));
    case abi::kTcpKeepCount:
      return put_option(value, i32(endpoint_.keepalive().probes));
    case abi::kTcpSynCount:
      return put_option(value, tcp_options_.syn_count ? tcp_options_.syn_count : kDefaultSynCount);
    case abi::kTcpLinger2:
      return put_option(value, tcp_options_.linger2);
    case abi::kTcpDeferAccept:
      return put_option(value, tcp_options_.defer_accept);
    case abi::kTcpWindowClamp:
      return put_option(value, tcp_options_.window_clamp);
    case abi::kTcpQuickAck:
      return put_option(value, endpoint_.quick_ack());
    case abi::kTcpUserTimeout:
      return put_option(value, i32(endpoint_.user_timeout()));
    case abi::kTcpFastOpen:
      return put_option(value, tcp_options_.fast_open);
    case abi::kTcpNotSentLowWater:
      return put_option(value, i32(tcp_options_.not_sent_low_water));
    case abi::kTcpCongestion: {
      char name_bytes[kCongestionNameSize] = {};
      std::memcpy(name_bytes, kCongestion.data(), kCongestion.size());
      return put_option(value, name_bytes, sizeof name_bytes);
    }
    case abi::kTcpInfo:
      return tcp_info(value);
    default:
      return Errno::kNoProtoOpt;
  }
}

// What lwIP does not count stays zero.
usize TcpSocket::tcp_info(std::span<std::byte> out) {
  const net::TcpStatistics from = endpoint_.statistics();
  abi::TcpInfo info{};
  info.state = u8(from.state);
  info.retransmits = from.retransmits;
  info.probes = from.probes;
  info.backoff = from.backoff;
  constexpr u8 kSack = 2, kWindowScaling = 4;
  info.options = u8((from.sack ? kSack : 0) | (from.window_scaling ? kWindowScaling : 0));
  info.scales = u8((from.send_scale & 0xf) | from.receive_scale << 4);
  info.rto = from.rto_us;
  info.ato = 40'000;
  info.snd_mss = from.send_mss;
  info.rcv_mss = from.receive_mss;
  info.advmss = from.receive_mss;
  info.unacked = from.unacked_segments;
  info.sacked = from.state == net::TcpState::kListen ? endpoint_.backlog() : 0;
  info.retrans = from.retransmits;
  info.total_retrans = from.retransmitted_segments;
  info.rtt = from.rtt_us;
  info.rttvar = from.rtt_deviation_us;
  info.snd_cwnd = from.congestion_window;
  info.snd_ssthresh = from.slow_start_threshold;
  info.rcv_space = from.receive_window;
  info.rcv_ssthresh = from.receive_window;
  info.snd_wnd = from.send_window;
  info.notsent_bytes = from.unsent_bytes;
  info.bytes_sent = from.bytes_sent;
  info.bytes_acked = from.bytes_acked;
  info.bytes_received = from.bytes_received;
  info.pmtu = net::path_mtu(endpoint_.remote().address);
  info.pacing_rate = info.max_pacing_rate = ~u64{0};
  return put_option(out, &info, sizeof info);
}

}  // namespace narwhal::inet
