#include "net/unix/socket.h"

#include "kernel/abi/ioctl.h"
#include "net/core/socket_families.h"
#include "net/unix/collector.h"
#include "net/unix/unix.h"

namespace narwhal {

UnixSocket::UnixSocket(Ref<UnixEndpoint> endpoint, OpenFlags flags)
    : Socket(abi::kAfUnix, endpoint->type(), 0, flags), endpoint_(std::move(endpoint)) {}

UnixSocket::~UnixSocket() {
  endpoint_->close();
  UnixGarbage::note_closed();
}

Result<Ref<Socket>> UnixSocket::accept(OpenFlags flags, SocketAddress& peer) {
  Ref<UnixEndpoint> endpoint = TRY(endpoint_->accept(!nonblocking()));
  auto socket = make_ref<UnixSocket>(endpoint, flags);
  if (!socket.ok()) {
    endpoint->close();
    return socket.error();
  }
  TRY(endpoint->peer_address(peer));
  return Ref<Socket>(socket.take());
}

Result<usize> UnixSocket::receive(Message& message) {
  return endpoint_->receive(message, !nonblocking() && !(message.flags & abi::kMsgDontWait));
}

Result<> UnixSocket::set_option(int level, int name, std::span<const std::byte> value) {
  if (level != abi::kSolSocket) return Errno::kOpNotSupp;
  const i32 number = TRY(option_int(value));
  switch (name) {
    case abi::kSoPeekOffset:
      return number < 0 ? Result<>() : Result<>(Errno::kOpNotSupp);
    case abi::kSoPassCredentials:
      endpoint_->set_pass_credentials(number != 0);
      return {};
    case abi::kSoSendBufferForce:
      if (!socket_actor().credentials->capable(Capability::kNetAdmin)) return Errno::kPerm;
      [[fallthrough]];
    case abi::kSoSendBuffer:
      endpoint_->set_send_limit(u32(BasicOptions::buffer_size(
          number, BasicOptions::kLeastSendBuffer, name == abi::kSoSendBufferForce)));
      return {};
    default:
      return options_.set(name, value);
  }
}

Result<usize> UnixSocket::get_option(int level, int name, std::span<std::byte> out) {
  if (level != abi::kSolSocket) return Errno::kOpNotSupp;
  switch (name) {
    case abi::kSoPeekOffset:
      return put_option(out, -1);  // off
    case abi::kSoError:
      return put_option(out, i32(endpoint_->take_error()));
    case abi::kSoAcceptConnections:
      return put_option(out, i32(endpoint_->listening()));
    case abi::kSoPassCredentials:
      return put_option(out, i32(endpoint_->pass_credentials()));
    case abi::kSoSendBuffer:
      return put_option(out, i32(endpoint_->send_limit()));
    case abi::kSoPeerCredentials: {
      const UnixEndpoint::Peer peer = endpoint_->peer_credentials();
      const abi::PeerCredentials ids{peer.pid, peer.who ? peer.who->euid : ~0u,
                                     peer.who ? peer.who->egid : ~0u};
      return put_option(out, &ids, sizeof ids);
    }
    case abi::kSoPeerGroups: {
      const UnixEndpoint::Peer peer = endpoint_->peer_credentials();
      if (!peer.who) return Errno::kNoData;
      const Vector<u32>& groups = peer.who->groups;
      if (out.size() < groups.size() * sizeof(u32)) return Errno::kRange;
      return put_option(out, groups.data(), groups.size() * sizeof(u32));
    }
    case abi::kSoPeerName: {
      SocketAddress peer;
      TRY(endpoint_->peer_address(peer));
      if (peer.length < out.size()) return Errno::kInval;
      return put_option(out, peer.bytes, out.size());
    }
    case abi::kSoCookie: {
      const u64 cookie = inode_number();
      if (out.size() < sizeof cookie) return Errno::kInval;
      return put_option(out, &cookie, sizeof cookie);
    }
    default:
      return options_.get(name, out);
  }
}

Result<i64> UnixSocket::ioctl(u32 command, UserAddr argument) {
  if (command == abi::kFionRead) {
    TRY(store_user(argument, i32(TRY(endpoint_->bytes_ready()))));
    return i64{0};
  }
  if (command == abi::kTiocOutq) {  // SIOCOUTQ
    TRY(store_user(argument, i32(endpoint_->bytes_unread_by_peer())));
    return i64{0};
  }
  return Socket::ioctl(command, argument);
}

namespace {

Result<Ref<Socket>> create_unix_socket(int type, int protocol, OpenFlags flags) {
  if (protocol != 0 && protocol != abi::kAfUnix) return Errno::kProtoNoSupport;
  // Berkeley's way to ask for datagrams.
  if (type == abi::kSockRaw) type = abi::kSockDatagram;
  if (type != abi::kSockStream && type != abi::kSockDatagram && type != abi::kSockSeqPacket)
    return Errno::kSockTNoSupport;
  auto endpoint = TRY(make_ref<UnixEndpoint>(type));
  return Ref<Socket>(TRY(make_ref<UnixSocket>(std::move(endpoint), flags)));
}

Result<> join_unix_sockets(Socket& first, Socket& second) {
  UnixEndpoint::join(static_cast<UnixSocket&>(first).endpoint(),
                     static_cast<UnixSocket&>(second).endpoint());
  return {};
}

}  // namespace

void register_unix_sockets() {
  register_socket_family(abi::kAfUnix, create_unix_socket, join_unix_sockets);
}

}  // namespace narwhal
