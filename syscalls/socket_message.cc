// sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2).
#include "process/signals.h"
#include "syscalls/handlers.h"
#include "syscalls/socket_calls.h"

namespace narwhal {

Result<usize> send_message(Task& task, Socket& socket, Message& message) {
  const WaitLimits limits = socket_wait_limits(socket, socket.send_timeout_ns, message.flags);
  const bool stream = socket.type() == abi::kSockStream;
  usize total = 0;
  for (;;) {
    auto sent = wait_ready(socket, kPollWritable, limits, [&] { return socket.send(message); });
    if (!sent.ok()) {
      if (total != 0) return total;
      if (sent.failed(Errno::kPipe) && stream && !(message.flags & abi::kMsgNoSignal))
        raise_signal(task, Signal::kPipe);
      return sent;
    }
    total += sent.value();
    const bool whole = !stream || message.data.remaining() == 0 || sent.value() == 0;
    if (!whole) socket.note_lack_of_room();
    if (whole || !limits.may_wait) return total;
    message.control = nullptr;  // it went with the first part
  }
}

Result<usize> receive_message(Socket& socket, Message& message) {
  WaitLimits limits = socket_wait_limits(socket, socket.receive_timeout_ns, message.flags);
  if (message.flags & abi::kMsgErrorQueue) limits.may_wait = false;
  constexpr u32 kNotWhole = abi::kMsgPeek | abi::kMsgOutOfBand | abi::kMsgErrorQueue;
  const bool all = socket.type() == abi::kSockStream && (message.flags & abi::kMsgWaitAll) &&
                   !(message.flags & kNotWhole);
  const PollEvents events =
      message.flags & abi::kMsgOutOfBand ? PollEvents::kPri : kPollReadable | PollEvents::kRdHup;
  usize total = 0;
  for (;;) {
    auto got = wait_ready(socket, events, limits, [&] { return socket.receive(message); });
    if (!got.ok()) {
      if (total != 0) return total;
      return got;
    }
    total += got.value();
    const bool more = all && limits.may_wait && got.value() != 0 && message.data.remaining() != 0;
    // What came with descriptors is not joined with what follows (unix(7)).
    if (!more || (message.control && !message.control->files.empty())) return total;
  }
}

namespace {

constexpr usize kMostPieces = 1024;         // UIO_MAXIOV
constexpr usize kMostControl = 128 * kKiB;  // /proc/sys/net/core/optmem_max
constexpr u32 kMostMessages = 1024;         // sendmmsg(2), recvmmsg(2)
// What only the kernel itself may say.
constexpr u32 kInternalFlags = 0x10000 | 0x20000 | 0x80000 | 0x8000000;

UserBuffer cut_buffer(UserAddr data, usize size) {
  return {data, size < kMaxIoBytes ? size : kMaxIoBytes};
}

// A struct msghdr, read and checked.
struct LoadedMessage {
  abi::MessageHeader header{};
  Vector<abi::IoVec> pieces;

