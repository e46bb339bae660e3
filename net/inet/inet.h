// The Internet families of sockets: AF_INET and AF_INET6.
#pragma once

#include "net/core/socket.h"

namespace narwhal::inet {

// socket(2). EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM, ENOMEM.
Result<Ref<Socket>> create_inet_socket(int family, int type, int protocol, OpenFlags flags);

// Makes both families known (net/core/socket_families.h). Called once, after net::core_init().
void register_families();

}  // namespace narwhal::inet
