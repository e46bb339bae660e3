#include "net/inet/datagram_socket.h"

#include "kernel/abi/ioctl.h"
#include "net/core/control_message.h"
#include "net/lwip/routes.h"

namespace narwhal::inet {
namespace {

constexpr u32 kFirstBuffer = 212992;  // /proc/sys/net/core/rmem_default and wmem_default
constexpr u8 kMtuDiscoverDo = 2;
constexpr usize kMostGroups = 20;  // /proc/sys/net/ipv4/igmp_max_memberships

Result<i32> int_of(const ControlData::Raw& raw) {
  i32 value;
  if (raw.length < sizeof value) return Errno::kInval;
  std::memcpy(&value, raw.data, sizeof value);
  return value;
}

}  // namespace

DatagramSocket::DatagramSocket(int family, int type, int protocol, OpenFlags flags)
    : InetSocket(family, type, protocol, flags) {
  options_.receive_buffer = options_.send_buffer = kFirstBuffer;
}

void DatagramSocket::told(net::DatagramEndpoint::Event event) {
  queue_.wake(event == net::DatagramEndpoint::Event::kReadable
                  ? kPollReadable
                  : kPollReadable | kPollWritable | PollEvents::kErr);
}

void DatagramSocket::apply_options() {
  datagrams().set_receive_limit(options_.receive_buffer);
  datagrams().keep_reports(is_v6() ? options_.receive_error6 || options_.receive_error
                                   : options_.receive_error);
}

Result<> DatagramSocket::shutdown(int how) {
  if (how < abi::kShutRead || how > abi::kShutBoth) return Errno::kInval;
  net::CoreGuard guard(net::core_lock);
  // Linux refuses, and still remembers, for sockets that are not connected.
  if (how != abi::kShutWrite) read_shut_ = true;
  if (how != abi::kShutRead) write_shut_ = true;
  queue_.wake_all();
  return is_connected() ? Result<>{} : Errno::kNotConn;
}

PollEvents DatagramSocket::poll() {
  net::CoreGuard guard(net::core_lock);
  PollEvents events = kPollWritable;
  if (datagrams().front()) events |= kPollReadable;
  if (read_shut_) events |= kPollReadable | PollEvents::kRdHup;
  if (read_shut_ && write_shut_) events |= PollEvents::kHup;
  if (datagrams().error() != Errno{} || datagrams().has_reports()) events |= PollEvents::kErr;
  return events;
}

Result<i64> DatagramSocket::ioctl(u32 command, UserAddr argument) {
  i32 answer;
  switch (command) {
    case abi::kFionRead: {
      net::CoreGuard guard(net::core_lock);
      net::Datagram* first = datagrams().front();
      answer = first ? i32(first->size) : 0;
      break;
    }
    case abi::kTiocOutq:
      answer = 0;  // what was sent is with the device
      break;
    default:
      return InetSocket::ioctl(command, argument);
  }
  TRY(store_user(argument, answer));
  return i64{0};
}

// --- sending

// Control messages of the sender: where a datagram is to come from, and marks on it.
Result<> DatagramSocket::read_control(const ControlData& control, net::SendRequest& request) const {
  for (const ControlData::Raw& raw : control.raw) {
    if (raw.level == abi::kProtocolIp && raw.type == abi::kIpPacketInfo) {
      abi::PacketInfo info;
      if (raw.length < sizeof info) return Errno::kInval;
      std::memcpy(&info, raw.data, sizeof info);
      request.source = IpAddress::from_bytes(IpVersion::k4, info.specific_destination);
      if (info.interface != 0) request.device = u32(info.interface);
    } else if (raw.level == abi::kProtocolIpv6 && raw.type == abi::kIpv6PacketInfo) {
      abi::PacketInfo6 info;
      if (raw.length < sizeof info) return Errno::kInval;
      std::memcpy(&info, raw.data, sizeof info);
      request.source = IpAddress::from_bytes(IpVersion::k6, info.address).unmapped();
      if (info.interface != 0) request.device = info.interface;
    } else if ((raw.level == abi::kProtocolIp && raw.type == abi::kIpTtl) ||
               (raw.level == abi::kProtocolIpv6 && raw.type == abi::kIpv6HopLimit)) {
      const i32 hops = TRY(int_of(raw));
      if (hops < 1 || hops > 255) return Errno::kInval;
      request.hops = u8(hops);
    } else if (raw.level == abi::kProtocolIp && raw.type == abi::kIpTos) {
      if (raw.length == 0) return Errno::kInval;
      request.traffic_class = raw.data[0];
    } else if (raw.level == abi::kProtocolIpv6 && raw.type == abi::kIpv6TrafficClass) {
      request.traffic_class = u8(TRY(int_of(raw)));
    } else if (raw.level == abi::kProtocolIp || raw.level == abi::kProtocolIpv6) {
      return Errno::kInval;
    }
  }
  if (!request.source.is_any() && !options_.free_bind && !net::is_own_address(request.source))
    return Errno::kInval;
  return {};
}

Result<usize> DatagramSocket::send(Message& message) {
  if (message.flags & abi::kMsgOutOfBand) return Errno::kOpNotSupp;
  IpEndpoint to;
  const bool named = message.address && message.address->length != 0;
  net::CoreGuard guard(net::core_lock);
  if (named) to = TRY(parse_destination(*message.address));
  if (write_shut_) return Errno::kPipe;
  if (datagrams().error() != Errno{}) return datagrams().take_error();
  if (!named) {
    if (!is_connected()) return Errno::kDestAddrReq;
    to = default_destination();
  }
  if (to.port == 0 && type() == abi::kSockDatagram) return Errno::kInval;
  net::SendRequest request;
  request.to = to;
  request.source = IpAddress::any(to.address.version);
  request.device = options_.device;
  const bool v4 = to.address.is_v4();
  request.traffic_class = v4 ? options_.tos : options_.traffic_class;
  request.broadcast_allowed = options_.broadcast;
  request.multicast_loop = options_.multicast_loop;
  request.dont_fragment = v4 ? options_.mtu_discover >= kMtuDiscoverDo
                             : options_.mtu_discover6 >= kMtuDiscoverDo || options_.dont_fragment6;
  if (to.address.is_multicast()) {
    request.hops =
        v4 ? options_.multicast_ttl : u8(options_.multicast_hops < 0 ? 1 : options_.multicast_hops);
    if (options_.multicast_device != 0 && request.device == 0)
      request.device = options_.multicast_device;
  } else {
    const i16 hops = v4 ? options_.ttl : options_.hops;
    request.hops = hops < 0 ? u8{0} : u8(hops);
  }
  if (message.control) TRY(read_control(*message.control, request));
  return transmit(message.data, request, (message.flags & abi::kMsgMore) != 0);
}

// --- receiving

Result<usize> DatagramSocket::receive(Message& message) {
  if (message.flags & abi::kMsgErrorQueue) return receive_error(message);
  if (message.flags & abi::kMsgOutOfBand) return Errno::kOpNotSupp;
  net::CoreGuard guard(net::core_lock);
  if (datagrams().error() != Errno{}) return datagrams().take_error();
  net::Datagram* first = datagrams().front();
  if (!first) return read_shut_ ? Result<usize>(usize{0}) : Result<usize>(Errno::kAgain);
  const usize size = first->size;
  const bool cut = size > message.data.remaining();
  auto copied = datagrams().copy_front(message.data);
  if (copied.ok()) {
    if (message.address) store(first->from, *message.address);
    if (message.control && !add_control(*first, *message.control).ok())
      message.result_flags |= abi::kMsgControlTruncated;
    if (cut) message.result_flags |= abi::kMsgTruncated;
  }
  // A datagram whose copy failed is gone as well, as on Linux.
  if (!(message.flags & abi::kMsgPeek)) datagrams().drop_front();
  // With MSG_TRUNC the whole length is told, whatever was copied (udp(7)).
  if (copied.ok() && (message.flags & abi::kMsgTruncated)) return size;
  return copied;
}

Result<> DatagramSocket::add_control(const net::Datagram& datagram, ControlData& control) {
  TRY(add_receive_time(control, options_.timestamp, options_.timestamp_ns, datagram.received_ns));
  if (datagram.to.is_v4()) {
    if (options_.receive_info) {
      abi::PacketInfo info{};
      info.interface = i32(datagram.interface);
      const bool everybody = datagram.to.is_multicast() || net::is_broadcast_address(datagram.to);
      const IpAddress own = everybody ? net::interface_address(datagram.interface) : datagram.to;
      std::memcpy(info.specific_destination, own.bytes, sizeof info.specific_destination);
      std::memcpy(info.destination, datagram.to.bytes, sizeof info.destination);
      TRY(add_control_message(control, abi::kProtocolIp, abi::kIpPacketInfo, info));
    }
    if (options_.receive_ttl)
      TRY(add_control_message(control, abi::kProtocolIp, abi::kIpTtl, i32(datagram.hops)));
    if (options_.receive_tos)
      TRY(add_control_message(control, abi::kProtocolIp, abi::kIpTos, datagram.traffic_class));
  }
  if (!is_v6()) return {};
  if (options_.receive_info6) {
    abi::PacketInfo6 info{};
    const IpAddress to = datagram.to.mapped();
    std::memcpy(info.address, to.bytes, sizeof info.address);
    info.interface = datagram.interface;
    TRY(add_control_message(control, abi::kProtocolIpv6, abi::kIpv6PacketInfo, info));
  }
  if (options_.receive_hops6)
    TRY(add_control_message(control, abi::kProtocolIpv6, abi::kIpv6HopLimit, i32(datagram.hops)));
  if (options_.receive_class6)
    TRY(add_control_message(control, abi::kProtocolIpv6, abi::kIpv6TrafficClass,
                            i32(datagram.traffic_class)));
  return {};
}

// recvmsg(2), MSG_ERRQUEUE: what ICMP said, with the address that our packet was sent to. The
// packet itself is not kept.
Result<usize> DatagramSocket::receive_error(Message& message) {
  net::CoreGuard guard(net::core_lock);
  net::IcmpError error;
  if (!datagrams().take_report(error)) return Errno::kAgain;
  if (!datagrams().has_reports()) datagrams().take_error();
  message.result_flags |= abi::kMsgErrorQueue;
  if (message.address) store(error.remote, *message.address);
  if (!message.control) return usize{0};
  const bool v4 = error.reporter.is_v4();
  abi::ExtendedError extended{};
  extended.error = u32(error.error);
  extended.origin = v4 ? abi::kErrorOriginIcmp : abi::kErrorOriginIcmp6;
  extended.type = error.type;
  extended.code = error.code;
  extended.info = error.mtu;
  SocketAddress reporter;
  store({error.reporter, 0}, reporter);
  ControlData::Raw raw{};
  raw.level = is_v6() ? abi::kProtocolIpv6 : abi::kProtocolIp;
  raw.type = is_v6() ? abi::kIpv6ReceiveError : abi::kIpReceiveError;
  raw.length = u8(sizeof extended + reporter.length);
  std::memcpy(raw.data, &extended, sizeof extended);
  std::memcpy(raw.data + sizeof extended, reporter.bytes, reporter.length);
  if (!message.control->raw.push_back(raw).ok()) message.result_flags |= abi::kMsgControlTruncated;
  return usize{0};
}

// --- multicast

Result<> DatagramSocket::change_membership(const IpAddress& group, u32 interface, bool join) {
  net::CoreGuard guard(net::core_lock);
  for (usize i = 0; i < groups_.size(); ++i) {
    Membership& member = groups_[i];
    if (!(member.group == group) || (interface != 0 && member.interface != interface)) continue;
    if (join) return Errno::kAddrInUse;
    net::leave_group(group, member.interface).ignore();
    member = groups_[groups_.size() - 1];
    groups_.pop_back();
    return {};
  }
  if (!join) return Errno::kAddrNotAvail;
  if (groups_.size() >= kMostGroups) return Errno::kNoBufs;
  TRY(groups_.push_back({group, 0}));
  auto joined = net::join_group(group, interface);
  if (!joined.ok()) {
    groups_.pop_back();
    return joined.error();
  }
  groups_[groups_.size() - 1].interface = joined.value();
  return {};
}

void DatagramSocket::leave_groups() {
  for (const Membership& member : groups_)
    net::leave_group(member.group, member.interface).ignore();
}

}  // namespace narwhal::inet