  Result<> load(UserAddr from) {
    header = TRY(load_user<abi::MessageHeader>(from));
    if (header.name == 0) header.name_length = 0;
    if (header.name_length < 0) return Errno::kInval;
    if (usize(header.name_length) > SocketAddress::kCapacity)
      header.name_length = i32(SocketAddress::kCapacity);
    if (header.piece_count > kMostPieces) return Errno::kMsgSize;
    return {};
  }
  Result<> load_pieces() {
    pieces = TRY(load_iovecs(UserAddr(header.pieces), usize(header.piece_count)));
    return {};
  }
};

Result<usize> send_one(Task& task, Socket& socket, UserAddr from, u32 flags) {
  LoadedMessage loaded;
  TRY(loaded.load(from));
  SocketAddress address;
  if (loaded.header.name_length != 0)
    TRY(load_socket_address(UserAddr(loaded.header.name), loaded.header.name_length, address));
  TRY(loaded.load_pieces());

  ControlData control;
  if (loaded.header.control_length != 0) {
    if (loaded.header.control_length > kMostControl) return Errno::kNoBufs;
    auto bytes = TRY(UserIn<std::byte>{UserAddr(loaded.header.control)}.load_array(
        usize(loaded.header.control_length)));
    TRY(parse_control(task, socket, bytes, control));
  }
  IoBuffer data{std::span<const abi::IoVec>(loaded.pieces)};
  Message message{data};
  if (loaded.header.name_length != 0) message.address = &address;
  if (loaded.header.control_length != 0) message.control = &control;
  message.flags = flags & ~kInternalFlags;
  return send_message(task, socket, message);
}

Result<usize> receive_one(Task& task, Socket& socket, UserAddr at, u32 flags) {
  LoadedMessage loaded;
  TRY(loaded.load(at));
  TRY(loaded.load_pieces());
  SocketAddress address;
  ControlData control;
  IoBuffer data{std::span<const abi::IoVec>(loaded.pieces)};
  Message message{data};
  message.address = loaded.header.name != 0 ? &address : nullptr;
  message.control = &control;
  message.flags = flags;
  const usize got = TRY(receive_message(socket, message));

  u32 result_flags = message.result_flags | (flags & abi::kMsgCloseOnExec);
  ControlSpace space{UserAddr(loaded.header.control), usize(loaded.header.control_length)};
  if (space.at.value == 0) space.left = 0;
  store_control(task, control, (flags & abi::kMsgCloseOnExec) != 0, space, result_flags);
  if (loaded.header.name != 0)
    TRY(store_socket_address(address, UserAddr(loaded.header.name),
                             at + offsetof(abi::MessageHeader, name_length)));
  TRY(store_user(at + offsetof(abi::MessageHeader, flags), result_flags));
  const u64 used = space.at.value == 0 ? 0 : u64(loaded.header.control_length) - u64(space.left);
  TRY(store_user(at + offsetof(abi::MessageHeader, control_length), used));
  return got;
}

SysResult counted(const Result<usize>& moved) {
  if (!moved.ok()) return moved.error();
  return i64(moved.value());
}

}  // namespace

SysResult sys::sendto(Task& task, Fd fd, UserAddr data, usize size, HexInt flags, UserAddr address,
                      i32 length) {
  const UserBuffer buffer = cut_buffer(data, size);
  if (!user_range_ok(buffer.addr, buffer.size)) return Errno::kFault;
  auto socket = TRY(socket_at(task, fd));
  SocketAddress destination;
  IoBuffer bytes{buffer};
  Message message{bytes};
  if (address.value != 0) {
    TRY(load_socket_address(address, length, destination));
    message.address = &destination;
  }
  message.flags = flags.value & ~kInternalFlags;
  return counted(send_message(task, *socket, message));
}

SysResult sys::recvfrom(Task& task, Fd fd, UserAddr data, usize size, HexInt flags,
                        UserAddr address, UserAddr length) {
  const UserBuffer buffer = cut_buffer(data, size);
  if (!user_range_ok(buffer.addr, buffer.size)) return Errno::kFault;
  auto socket = TRY(socket_at(task, fd));
  SocketAddress source;
  IoBuffer bytes{buffer};
  Message message{bytes};
  if (address.value != 0) message.address = &source;
  message.flags = flags.value;
  const usize got = TRY(receive_message(*socket, message));
  if (address.value != 0) TRY(store_socket_address(source, address, length));
  return i64(got);
}

SysResult sys::sendmsg(Task& task, Fd fd, UserAddr message, HexInt flags) {
  auto socket = TRY(socket_at(task, fd));
  return counted(send_one(task, *socket, message, flags.value));
}

SysResult sys::recvmsg(Task& task, Fd fd, UserAddr message, HexInt flags) {
  auto socket = TRY(socket_at(task, fd));
  return counted(receive_one(task, *socket, message, flags.value));
}

SysResult sys::sendmmsg(Task& task, Fd fd, UserAddr messages, u32 count, HexInt flags) {
  auto socket = TRY(socket_at(task, fd));
  if (count > kMostMessages) count = kMostMessages;
  u32 done = 0;
  for (; done < count; ++done) {
    const UserAddr at = messages + u64{done} * sizeof(abi::ManyMessageHeader);
    auto sent = send_one(task, *socket, at, flags.value);
    Errno error = sent.error();
    if (sent.ok())
      error = store_user(at + offsetof(abi::ManyMessageHeader, length), u32(sent.value())).error();
    if (error == Errno{}) continue;
    if (done != 0) break;
    return error;
  }
  return i64(done);
}

SysResult sys::recvmmsg(Task& task, Fd fd, UserAddr messages, u32 count, HexInt flags,
                        UserAddr timeout) {
  const u64 deadline = TRY(load_deadline(timeout));
  auto socket = TRY(socket_at(task, fd));
  if (count > kMostMessages) count = kMostMessages;
  u32 receive_flags = flags.value & ~abi::kMsgWaitForOne;
  u32 done = 0;
  while (done < count) {
    const UserAddr at = messages + u64{done} * sizeof(abi::ManyMessageHeader);
    auto got = receive_one(task, *socket, at, receive_flags);
    Errno error = got.error();
    if (got.ok())
      error = store_user(at + offsetof(abi::ManyMessageHeader, length), u32(got.value())).error();
    if (error != Errno{}) {
      if (done != 0) break;
      return error;
    }
    ++done;
    if (flags.value & abi::kMsgWaitForOne) receive_flags |= abi::kMsgDontWait;
    // The time limit is looked at after each message only: recvmmsg(2), BUGS.
    if (deadline != kForever && remaining_until(deadline) == 0) break;
  }
  if (timeout.value != 0 && done != 0)
    TRY(store_user(timeout, to_timespec(remaining_until(deadline))));
  return i64(done);
}

}  // namespace narwhal
