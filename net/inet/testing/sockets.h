// What host tests of Internet sockets share: a stack that is started once, short ways to socket
// calls, and time that passes when a test says so.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "kernel/platform/fake/fake_machine.h"
#include "net/inet/inet.h"
#include "net/inet/inet_address.h"
#include "net/lwip/core.h"

namespace narwhal::testing {

inline constexpr Errno kOk{};

// Starts the stack on a fake machine with plenty of memory; more than once does nothing.
void start_stack();
// Lets time pass, with the stack's timers and devices at work.
void pass_time(u64 ns);
// The stack works until it has nothing to do at once.
void settle();
// The user on whose behalf calls are made.
void become(u32 uid);

SocketAddress address_of(std::string_view ip, u16 port);
std::string text_of(const SocketAddress& address);

class Sockets : public ::testing::Test {
 protected:
  void SetUp() override { start_stack(); }
  void TearDown() override {
    become(0);
    // What was closed goes.
    pass_time(10 * kNanosPerSecond);
  }

  static Ref<Socket> make(int type, int family = abi::kAfInet, int protocol = 0) {
    return inet::create_inet_socket(family, type, protocol, OpenFlags::kReadWrite).take();
  }
  static Ref<Socket> stream(int family = abi::kAfInet) { return make(abi::kSockStream, family); }
  static Ref<Socket> datagram(int family = abi::kAfInet) {
    return make(abi::kSockDatagram, family);
  }

  // Bound to an address with a port of the system's choice, and listening.
  static Ref<Socket> listener(std::string_view ip = "127.0.0.1", int backlog = 128);
  static SocketAddress local(Socket& socket);
  // A connection over loopback, both ends of it.
  struct Pair {
    Ref<Socket> client, server;
  };
  static Pair connected();

  static Errno connect(Socket& socket, const SocketAddress& to) {
    return socket.connect(to).error();
  }
  static Result<Ref<Socket>> accept(Socket& listening) {
    SocketAddress peer;
    return listening.accept(OpenFlags::kReadWrite, peer);
  }
  static Result<usize> send(Socket& socket, std::string_view data, u32 flags = 0,
                            const SocketAddress* to = nullptr);
  // What recv(2) gives, or the errno's name in angle brackets.
  static std::string receive(Socket& socket, usize size = 65536, u32 flags = 0,
                             SocketAddress* from = nullptr, ControlData* control = nullptr);
  static Errno set(Socket& socket, int level, int name, i32 value);
  static i32 get(Socket& socket, int level, int name);
  static Errno error_of(Socket& socket) {
    return Errno(get(socket, abi::kSolSocket, abi::kSoError));
  }
};

}  // namespace narwhal::testing
