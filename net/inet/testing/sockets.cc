#include "net/inet/testing/sockets.h"

#include <vector>

#include "fs/core/vfs.h"
#include "kernel/mm/frame.h"
#include "net/core/socket_actor.h"

namespace narwhal {

namespace {

constexpr u64 kMemory = 512 * kMiB;

Ref<FsContext>& file_context() {
  static auto& context = *new Ref<FsContext>(make_ref<FsContext>(Path(), Path(), 022).take());
  return context;
}
CredentialsRef& who() {
  static auto& credentials = *new CredentialsRef(make_ref<Credentials>().take());
  return credentials;
}

}  // namespace

SocketActor socket_actor() {
  return {*file_context(), who(), 1};
}

namespace testing {

void become(u32 uid) {
  auto credentials = make_ref<Credentials>().take();
  credentials->uid = credentials->euid = credentials->suid = credentials->fsuid = uid;
  if (uid != 0) credentials->effective = credentials->permitted = 0;
  who() = credentials;
}

void start_stack() {
  static const bool started = [] {
    fake::set_physical_memory({{PhysAddr(kMiB), kMemory}});
    frames_init();
    EXPECT_TRUE(net::core_init().ok());
    inet::register_families();
    return true;
  }();
  static_cast<void>(started);
}

void settle() {
  while (net::core_work()) {
  }
}

void pass_time(u64 ns) {
  const u64 end = platform::monotonic_ns() + ns;
  settle();
  for (;;) {
    const u64 next = net::core_next_deadline();
    if (next > end) break;
    if (next > platform::monotonic_ns()) fake::set_time(next);
    settle();
  }
  if (end > platform::monotonic_ns()) fake::set_time(end);
  settle();
}

SocketAddress address_of(std::string_view ip, u16 port) {
  SocketAddress out;
  const IpAddress address = parse_ip_address(ip).take();
  inet::store_address(address.is_v4() ? abi::kAfInet : abi::kAfInet6, {address, port}, out);
  return out;
}

std::string text_of(const SocketAddress& address) {
  const IpEndpoint endpoint = inet::parse_address(address.family(), address).take();
  Text<80> text;
  text << endpoint.address << ' ' << endpoint.port;
  return std::string(text.view());
}

Ref<Socket> Sockets::listener(std::string_view ip, int backlog) {
  const int family = parse_ip_address(ip).value().is_v4() ? abi::kAfInet : abi::kAfInet6;
  auto socket = stream(family);
  EXPECT_EQ(socket->bind(address_of(ip, 0)).error(), kOk);
  EXPECT_EQ(socket->listen(backlog).error(), kOk);
  return socket;
}

SocketAddress Sockets::local(Socket& socket) {
  SocketAddress out;
  EXPECT_TRUE(socket.local_address(out).ok());
  return out;
}

Sockets::Pair Sockets::connected() {
  auto listening = listener();
  Pair pair{stream(), nullptr};
  EXPECT_EQ(connect(*pair.client, local(*listening)), Errno::kInProgress);
  EXPECT_EQ(pair.client->finish_connect().error(), kOk);
  pair.server = accept(*listening).take();
  return pair;
}

Result<usize> Sockets::send(Socket& socket, std::string_view data, u32 flags,
                            const SocketAddress* to) {
  IoBuffer buffer(std::as_bytes(std::span(data)));
  Message message{buffer};
  SocketAddress address;
  if (to) {
    address = *to;
    message.address = &address;
  }
  message.flags = flags;
  return socket.send(message);
}

std::string Sockets::receive(Socket& socket, usize size, u32 flags, SocketAddress* from,
                             ControlData* control) {
  std::vector<std::byte> bytes(size);
  IoBuffer buffer{std::span<std::byte>(bytes)};
  Message message{buffer};
  message.address = from;
  message.control = control;
  message.flags = flags;
  auto got = socket.receive(message);
  if (!got.ok()) return "<" + std::string(errno_name(got.error())) + ">";
  if (flags & abi::kMsgTruncated) return "<" + std::to_string(got.value()) + ">";
  return std::string(reinterpret_cast<const char*>(bytes.data()), got.value());
}

Errno Sockets::set(Socket& socket, int level, int name, i32 value) {
  return socket.set_option(level, name, std::as_bytes(std::span(&value, 1))).error();
}

i32 Sockets::get(Socket& socket, int level, int name) {
  i32 value = -1;
  auto got = socket.get_option(level, name, std::as_writable_bytes(std::span(&value, 1)));
  return got.ok() ? value : -i32(got.error());
}

}  // namespace testing
}  // namespace narwhal
