// The name of a bound socket: a path, or bytes in the abstract name space (unix(7)).
#pragma once

#include "kernel/base/hash_table.h"
#include "net/unix/message.h"

namespace narwhal {

// Does not change once made; sockets that accept(2) made share it with the listening socket.
class UnixName final : public RefCounted {
 public:
  SocketAddress address;  // as getsockname(2) gives it
  int type = 0;           // abstract names of each type of socket are apart
  Path place;             // where the socket's file is; empty for an abstract name
  HashNode node;
  // Whose name it is, while that is open.
  UnixEndpoint* owner TA_GUARDED_BY(unix_lock) = nullptr;

  bool abstract() const { return !place.dentry; }
};

// EINVAL: not an address of this family, too long, or too short (a family alone names nothing).
Result<> check_unix_address(const SocketAddress& address);

// Gives `owner` the abstract name: EADDRINUSE, EINVAL (it has one), ENOMEM.
Result<> bind_abstract_name(UnixEndpoint& owner, const SocketAddress& address);
// Some abstract name of five digits. Nothing happens when it has a name.
Result<> bind_any_name(UnixEndpoint& owner);
// Makes the socket's file: EADDRINUSE, EINVAL (it has a name), and the errors of mknod(2).
Result<> bind_path_name(UnixEndpoint& owner, const SocketAddress& address);
// The name is free again; a file stays.
void forget_name(UnixName& name) TA_REQUIRES(unix_lock);

// Who is at an address: ECONNREFUSED (nobody), EPROTOTYPE (another type of socket), and the errors
// of path_resolution(7).
Result<Ref<UnixEndpoint>> find_unix_endpoint(const SocketAddress& address, int type);

}  // namespace narwhal
