#include "net/inet/inet.h"

#include "net/core/socket_actor.h"
#include "net/core/socket_families.h"
#include "net/inet/tcp_socket.h"

namespace narwhal::inet {

Result<Ref<Socket>> create_inet_socket(int family, int type, int protocol, OpenFlags flags) {
  if (protocol < 0 || protocol > 0xff) return Errno::kInval;
  switch (type) {
    case abi::kSockStream:
      if (protocol != 0 && protocol != abi::kProtocolTcp) return Errno::kProtoNoSupport;
      return Ref<Socket>(TRY(make_ref<TcpSocket>(family, flags)));
    default:
      return Errno::kSockTNoSupport;
  }
}

void register_families() {
  register_socket_family(abi::kAfInet, [](int type, int protocol, OpenFlags flags) {
    return create_inet_socket(abi::kAfInet, type, protocol, flags);
  });
  register_socket_family(abi::kAfInet6, [](int type, int protocol, OpenFlags flags) {
    return create_inet_socket(abi::kAfInet6, type, protocol, flags);
  });
}

}  // namespace narwhal::inet
