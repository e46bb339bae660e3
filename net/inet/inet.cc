#include "net/inet/inet.h"

#include "net/core/socket_actor.h"
#include "net/core/socket_families.h"
#include "net/inet/raw_socket.h"
#include "net/inet/tcp_socket.h"
#include "net/inet/udp_socket.h"

namespace narwhal::inet {

Result<Ref<Socket>> create_inet_socket(int family, int type, int protocol, OpenFlags flags) {
  if (protocol < 0 || protocol > 0xff) return Errno::kInval;
  switch (type) {
    case abi::kSockStream:
      if (protocol != 0 && protocol != abi::kProtocolTcp) return Errno::kProtoNoSupport;
      return Ref<Socket>(TRY(make_ref<TcpSocket>(family, flags)));
    case abi::kSockDatagram:
      // "Ping sockets" are for the groups in /proc/sys/net/ipv4/ping_group_range, at first none
      // (icmp(7)).
      if (protocol == (family == abi::kAfInet ? abi::kProtocolIcmp : abi::kProtocolIcmpv6))
        return Errno::kAcces;
      if (protocol != 0 && protocol != abi::kProtocolUdp) return Errno::kProtoNoSupport;
      return Ref<Socket>(TRY(make_ref<UdpSocket>(family, flags)));
    case abi::kSockRaw: {
      if (protocol == 0) return Errno::kProtoNoSupport;
      if (!socket_actor().credentials->capable(Capability::kNetRaw)) return Errno::kPerm;
      auto socket = TRY(make_ref<RawSocket>(family, u8(protocol), flags));
      TRY(socket->open());
      return Ref<Socket>(std::move(socket));
    }
    default:
      return Errno::kSockTNoSupport;
  }
}

void register_families() {
  set_interface_ioctl(interface_ioctl);
  register_socket_family(abi::kAfInet, [](int type, int protocol, OpenFlags flags) {
    return create_inet_socket(abi::kAfInet, type, protocol, flags);
  });
  register_socket_family(abi::kAfInet6, [](int type, int protocol, OpenFlags flags) {
    return create_inet_socket(abi::kAfInet6, type, protocol, flags);
  });
}

}  // namespace narwhal::inet
