#include "net/netlink/socket.h"

#include "net/core/socket_actor.h"
#include "net/core/socket_families.h"

namespace narwhal::netlink {
namespace {

constexpr int kRouteProtocol = 0;  // NETLINK_ROUTE
constexpr int kProtocols = 32;     // MAX_LINKS

struct Address {  // struct sockaddr_nl
  u16 family;
  u16 padding;
  u32 port;
  u32 groups;
};

// Options of SOL_NETLINK.
constexpr int kAddMembership = 1, kDropMembership = 2, kPacketInfo = 3, kBroadcastError = 4,
              kNoBufferError = 5, kListMemberships = 9, kCapAcknowledgements = 10,
              kExtendedAcknowledgements = 11, kStrictChecks = 12;

constinit SpinLock<LockRank::kSpinOther> ports_lock;
constinit List<NetlinkSocket, &NetlinkSocket::port_node> ports TA_GUARDED_BY(ports_lock);
constinit Provider the_provider;

Result<Address> load_address(const SocketAddress& address) {
  Address loaded;
  if (address.length < sizeof loaded) return Errno::kInval;
  std::memcpy(&loaded, address.bytes, sizeof loaded);
  if (loaded.family != abi::kAfNetlink) return Errno::kInval;
  return loaded;
}

void store_address(u32 port, u32 groups, SocketAddress& out) {
  const Address address{u16(abi::kAfNetlink), 0, port, groups};
  std::memcpy(out.bytes, &address, sizeof address);
  out.length = sizeof address;
}

bool may_administer() {
  return socket_actor().credentials->capable(Capability::kNetAdmin);
}

}  // namespace

NetlinkSocket::NetlinkSocket(const Provider& provider, int type, int protocol, OpenFlags flags)
    : Socket(abi::kAfNetlink, type, protocol, flags), provider_(provider) {}

NetlinkSocket::~NetlinkSocket() {
  SpinGuard guard(ports_lock);
  if (port_node.linked()) port_node.unlink();
}

Result<> NetlinkSocket::take_port(u32 wanted) {
  // Where made-up numbers begin; they count down, as on Linux.
  constexpr u32 kMadeUp = u32(-4097);
  const u32 own = u32(socket_actor().pid);
  SpinGuard guard(ports_lock);
  if (port_.load() != 0) return wanted == 0 || wanted == port_.load() ? Errno{} : Errno::kInval;
  const auto taken = [](u32 port) TA_NO_ANALYSIS {
    for (NetlinkSocket& other : ports)
      if (other.port() == port) return true;
    return false;
  };
  u32 port = wanted != 0 ? wanted : own;
  if (wanted != 0 && taken(port)) return Errno::kAddrInUse;
  for (u32 next = kMadeUp; taken(port); --next) port = next;
  port_.store(port);
  ports.push_back(*this);
  return {};
}

Result<> NetlinkSocket::bind(const SocketAddress& address) {
  const Address wanted = TRY(load_address(address));
  TRY(take_port(wanted.port));
  groups_.store(wanted.groups);
  return {};
}

Result<> NetlinkSocket::connect(const SocketAddress& address) {
  if (address.length < sizeof(u16)) return Errno::kInval;
  if (address.family() == abi::kAfUnspecified) return {};
  const Address wanted = TRY(load_address(address));
  // Only the kernel answers here.
  if ((wanted.port != 0 || wanted.groups != 0) && !may_administer()) return Errno::kPerm;
  if (wanted.port != 0) return Errno::kConnRefused;
  return take_port(0);
}

Result<> NetlinkSocket::local_address(SocketAddress& out) {
  store_address(port(), groups_.load(), out);
  return {};
}

Result<> NetlinkSocket::peer_address(SocketAddress& out) {
  store_address(0, 0, out);
  return {};
}

// An NLMSG_ERROR message: the error, or 0, and the request or its header.
Result<> NetlinkSocket::acknowledge(std::span<const std::byte> request, Errno error,
                                    DatagramList& out) {
  Header header;
  std::memcpy(&header, request.data(), sizeof header);
  const bool capped = error == Errno{} || (switches_.load() >> kCapAcknowledgements & 1);
  Writer writer(out);
  const i32 code = -i32(error);
  writer.begin(kError, capped ? kCapped : u16{0}, header.sequence, port(), code);
  writer.append(request.data(), capped ? sizeof header : request.size());
  return writer.finish();
}

void NetlinkSocket::process(std::span<const std::byte> bytes, bool may_change, DatagramList& out) {
  while (bytes.size() >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    // What is malformed ends the datagram without an answer.
    if (header.length < sizeof header || header.length > bytes.size()) return;
    const auto message = bytes.first(header.length);
    bool wants_answer = (header.flags & kAcknowledge) != 0;
    Errno error{};
    if ((header.flags & kRequest) && header.type >= kFirstType) {
      error = answer(provider_, {message, port(), may_change}, out).error();
      // The end of a dump is its acknowledgement.
      if (error == Errno{} && (header.flags & kDumpFlags)) wants_answer = false;
    }
    if (wants_answer || error != Errno{}) acknowledge(message, error, out).ignore();
    const usize step = aligned(header.length);
    if (step >= bytes.size()) return;
    bytes = bytes.subspan(step);
  }
}

Result<usize> NetlinkSocket::send(Message& message) {
  constexpr i32 kOverhead = 32;
  if (message.flags & abi::kMsgOutOfBand) return Errno::kOpNotSupp;
  const usize size = message.data.remaining();
  if (size == 0) return Errno::kNoData;
  u32 destination = 0;
  if (message.address && message.address->length != 0) {
    const Address to = TRY(load_address(*message.address));
    if ((to.port != 0 || to.groups != 0) && !may_administer()) return Errno::kPerm;
    destination = to.port;
  }
  TRY(take_port(0));
  if (size > usize(send_buffer_.load() - kOverhead)) return Errno::kMsgSize;
  Vector<std::byte> bytes;
  if (!bytes.resize(size).ok()) return Errno::kNoBufs;
  if (TRY(message.data.read(bytes.data(), size)) != size) return Errno::kFault;
  if (destination != 0) return Errno::kConnRefused;

  DatagramList answers;
  process(bytes, may_administer(), answers);
  if (answers.empty()) return size;
  Guard guard(mutex_);
  // Who asks without listening loses answers, and is told (netlink(7), ENOBUFS).
  if (answers_.bytes() + answers.bytes() > usize(options_.receive_buffer())) {
    if (!(switches_.load() >> kNoBufferError & 1)) error_ = Errno::kNoBufs;
  } else {
    answers_.take_all(answers);
  }
  wait_queue_.wake(kPollReadable);
  return size;
}

Result<> NetlinkSocket::deliver(std::span<const std::byte> bytes) {
  auto datagram = TRY(make_own<Datagram>());
  TRY(datagram->bytes.append(bytes));
  {
    Guard guard(mutex_);
    answers_.push_back(*datagram.release());
  }
  wait_queue_.wake(kPollReadable);
  return {};
}

Result<usize> NetlinkSocket::receive(Message& message) {
  if (message.flags & abi::kMsgOutOfBand) return Errno::kOpNotSupp;
  Guard guard(mutex_);
  if (error_ != Errno{}) return std::exchange(error_, Errno{});
  Datagram* datagram = answers_.front();
  if (!datagram) return Errno::kAgain;
  const usize size = datagram->bytes.size();
  const usize room = message.data.remaining();
  const usize wanted = room < size ? room : size;
  if (wanted != 0 && TRY(message.data.write(datagram->bytes.data(), wanted)) != wanted)
    return Errno::kFault;
  if (wanted < size) message.result_flags |= abi::kMsgTruncated;
  if (message.address) store_address(0, 0, *message.address);
  if (message.control && pass_credentials_.load()) {
    message.control->has_credentials = true;
    message.control->credentials = {};  // the kernel's
  }
  if (!(message.flags & abi::kMsgPeek)) answers_.drop_front();
  return message.flags & abi::kMsgTruncated ? size : wanted;
}

PollEvents NetlinkSocket::poll() {
  Guard guard(mutex_);
  PollEvents events = kPollWritable | PollEvents::kWrBand;
  if (error_ != Errno{}) events |= PollEvents::kErr;
  if (!answers_.empty()) events |= kPollReadable;
  return events;
}

Result<> NetlinkSocket::change_membership(std::span<const std::byte> value, bool join) {
  const i32 group = TRY(option_int(value));
  if (group <= 0 || group > 32) return Errno::kInval;
  const u32 bit = 1u << (group - 1);
  if (join)
    groups_.fetch_or(bit);
  else
    groups_.fetch_and(~bit);
  return {};
}

Result<> NetlinkSocket::set_option(int level, int name, std::span<const std::byte> value) {
  if (level == abi::kSolSocket) {
    const i32 number = TRY(option_int(value));
    switch (name) {
      case abi::kSoPassCredentials:
        pass_credentials_.store(number != 0);
        return {};
      case abi::kSoSendBufferForce:
        if (!may_administer()) return Errno::kPerm;
        [[fallthrough]];
      case abi::kSoSendBuffer:
        send_buffer_.store(BasicOptions::buffer_size(number, BasicOptions::kLeastSendBuffer,
                                                     name == abi::kSoSendBufferForce));
        return {};
      default:
        return options_.set(name, value);
    }
  }
  if (level != abi::kSolNetlink) return Errno::kNoProtoOpt;
  switch (name) {
    case kAddMembership:
    case kDropMembership:
      return change_membership(value, name == kAddMembership);
    case kPacketInfo:
    case kBroadcastError:
    case kNoBufferError:
    case kCapAcknowledgements:
    case kExtendedAcknowledgements:
    case kStrictChecks: {
      if (TRY(option_int(value)) != 0)
        switches_.fetch_or(1u << name);
      else
        switches_.fetch_and(~(1u << name));
      return {};
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

Result<usize> NetlinkSocket::get_option(int level, int name, std::span<std::byte> out) {
  if (level == abi::kSolSocket) {
    switch (name) {
      case abi::kSoError: {
        Guard guard(mutex_);
        return put_option(out, i32(std::exchange(error_, Errno{})));
      }
      case abi::kSoAcceptConnections:
        return put_option(out, 0);
      case abi::kSoPassCredentials:
        return put_option(out, i32(pass_credentials_.load()));
      case abi::kSoSendBuffer:
        return put_option(out, send_buffer_.load());
      default:
        return options_.get(name, out);
    }
  }
  if (level != abi::kSolNetlink) return Errno::kNoProtoOpt;
  switch (name) {
    case kPacketInfo:
    case kBroadcastError:
    case kNoBufferError:
    case kCapAcknowledgements:
    case kExtendedAcknowledgements:
    case kStrictChecks:
      if (out.size() < sizeof(i32)) return Errno::kInval;
      return put_option(out, i32(switches_.load() >> name & 1));
    case kListMemberships: {
      const u32 groups = groups_.load();
      put_option(out, &groups, sizeof groups);
      return sizeof groups;
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

namespace {

Result<Ref<Socket>> create_netlink_socket(int type, int protocol, OpenFlags flags) {
  if (type != abi::kSockRaw && type != abi::kSockDatagram) return Errno::kSockTNoSupport;
  if (protocol < 0 || protocol >= kProtocols || protocol != kRouteProtocol)
    return Errno::kProtoNoSupport;
  return Ref<Socket>(TRY(make_ref<NetlinkSocket>(the_provider, type, protocol, flags)));
}

}  // namespace

void register_family(const Provider& provider) {
  the_provider = provider;
  register_socket_family(abi::kAfNetlink, create_netlink_socket);
}

}  // namespace narwhal::netlink
