#include "net/inet/tcp_socket.h"

#include "kernel/abi/ioctl.h"
#include "net/core/socket_actor.h"

namespace narwhal::inet {

using net::TcpState;

namespace {

// /proc/sys/net/ipv4/tcp_rmem and tcp_wmem, middle values.
constexpr u32 kFirstReceiveBuffer = 131072;
constexpr u32 kFirstSendBuffer = 16384;

constexpr u32 kSiocAtMark = 0x8905;
constexpr u32 kSiocOutqNsd = 0x894b;  // what was never sent

bool may_carry_data(TcpState state) {
  return state == TcpState::kEstablished || state == TcpState::kCloseWait;
}

}  // namespace

TcpSocket::TcpSocket(int family, OpenFlags flags)
    : InetSocket(family, abi::kSockStream, abi::kProtocolTcp, flags),
      endpoint_(*this, family == abi::kAfInet6 ? IpVersion::k6 : IpVersion::k4) {
  options_.receive_buffer = kFirstReceiveBuffer;
  options_.send_buffer = kFirstSendBuffer;
}

TcpSocket::~TcpSocket() {
  if (closed_) return;
  net::CoreGuard guard(net::core_lock);
  close();
}

void TcpSocket::close() {
  closed_ = true;
  // SO_LINGER with no time at all: the connection is torn down (socket(7)).
  if (options_.linger && options_.linger_seconds == 0 && stage_ == Stage::kConnected)
    endpoint_.abort();
  endpoint_.release();
}

// --- what the endpoint says

void TcpSocket::told(net::TcpEndpoint::Event event) {
  using Event = net::TcpEndpoint::Event;
  switch (event) {
    case Event::kReadable:
      if (!endpoint_.end_of_input())
        queue_.wake(kPollReadable);
      else if (!endpoint_.output_finished())
        queue_.wake(kPollReadable | PollEvents::kRdHup);
      else
        queue_.wake(kPollReadable | PollEvents::kRdHup | PollEvents::kHup);
      break;
    case Event::kWritable:
    case Event::kConnected:
      queue_.wake(kPollWritable);
      break;
    case Event::kClosed:
      // A connection that both sides ended said so before.
      if (endpoint_.error() == Errno{})
        queue_.wake_all();
      else
        queue_.wake(kPollReadable | kPollWritable | PollEvents::kRdHup | PollEvents::kErr |
                        PollEvents::kHup,
                    ~usize{0});
      break;
  }
}

// Accepted sockets take their listener's settings over.
net::TcpEndpoint* TcpSocket::new_child() {
  auto* child = new (std::nothrow) TcpSocket(family(), OpenFlags::kReadWrite);
  if (!child) return nullptr;
  child->options_ = options_;
  child->tcp_options_ = tcp_options_;
  child->stage_ = Stage::kConnected;
  child->endpoint_.inherit(endpoint_);
  return &child->endpoint_;
}

void TcpSocket::drop_child() {
  close();  // here, with the core lock held, because the destructor takes it
  drop_ref();
}

void TcpSocket::apply_options() {
  set_up_binding(endpoint_.binding());
  net::TcpKeepalive keepalive = endpoint_.keepalive();
  if (keepalive.enabled != options_.keep_alive) {
    keepalive.enabled = options_.keep_alive;
    endpoint_.set_keepalive(keepalive);
  }
  const i16 hops = is_v6() ? options_.hops : options_.ttl;
  endpoint_.set_traffic(is_v6() ? options_.traffic_class : options_.tos, hops < 0 ? 0 : u8(hops));
  // Half of a buffer is for the bookkeeping, as Linux counts it.
  if (options_.receive_buffer_fixed) endpoint_.set_receive_limit(options_.receive_buffer / 2);
  if (options_.send_buffer_fixed) endpoint_.set_send_limit(options_.send_buffer / 2);
}

// --- addresses

Result<> TcpSocket::bind(const SocketAddress& address) {
  const IpEndpoint local = TRY(parse_bind_address(address));
  remember_owner(socket_actor().credentials->fsuid);
  net::CoreGuard guard(net::core_lock);
  if (endpoint_.bound() || endpoint_.state() != TcpState::kClose) return Errno::kInval;
  set_up_binding(endpoint_.binding());
  if (local.port == 0 && options_.bind_no_port) {
    endpoint_.binding().address = local.address;
    return {};
  }
  return endpoint_.bind(local);
}

Result<> TcpSocket::local_address(SocketAddress& out) {
  net::CoreLook guard(net::core_lock);
  store(endpoint_.local(), out);
  return {};
}

Result<> TcpSocket::peer_address(SocketAddress& out) {
  net::CoreLook guard(net::core_lock);
  const TcpState state = endpoint_.state();
  if (state == TcpState::kClose || state == TcpState::kListen || state == TcpState::kSynSent)
    return Errno::kNotConn;
  store(endpoint_.remote(), out);
  return {};
}

// --- connections

Result<> TcpSocket::connect(const SocketAddress& address) {
  if (address.length < sizeof(u16)) return Errno::kInval;
  if (address.family() == abi::kAfUnspecified) {
    net::CoreGuard guard(net::core_lock);
    endpoint_.disconnect();
    stage_ = Stage::kUnconnected;
    read_shut_ = false;
    queue_.wake_all();
    return {};
  }
  const u32 uid = socket_actor().credentials->fsuid;
  net::CoreGuard guard(net::core_lock);
  if (stage_ == Stage::kConnected) return Errno::kIsConn;
  if (stage_ == Stage::kConnecting) {
    if (endpoint_.state() == TcpState::kSynSent) return Errno::kAlready;
    return conclude_connect();
  }
  if (endpoint_.state() != TcpState::kClose) return Errno::kIsConn;
  const IpEndpoint remote = TRY(parse_destination(address));
  if (remote.address.is_multicast() || remote.address.is_limited_broadcast())
    return Errno::kNetUnreach;
  // Nobody listens there, on any machine.
  if (remote.port == 0) return Errno::kConnRefused;
  remember_owner(uid);
  set_up_binding(endpoint_.binding());
  note_lack_of_room();  // that it stands is worth a signal
  TRY(endpoint_.connect(remote));
  stage_ = Stage::kConnecting;
  read_shut_ = false;
  return Errno::kInProgress;
}

// The attempt is over: how did it end?
Result<> TcpSocket::conclude_connect() {
  if (endpoint_.state() != TcpState::kClose) {
    stage_ = Stage::kConnected;
    return {};
  }
  const Errno error = endpoint_.take_error();
  stage_ = Stage::kUnconnected;
  endpoint_.disconnect();
  return error == Errno{} ? Errno::kConnAborted : error;
}

Result<> TcpSocket::finish_connect() {
  net::CoreGuard guard(net::core_lock);
  if (stage_ == Stage::kConnected) return {};
  if (stage_ == Stage::kUnconnected) return Errno::kConnAborted;
  if (endpoint_.state() == TcpState::kSynSent) return Errno::kAgain;
  return conclude_connect();
}

Result<> TcpSocket::listen(int backlog) {
  const u32 uid = socket_actor().credentials->fsuid;
  net::CoreGuard guard(net::core_lock);
  if (stage_ != Stage::kUnconnected) return Errno::kInval;
  if (is_listening()) {
    endpoint_.set_backlog(u32(backlog));
    return {};
  }
  if (endpoint_.state() != TcpState::kClose) return Errno::kInval;
  remember_owner(uid);
  set_up_binding(endpoint_.binding());
  return endpoint_.listen(u32(backlog));
}

Result<Ref<Socket>> TcpSocket::accept(OpenFlags flags, SocketAddress& peer) {
  net::CoreGuard guard(net::core_lock);
  if (!is_listening()) return Errno::kInval;
  net::TcpEndpoint* child = endpoint_.accept();
  if (!child) return Errno::kAgain;
  auto accepted = Ref<TcpSocket>::adopt(&static_cast<Endpoint*>(child)->socket);
  accepted->flags_.store(raw(flags), Order::kRelaxed);
  accepted->receive_timeout_ns = receive_timeout_ns;
  accepted->send_timeout_ns = send_timeout_ns;
  accepted->apply_options();
  store(accepted->endpoint_.remote(), peer);
  return Ref<Socket>(std::move(accepted));
}

Result<> TcpSocket::shutdown(int how) {
  if (how < abi::kShutRead || how > abi::kShutBoth) return Errno::kInval;
  const bool reading = how != abi::kShutWrite;
  const bool writing = how != abi::kShutRead;
  net::CoreGuard guard(net::core_lock);
  switch (endpoint_.state()) {
    case TcpState::kClose:
      return Errno::kNotConn;
    case TcpState::kListen:
      if (!reading) return {};
      [[fallthrough]];
    case TcpState::kSynSent:
      endpoint_.disconnect();
      stage_ = Stage::kUnconnected;
      break;
    default:
      if (reading) read_shut_ = true;
      if (writing) endpoint_.finish_output();
      break;
  }
  queue_.wake_all();
  return {};
}

// --- data

Result<usize> TcpSocket::send(Message& message) {
  // Urgent data and data in a SYN are not there: tcp(7) has both, the protocol below neither.
  if (message.flags & (abi::kMsgOutOfBand | abi::kMsgFastOpen)) return Errno::kOpNotSupp;
  net::CoreGuard guard(net::core_lock);
  if (endpoint_.error() != Errno{}) return endpoint_.take_error();
  if (endpoint_.output_finished()) return Errno::kPipe;
  const TcpState state = endpoint_.state();
  if (state == TcpState::kSynSent) return Errno::kAgain;
  if (!may_carry_data(state)) return Errno::kPipe;
  if (message.data.remaining() == 0) return usize{0};
  return endpoint_.send(message.data, (message.flags & abi::kMsgMore) != 0);
}

Result<usize> TcpSocket::receive(Message& message) {
  if (message.flags & abi::kMsgErrorQueue) return Errno::kAgain;  // nothing ever gets there
  if (message.flags & abi::kMsgOutOfBand) return Errno::kInval;   // no urgent data
  net::CoreGuard guard(net::core_lock);
  if (is_listening()) return Errno::kNotConn;
  if (endpoint_.readable_bytes() != 0) {
    if (message.data.remaining() == 0) return usize{0};
    const bool peek = (message.flags & abi::kMsgPeek) != 0;
    // tcp(7): with MSG_TRUNC the bytes are thrown away instead of copied.
    if ((message.flags & abi::kMsgTruncated) && !peek)
      return endpoint_.discard(message.data.remaining());
    return endpoint_.receive(message.data, peek);
  }
  if (endpoint_.error() != Errno{}) return endpoint_.take_error();
  if (input_ended()) return usize{0};
  if (endpoint_.state() == TcpState::kClose) return Errno::kNotConn;
  if (message.data.remaining() == 0) return usize{0};
  return Errno::kAgain;
}

// As Linux's tcp_poll() answers, hang-ups of sockets that were never connected included.
PollEvents TcpSocket::poll() {
  net::CoreLook guard(net::core_lock);
  const TcpState state = endpoint_.state();
  if (state == TcpState::kListen)
    return endpoint_.connections_waiting() ? kPollReadable : PollEvents::kNone;
  PollEvents events = PollEvents::kNone;
  const bool input_end = input_ended();
  const bool output_end = endpoint_.output_finished();
  if ((input_end && output_end) || state == TcpState::kClose) events |= PollEvents::kHup;
  if (input_end) events |= kPollReadable | PollEvents::kRdHup;
  if (state != TcpState::kSynSent) {
    if (endpoint_.readable_bytes() >= usize(options_.receive_low_water)) events |= kPollReadable;
    const bool low = tcp_options_.not_sent_low_water == 0 ||
                     endpoint_.unsent_bytes() < tcp_options_.not_sent_low_water;
    if (output_end || (low && endpoint_.writable()))
      events |= kPollWritable;
    else if (!low)
      endpoint_.want_room();
  }
  if (endpoint_.error() != Errno{}) events |= PollEvents::kErr;
  return events;
}

Result<i64> TcpSocket::ioctl(u32 command, UserAddr argument) {
  i32 answer;
  {
    net::CoreLook guard(net::core_lock);
    switch (command) {
      case abi::kFionRead:
        if (is_listening()) return Errno::kInval;
        answer = i32(endpoint_.readable_bytes());
        break;
      case abi::kTiocOutq:
        if (is_listening()) return Errno::kInval;
        answer = i32(endpoint_.queued_to_send());
        break;
      case kSiocOutqNsd:
        if (is_listening()) return Errno::kInval;
        answer = i32(endpoint_.unsent_bytes());
        break;
      case kSiocAtMark:
        answer = 0;
        break;
      default:
        answer = -1;
        break;
    }
  }
  if (answer < 0) return InetSocket::ioctl(command, argument);
  TRY(store_user(argument, answer));
  return i64{0};
}

}  // namespace narwhal::inet
