// Which families of sockets there are: each registers itself when the kernel starts, before the
// first program runs.
#pragma once

#include "net/core/socket.h"

namespace narwhal {

// Makes a socket: EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM, ENOMEM. `flags`: O_RDWR, O_NONBLOCK.
using SocketCreator = Result<Ref<Socket>> (*)(int type, int protocol, OpenFlags flags);
// Joins two unconnected sockets of the family: socketpair(2).
using SocketJoiner = Result<> (*)(Socket& first, Socket& second);

void register_socket_family(int family, SocketCreator create, SocketJoiner join = nullptr);

// socket(2): EAFNOSUPPORT, EINVAL (no such type), and what the family says.
Result<Ref<Socket>> create_socket(int family, int type, int protocol, OpenFlags flags);
// socketpair(2): EOPNOTSUPP for families without pairs.
Result<> join_sockets(Socket& first, Socket& second);

// ioctl(2) commands about network interfaces (netdevice(7)), which every socket takes. Whoever has
// the interfaces answers them; ENOTTY for what is no such command.
using InterfaceIoctl = Result<i64> (*)(u32 command, UserAddr argument);
void set_interface_ioctl(InterfaceIoctl handler);
Result<i64> answer_interface_ioctl(u32 command, UserAddr argument);

}  // namespace narwhal
