#include "net/core/socket_families.h"

#include "kernel/abi/socket.h"
#include "net/core/socket_actor.h"

namespace narwhal {
namespace {

struct Family {
  SocketCreator create = nullptr;
  SocketJoiner join = nullptr;
};
// Written while one thread runs, read ever after.
constinit Family families[abi::kAfEnd] = {};
constinit InterfaceIoctl interface_handler = nullptr;

}  // namespace

void register_socket_family(int family, SocketCreator create, SocketJoiner join) {
  ASSERT(family > 0 && family < abi::kAfEnd);
  families[family] = {create, join};
}

void set_interface_ioctl(InterfaceIoctl handler) {
  interface_handler = handler;
}

Result<i64> answer_interface_ioctl(u32 command, UserAddr argument) {
  if (!interface_handler) return Errno::kNotTty;
  return interface_handler(command, argument);
}

Result<Ref<Socket>> create_socket(int family, int type, int protocol, OpenFlags flags) {
  if (family < 0 || family >= abi::kAfEnd) return Errno::kAfNoSupport;
  if (type < 0 || type >= abi::kSockEnd) return Errno::kInval;
  // An old way to ask for packet(7).
  if (family == abi::kAfInet && type == abi::kSockPacket) family = abi::kAfPacket;
  const Family& which = families[family];
  if (!which.create) return Errno::kAfNoSupport;
  auto made = TRY(which.create(type, protocol, flags));
  const SocketActor actor = socket_actor();
  made->set_owner(actor.credentials->fsuid, actor.credentials->fsgid);
  return made;
}

Result<> join_sockets(Socket& first, Socket& second) {
  const Family& which = families[first.family()];
  if (!which.join) return Errno::kOpNotSupp;
  return which.join(first, second);
}

}  // namespace narwhal
