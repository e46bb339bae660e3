#include "net/packet/socket.h"

#include "kernel/abi/ioctl.h"
#include "kernel/sched/clock.h"
#include "net/core/control_message.h"
#include "net/core/socket_actor.h"
#include "net/core/socket_families.h"
#include "net/packet/packet.h"

namespace narwhal::packet {
namespace {

constexpr u8 kAddressLength = sizeof(MacAddress);
constexpr usize kAddressAt = offsetof(abi::LinkAddress, address);

constexpr u16 network_order(u16 number) {
  return __builtin_bswap16(number);
}

u16 hardware_type(bool loopback) {
  return loopback ? abi::kHardwareLoopback : abi::kHardwareEthernet;
}

Result<abi::LinkAddress> load_address(const SocketAddress& address) {
  abi::LinkAddress loaded;
  if (address.length < sizeof loaded) return Errno::kInval;
  std::memcpy(&loaded, address.bytes, sizeof loaded);
  return loaded;
}

}  // namespace

PacketSocket::PacketSocket(int type, OpenFlags flags) : Socket(abi::kAfPacket, type, 0, flags) {}

PacketSocket::~PacketSocket() {
  net::CoreGuard guard(net::core_lock);
  tap_.listen(0, 0);
  while (packets_.front()) drop_front();
}

void PacketSocket::open(u16 protocol) {
  net::CoreGuard guard(net::core_lock);
  tap_.listen(protocol, 0);
}

Result<> PacketSocket::bind(const SocketAddress& address) {
  const abi::LinkAddress wanted = TRY(load_address(address));
  if (wanted.family != abi::kAfPacket) return Errno::kInval;
  net::CoreGuard guard(net::core_lock);
  if (wanted.interface != 0) TRY(net::find_link(u32(wanted.interface)));
  const u16 protocol = wanted.protocol != 0 ? network_order(wanted.protocol) : tap_.protocol();
  tap_.listen(protocol, u32(wanted.interface));
  return {};
}

Result<> PacketSocket::local_address(SocketAddress& out) {
  net::CoreGuard guard(net::core_lock);
  abi::LinkAddress own{};
  own.family = abi::kAfPacket;
  own.protocol = network_order(tap_.protocol());
  own.interface = i32(tap_.interface());
  if (const auto link = net::find_link(tap_.interface()); link.ok()) {
    own.hardware_type = hardware_type(link.value().loopback);
    own.address_length = kAddressLength;
    std::memcpy(own.address, link.value().mac.bytes, kAddressLength);
  }
  std::memcpy(out.bytes, &own, sizeof own);
  out.length = u32(kAddressAt + own.address_length);
  return {};
}

// --- what passes

void PacketSocket::take(const net::TappedFrame& frame) {
  if (is_on(abi::kPacketIgnoreOutgoing) && frame.kind == net::TappedFrame::Kind::kOutgoing) return;
  ++counts_.packets;
  const usize skipped = sees_headers() ? 0 : net::kLinkHeaderSize;
  const usize size = frame.size() - skipped;
  auto packet = queued_bytes_ < usize(options_.receive_buffer())
                    ? make_own<Packet>()
                    : Result<Own<Packet>>(Errno::kNoBufs);
  if (!packet.ok() || !packet.value()->bytes.resize(size).ok()) {
    ++counts_.dropped;
    return;
  }
  Packet& taken = *packet.value();
  frame.copy(taken.bytes.data(), skipped, size);
  taken.received_ns = wall_clock_ns();
  taken.from.family = abi::kAfPacket;
  taken.from.protocol = network_order(frame.protocol);
  taken.from.interface = i32(frame.interface);
  taken.from.hardware_type = hardware_type(frame.loopback);
  taken.from.packet_type = u8(frame.kind);
  taken.from.address_length = kAddressLength;
  std::memcpy(taken.from.address, frame.header + kAddressLength, kAddressLength);
  queued_bytes_ += taken.footprint();
  packets_.push_back(*packet.value().release());
  queue_.wake(kPollReadable);
}

void PacketSocket::drop_front() {
  Packet* first = packets_.pop_front();
  queued_bytes_ -= first->footprint();
  delete first;
}

Result<usize> PacketSocket::receive(Message& message) {
  constexpr u32 kKnown =
      abi::kMsgPeek | abi::kMsgDontWait | abi::kMsgTruncated | abi::kMsgErrorQueue;
  if (message.flags & ~kKnown & ~(abi::kMsgCloseOnExec | abi::kMsgWaitForOne)) return Errno::kInval;
  if (message.flags & abi::kMsgErrorQueue) return Errno::kAgain;
  net::CoreGuard guard(net::core_lock);
  const Packet* first = packets_.front();
  if (!first) return Errno::kAgain;
  const usize size = first->bytes.size();
  const usize room = message.data.remaining();
  const usize wanted = room < size ? room : size;
  if (wanted != 0 && TRY(message.data.write(first->bytes.data(), wanted)) != wanted)
    return Errno::kFault;
  if (wanted < size) message.result_flags |= abi::kMsgTruncated;
  if (message.address) {
    std::memcpy(message.address->bytes, &first->from, sizeof first->from);
    message.address->length = sizeof first->from;
  }
  if (message.control && !add_control(*first, *message.control).ok())
    message.result_flags |= abi::kMsgControlTruncated;
  if (!(message.flags & abi::kMsgPeek)) drop_front();
  return message.flags & abi::kMsgTruncated ? size : wanted;
}

Result<> PacketSocket::add_control(const Packet& packet, ControlData& control) {
  TRY(add_receive_time(control, timestamp_, timestamp_ns_, packet.received_ns));
  if (!is_on(abi::kPacketAuxiliaryData)) return {};
  abi::PacketAuxiliaryData data{};
  data.status = abi::kPacketForUser;
  data.length = data.captured = u32(packet.bytes.size());
  data.network_at = sees_headers() ? u16(net::kLinkHeaderSize) : u16{0};
  return add_control_message(control, abi::kSolPacket, abi::kPacketAuxiliaryData, data);
}

PollEvents PacketSocket::poll() {
  net::CoreGuard guard(net::core_lock);
  return packets_.front() ? kPollReadable | kPollWritable : kPollWritable;
}

Result<i64> PacketSocket::ioctl(u32 command, UserAddr argument) {
  if (command != abi::kFionRead && command != abi::kTiocOutq)
    return Socket::ioctl(command, argument);
  net::CoreGuard guard(net::core_lock);
  const Packet* first = command == abi::kFionRead ? packets_.front() : nullptr;
  TRY(store_user(argument, first ? i32(first->bytes.size()) : 0));
  return i64{0};
}

// --- sending

Result<usize> PacketSocket::send(Message& message) {
  net::CoreGuard guard(net::core_lock);
  u32 interface = tap_.interface();
  u16 protocol = tap_.protocol();
  const u8* destination = nullptr;
  abi::LinkAddress to;
  if (message.address && message.address->length != 0) {
    to = TRY(load_address(*message.address));
    interface = u32(to.interface);
    protocol = network_order(to.protocol);
    if (to.address_length != 0) destination = to.address;
  }
  if (sees_headers()) return tap_.send(interface, message.data, nullptr);
  auto link = net::find_link(interface);
  if (!link.ok()) return Errno::kNxIo;
  // Loopback's frames need no address.
  if (!destination && !link.value().loopback) return Errno::kInval;
  u8 header[net::kLinkHeaderSize] = {};
  if (destination) std::memcpy(header, destination, kAddressLength);
  std::memcpy(header + kAddressLength, link.value().mac.bytes, kAddressLength);
  header[2 * kAddressLength] = u8(protocol >> 8);
  header[2 * kAddressLength + 1] = u8(protocol);
  return tap_.send(interface, message.data, header);
}

// --- options

// Devices hand over all that comes to them, so there is nothing to ask of them.
Result<> PacketSocket::change_membership(std::span<const std::byte> value) {
  abi::PacketMembership wanted{};
  if (value.size() < sizeof wanted) return Errno::kInval;
  std::memcpy(&wanted, value.data(), sizeof wanted);
  net::CoreGuard guard(net::core_lock);
  TRY(net::find_link(u32(wanted.interface)));
  if (wanted.kind > abi::kPacketMostMemberKind || wanted.address_length > kAddressLength)
    return Errno::kInval;
  return {};
}

Result<> PacketSocket::set_option(int level, int name, std::span<const std::byte> value) {
  if (level == abi::kSolSocket) {
    const bool forced = name == abi::kSoSendBufferForce;
    if (name != abi::kSoTimestamp && name != abi::kSoTimestampNs && name != abi::kSoSendBuffer &&
        !forced)
      return options_.set(name, value);
    const i32 number = TRY(option_int(value));
    if (forced && !socket_actor().credentials->capable(Capability::kNetAdmin)) return Errno::kPerm;
    net::CoreGuard guard(net::core_lock);
    if (name == abi::kSoTimestamp || name == abi::kSoTimestampNs) {
      timestamp_ = number != 0 && name == abi::kSoTimestamp;
      timestamp_ns_ = number != 0 && name == abi::kSoTimestampNs;
    } else {
      send_buffer_ = BasicOptions::buffer_size(number, BasicOptions::kLeastSendBuffer, forced);
    }
    return {};
  }
  if (level != abi::kSolPacket) return Errno::kNoProtoOpt;
  switch (name) {
    case abi::kPacketAddMembership:
      return change_membership(value);
    case abi::kPacketDropMembership:
      // Of what one is not a member, one may leave.
      return value.size() < sizeof(abi::PacketMembership) ? Errno::kInval : Errno{};
    case abi::kPacketAuxiliaryData:
    case abi::kPacketOriginalDevice:
    case abi::kPacketIgnoreOutgoing: {
      const i32 number = TRY(option_int(value));
      if (name == abi::kPacketIgnoreOutgoing && (number < 0 || number > 1)) return Errno::kInval;
      net::CoreGuard guard(net::core_lock);
      switches_ = number != 0 ? switches_ | 1u << name : switches_ & ~(1u << name);
      return {};
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

usize PacketSocket::take_counts(std::span<std::byte> out) {
  net::CoreGuard guard(net::core_lock);
  const abi::PacketCounts taken = std::exchange(counts_, {});
  return put_option(out, &taken, sizeof taken);
}

Result<usize> PacketSocket::get_option(int level, int name, std::span<std::byte> out) {
  if (level == abi::kSolSocket) {
    switch (name) {
      case abi::kSoError:
      case abi::kSoAcceptConnections:
        return put_option(out, 0);
      case abi::kSoTimestamp:
        return put_option(out, i32(timestamp_));
      case abi::kSoTimestampNs:
        return put_option(out, i32(timestamp_ns_));
      case abi::kSoSendBuffer:
        return put_option(out, send_buffer_);
      default:
        return options_.get(name, out);
    }
  }
  if (level != abi::kSolPacket) return Errno::kNoProtoOpt;
  switch (name) {
    case abi::kPacketStatistics:
      return take_counts(out);
    case abi::kPacketAuxiliaryData:
    case abi::kPacketOriginalDevice:
    case abi::kPacketIgnoreOutgoing:
      return put_option(out, i32(is_on(name)));
    default:
      return Errno::kNoProtoOpt;
  }
}

// --- the family

namespace {

Result<Ref<Socket>> create_packet_socket(int type, int protocol, OpenFlags flags) {
  if (!socket_actor().credentials->capable(Capability::kNetRaw)) return Errno::kPerm;
  if (type != abi::kSockRaw && type != abi::kSockDatagram) return Errno::kSockTNoSupport;
  auto socket = TRY(make_ref<PacketSocket>(type, flags));
  socket->open(network_order(u16(protocol)));
  return Ref<Socket>(std::move(socket));
}

}  // namespace

void register_family() {
  register_socket_family(abi::kAfPacket, create_packet_socket);
}

}  // namespace narwhal::packet
