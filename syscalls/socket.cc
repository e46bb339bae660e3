// socket(2), socketpair(2), bind(2), connect(2), listen(2), accept(2), shutdown(2), getsockname(2),
// getpeername(2).
#include "kernel/abi/resource.h"
#include "net/core/socket_actor.h"
#include "net/core/socket_families.h"
#include "syscalls/handlers.h"
#include "syscalls/socket_calls.h"

namespace narwhal {

// net/core/socket_actor.h: sockets ask whoever stands above them.
SocketActor socket_actor() {
  Task& task = current_task();
  return {task.fs(), task.credentials_ref(), i32(task.process().pid()),
          task.process().soft_limit(abi::kLimitOpenFiles)};
}

Result<Hold<Socket>> socket_at(Task& task, Fd fd) {
  Hold<File> file = TRY(task.files().use(fd.value));
  if (file->kind() != File::Kind::kSocket) return Errno::kNotSock;
  return std::move(file).as<Socket>();
}

Result<> load_socket_address(UserAddr from, i32 length, SocketAddress& out) {
  if (length < 0 || usize(length) > SocketAddress::kCapacity) return Errno::kInval;
  out.length = u32(length);
  if (platform::copy_from_user(out.bytes, from, out.length) != 0) return Errno::kFault;
  return {};
}

Result<> store_socket_address(const SocketAddress& address, UserAddr to, UserAddr length) {
  const i32 room = TRY(load_user<i32>(length));
  const i32 whole = i32(address.length);
  const i32 stored = room < whole ? room : whole;
  if (stored < 0) return Errno::kInval;
  if (platform::copy_to_user(to, address.bytes, usize(stored)) != 0) return Errno::kFault;
  return store_user(length, whole);
}

namespace {

constexpr u32 kTypeFlags = abi::kSockNonBlock | abi::kSockCloseOnExec;
constexpr u32 kMostBacklog = 4096;  // /proc/sys/net/core/somaxconn

OpenFlags description_flags(u32 flags) {
  return OpenFlags::kReadWrite |
         (flags & abi::kSockNonBlock ? OpenFlags::kNonBlock : OpenFlags::kReadOnly);
}

Result<FdTable::Reservation> reserve_descriptor(Task& task) {
  return task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles));
}

// connect(2) on a blocking socket: the attempt, then its end.
Result<> connect_and_wait(Socket& socket, const SocketAddress& address) {
  const WaitLimits limits = socket_wait_limits(socket, socket.send_timeout_ns, 0);
  auto begun = wait_ready(socket, kPollWritable, limits, [&] { return socket.connect(address); });
  // A call that goes on after a signal finds the connection under way: EALREADY.
  if (!limits.may_wait || !(begun.failed(Errno::kInProgress) || begun.failed(Errno::kAlready)))
    return begun;
  auto ended = wait_ready(socket, kPollWritable, limits, [&] { return socket.finish_connect(); });
  if (ended.failed(Errno::kAgain)) return begun;
  return ended;
}

SysResult accept_connection(Task& task, Fd fd, UserAddr address, UserAddr length, u32 flags) {
  if (flags & ~kTypeFlags) return Errno::kInval;
  auto listener = TRY(socket_at(task, fd));
  auto new_fd = TRY(reserve_descriptor(task));
  SocketAddress peer;
  auto accepted = TRY(wait_ready(*listener, kPollReadable,
                                 socket_wait_limits(*listener, listener->receive_timeout_ns, 0),
                                 [&] { return listener->accept(description_flags(flags), peer); }));
  accepted->set_owner(task.credentials().fsuid, task.credentials().fsgid);
  if (address.value != 0) TRY(store_socket_address(peer, address, length));
  return std::move(new_fd).commit(std::move(accepted), (flags & abi::kSockCloseOnExec) != 0);
}

}  // namespace

SysResult sys::socket(Task& task, i32 family, i32 type, i32 protocol) {
  const u32 flags = u32(type) & ~abi::kSockTypeMask;
  if (flags & ~kTypeFlags) return Errno::kInval;
  auto made = TRY(
      create_socket(family, type & i32(abi::kSockTypeMask), protocol, description_flags(flags)));
  auto fd = TRY(reserve_descriptor(task));
  return std::move(fd).commit(std::move(made), (flags & abi::kSockCloseOnExec) != 0);
}

SysResult sys::socketpair(Task& task, i32 family, i32 type, i32 protocol,
                          UserOut<abi::FdPair> fds) {
  const u32 flags = u32(type) & ~abi::kSockTypeMask;
  if (flags & ~kTypeFlags) return Errno::kInval;
  auto first_fd = TRY(reserve_descriptor(task));
  auto second_fd = TRY(reserve_descriptor(task));
  TRY(fds.store({first_fd.number(), second_fd.number()}));
  const i32 plain_type = type & i32(abi::kSockTypeMask);
  auto first = TRY(create_socket(family, plain_type, protocol, description_flags(flags)));
  auto second = TRY(create_socket(family, plain_type, protocol, description_flags(flags)));
  TRY(join_sockets(*first, *second));
  const bool close_on_exec = (flags & abi::kSockCloseOnExec) != 0;
  std::move(first_fd).commit(std::move(first), close_on_exec);
  std::move(second_fd).commit(std::move(second), close_on_exec);
  return i64{0};
}

SysResult sys::bind(Task& task, Fd fd, UserAddr address, i32 length) {
  auto socket = TRY(socket_at(task, fd));
  SocketAddress wanted;
  TRY(load_socket_address(address, length, wanted));
  TRY(socket->bind(wanted));
  return i64{0};
}

SysResult sys::connect(Task& task, Fd fd, UserAddr address, i32 length) {
  auto socket = TRY(socket_at(task, fd));
  SocketAddress wanted;
  TRY(load_socket_address(address, length, wanted));
  TRY(connect_and_wait(*socket, wanted));
  return i64{0};
}

SysResult sys::listen(Task& task, Fd fd, i32 backlog) {
  auto socket = TRY(socket_at(task, fd));
  // Negative counts are the most that there can be.
  if (u32(backlog) > kMostBacklog) backlog = kMostBacklog;
  TRY(socket->listen(backlog));
  return i64{0};
}

SysResult sys::accept(Task& task, Fd fd, UserAddr address, UserAddr length) {
  return accept_connection(task, fd, address, length, 0);
}
SysResult sys::accept4(Task& task, Fd fd, UserAddr address, UserAddr length, HexInt flags) {
  return accept_connection(task, fd, address, length, flags.value);
}

SysResult sys::shutdown(Task& task, Fd fd, i32 how) {
  auto socket = TRY(socket_at(task, fd));
  TRY(socket->shutdown(how));
  return i64{0};
}

SysResult sys::getsockname(Task& task, Fd fd, UserAddr address, UserAddr length) {
  auto socket = TRY(socket_at(task, fd));
  SocketAddress local;
  TRY(socket->local_address(local));
  TRY(store_socket_address(local, address, length));
  return i64{0};
}

SysResult sys::getpeername(Task& task, Fd fd, UserAddr address, UserAddr length) {
  auto socket = TRY(socket_at(task, fd));
  SocketAddress peer;
  TRY(socket->peer_address(peer));
  TRY(store_socket_address(peer, address, length));
  return i64{0};
}

}  // namespace narwhal
