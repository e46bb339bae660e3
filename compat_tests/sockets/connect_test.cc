// TCP: how connections come to be, and how the attempt fails.
#include <sys/resource.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

TEST(Socket, RefusesUnknownFamiliesTypesAndProtocols) {
  EXPECT_ERRNO(EAFNOSUPPORT, socket(1000, SOCK_STREAM, 0));
  EXPECT_ERRNO(EINVAL, socket(AF_INET, 11, 0));
  EXPECT_ERRNO(ESOCKTNOSUPPORT, socket(AF_INET, SOCK_SEQPACKET, 0));
  EXPECT_ERRNO(EPROTONOSUPPORT, socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
  EXPECT_ERRNO(EPROTONOSUPPORT, socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
  EXPECT_ERRNO(EINVAL, socket(AF_INET, SOCK_STREAM | 0x100, 0));
}

TEST(Socket, TellsWhatItIs) {
  const Fd tcp = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(SOCK_STREAM, get_option(tcp, SOL_SOCKET, SO_TYPE));
  EXPECT_EQ(AF_INET, get_option(tcp, SOL_SOCKET, SO_DOMAIN));
  EXPECT_EQ(IPPROTO_TCP, get_option(tcp, SOL_SOCKET, SO_PROTOCOL));
  const Fd udp = socket(AF_INET6, SOCK_DGRAM, 0);
  EXPECT_EQ(SOCK_DGRAM, get_option(udp, SOL_SOCKET, SO_TYPE));
  EXPECT_EQ(AF_INET6, get_option(udp, SOL_SOCKET, SO_DOMAIN));
  EXPECT_EQ(IPPROTO_UDP, get_option(udp, SOL_SOCKET, SO_PROTOCOL));
}

TEST(Socket, FlagsOfTheTypeSetDescriptorFlags) {
  const Fd plain = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(0, fcntl(plain, F_GETFD));
  EXPECT_EQ(O_RDWR, fcntl(plain, F_GETFL));
  const Fd both = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  EXPECT_EQ(FD_CLOEXEC, fcntl(both, F_GETFD));
  EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(both, F_GETFL));
}

TEST(Socket, CallsOnOtherDescriptorsSayNotASocket) {
  const Fd null = open("/dev/null", O_RDWR);
  Address address = loopback(AF_INET);
  EXPECT_ERRNO(ENOTSOCK, bind_to(null, address));
  EXPECT_ERRNO(ENOTSOCK, connect_to(null, address));
  EXPECT_ERRNO(ENOTSOCK, listen(null, 1));
  EXPECT_ERRNO(ENOTSOCK, accept(null, nullptr, nullptr));
  EXPECT_ERRNO(ENOTSOCK, send(null, "x", 1, 0));
  EXPECT_ERRNO(ENOTSOCK, shutdown(null, SHUT_RD));
  EXPECT_ERRNO(ENOTSOCK, getsockname(null, address.get(), &address.length));
  EXPECT_ERRNO(EBADF, listen(-1, 1));
}

TEST(Socket, CannotBeSeekedOrMapped) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_ERRNO(ESPIPE, lseek(fd, 0, SEEK_CUR));
  char byte;
  EXPECT_ERRNO(ESPIPE, pread(fd, &byte, 1, 0));
  EXPECT_ERRNO(EINVAL, ftruncate(fd, 0));
}

class TcpBind : public BothVersions {};
COMPAT_FOR_BOTH_VERSIONS(TcpBind);

TEST_P(TcpBind, PortZeroBecomesAFreePort) {
  const Fd fd = socket(GetParam(), SOCK_STREAM, 0);
  EXPECT_EQ(0, local_address(fd).port());
  ASSERT_OK(bind_to(fd, loopback(GetParam())));
  EXPECT_NE(0, local_address(fd).port());
  EXPECT_EQ(GetParam(), local_address(fd).family());
}

TEST_P(TcpBind, TwiceIsInvalid) {
  const Fd fd = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(bind_to(fd, loopback(GetParam())));
  EXPECT_ERRNO(EINVAL, bind_to(fd, loopback(GetParam())));
}

TEST_P(TcpBind, TakenPortIsInUse) {
  const Fd first = listener(GetParam());
  const Fd second = socket(GetParam(), SOCK_STREAM, 0);
  EXPECT_ERRNO(EADDRINUSE, bind_to(second, local_address(first)));
  EXPECT_ERRNO(EADDRINUSE, bind_to(second, any_address(GetParam(), local_address(first).port())));
}

TEST_P(TcpBind, ReuseAddressDoesNotShareAListeningPort) {
  const Fd first = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(set_option(first, SOL_SOCKET, SO_REUSEADDR, 1));
  ASSERT_OK(bind_to(first, loopback(GetParam())));
  const Fd second = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(set_option(second, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_OK(bind_to(second, local_address(first)));
  ASSERT_OK(listen(first, 1));
  EXPECT_ERRNO(EADDRINUSE, listen(second, 1));
  const Fd third = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(set_option(third, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_ERRNO(EADDRINUSE, bind_to(third, local_address(first)));
}

TEST_P(TcpBind, ReusePortSharesAListeningPort) {
  const Fd first = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(set_option(first, SOL_SOCKET, SO_REUSEPORT, 1));
  ASSERT_OK(bind_to(first, loopback(GetParam())));
  ASSERT_OK(listen(first, 16));
  const Fd second = socket(GetParam(), SOCK_STREAM, 0);
  EXPECT_ERRNO(EADDRINUSE, bind_to(second, local_address(first)));
  ASSERT_OK(set_option(second, SOL_SOCKET, SO_REUSEPORT, 1));
  EXPECT_OK(bind_to(second, local_address(first)));
  EXPECT_OK(listen(second, 16));
  // Each connection goes to one of the two.
  std::vector<Fd> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(socket(GetParam(), SOCK_STREAM, 0));
    ASSERT_OK(connect_to(clients.back(), local_address(first)));
  }
  set_nonblocking(first);
  set_nonblocking(second);
  std::vector<Fd> accepted;
  for (const int fd : {int(first), int(second)})
    for (int got; (got = accept(fd, nullptr, nullptr)) >= 0;) accepted.emplace_back(got);
  EXPECT_EQ(8u, accepted.size());
}

TEST(Bind, OfAForeignAddressIsRefused) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_ERRNO(EADDRNOTAVAIL, bind_to(fd, v4_address(0x01020304)));
}

TEST(Bind, ChecksFamilyAndLength) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  Address address = loopback(AF_INET);
  EXPECT_ERRNO(EINVAL, bind(fd, address.get(), 8));
  EXPECT_ERRNO(EAFNOSUPPORT, bind_to(fd, loopback(AF_INET6)));
  address.v4().sin_family = AF_UNSPEC;
  EXPECT_ERRNO(EAFNOSUPPORT, bind_to(fd, address));
  EXPECT_ERRNO(EFAULT, bind(fd, bad_pointer<sockaddr>(), sizeof(sockaddr_in)));
  EXPECT_ERRNO(EINVAL, bind(fd, address.get(), -1));
  const Fd six = socket(AF_INET6, SOCK_STREAM, 0);
  Address short_six = loopback(AF_INET6);
  EXPECT_ERRNO(EINVAL, bind(six, short_six.get(), 20));
}

TEST(Bind, AnyAddressWithFamilyUnspecifiedIsTaken) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  Address address = any_address(AF_INET);
  address.v4().sin_family = AF_UNSPEC;
  EXPECT_OK(bind_to(fd, address));
  EXPECT_EQ(AF_INET, local_address(fd).family());
}

class TcpConnect : public BothVersions {};
COMPAT_FOR_BOTH_VERSIONS(TcpConnect);

TEST_P(TcpConnect, BothEndsAgreeOnTheirAddresses) {
  const Pair pair = tcp_pair(GetParam());
  EXPECT_EQ(local_address(pair.client).port(), peer_address(pair.server).port());
  EXPECT_EQ(peer_address(pair.client).port(), local_address(pair.server).port());
  EXPECT_EQ(GetParam(), peer_address(pair.server).family());
}

TEST_P(TcpConnect, NobodyListensIsRefused) {
  Address address;
  {
    const Fd gone = listener(GetParam());
    address = local_address(gone);
  }
  const Fd fd = socket(GetParam(), SOCK_STREAM, 0);
  EXPECT_ERRNO(ECONNREFUSED, connect_to(fd, address));
  EXPECT_EQ(0, pending_error(fd)) << "connect(2) has told it";
}

TEST_P(TcpConnect, AfterARefusalTheSocketCanTryAgain) {
  Address nobody;
  {
    const Fd gone = listener(GetParam());
    nobody = local_address(gone);
  }
  const Fd fd = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_ERRNO(ECONNREFUSED, connect_to(fd, nobody));
  const Fd listening = listener(GetParam());
  EXPECT_OK(connect_to(fd, local_address(listening)));
}

TEST_P(TcpConnect, NonBlockingRefusalIsASocketError) {
  Address address;
  {
    const Fd gone = listener(GetParam());
    address = local_address(gone);
  }
  const Fd fd = socket(GetParam(), SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_ERRNO(EINPROGRESS, connect_to(fd, address));
  const short events = poll_until(fd, POLLERR);
  EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLWRBAND,
            events | POLLWRBAND);
  EXPECT_EQ(ECONNREFUSED, pending_error(fd));
  EXPECT_EQ(0, pending_error(fd));
}

TEST_P(TcpConnect, NonBlockingEndsWithWritable) {
  const Fd listening = listener(GetParam());
  const Fd fd = socket(GetParam(), SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_ERRNO(EINPROGRESS, connect_to(fd, local_address(listening)));
  EXPECT_EQ(POLLOUT, poll_until(fd, POLLOUT) & (POLLOUT | POLLERR | POLLHUP | POLLIN));
  EXPECT_EQ(0, pending_error(fd));
  // The first connect(2) after it says that it worked, the next that it had.
  EXPECT_OK(connect_to(fd, local_address(listening)));
  EXPECT_ERRNO(EISCONN, connect_to(fd, local_address(listening)));
}

TEST_P(TcpConnect, TwiceIsConnected) {
  const Pair pair = tcp_pair(GetParam());
  EXPECT_ERRNO(EISCONN, connect_to(pair.client, local_address(pair.server)));
  EXPECT_ERRNO(EISCONN, connect_to(pair.server, local_address(pair.client)));
}

TEST_P(TcpConnect, OfAListenerIsConnected) {
  const Fd first = listener(GetParam());
  const Fd second = listener(GetParam());
  EXPECT_ERRNO(EISCONN, connect_to(first, local_address(second)));
}

TEST_P(TcpConnect, UnspecifiedFamilyDissolvesIt) {
  Pair pair = tcp_pair(GetParam());
  Address none;
  none.bytes.ss_family = AF_UNSPEC;
  none.length = sizeof(sockaddr_in6);
  ASSERT_OK(connect_to(pair.client, none));
  Address address;
  EXPECT_ERRNO(ENOTCONN, getpeername(pair.client, address.get(), &address.length));
  EXPECT_EQ("error ECONNRESET", receive(pair.server));
  const Fd listening = listener(GetParam());
  EXPECT_OK(connect_to(pair.client, local_address(listening)));
}

TEST_P(TcpConnect, BoundSocketKeepsItsPort) {
  const Fd listening = listener(GetParam());
  const Fd fd = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(bind_to(fd, loopback(GetParam())));
  const in_port_t port = local_address(fd).port();
  ASSERT_OK(connect_to(fd, local_address(listening)));
  EXPECT_EQ(port, local_address(fd).port());
}

TEST(Connect, ToTheAnyAddressReachesThisMachine) {
  const Fd listening = listener(AF_INET);
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(fd, any_address(AF_INET, local_address(listening).port())));
  EXPECT_EQ(htonl(INADDR_LOOPBACK), peer_address(fd).v4().sin_addr.s_addr);
}

TEST(Connect, ReachesEveryAddressOfTheLoopbackNet) {
  const Fd listening = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(bind_to(listening, v4_address(0x7f010203)));
  ASSERT_OK(listen(listening, 4));
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_OK(connect_to(fd, local_address(listening)));
  EXPECT_EQ(htonl(0x7f010203), peer_address(fd).v4().sin_addr.s_addr);
}

TEST(Connect, ToItselfWorks) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(bind_to(fd, loopback(AF_INET)));
  ASSERT_OK(connect_to(fd, local_address(fd)));
  EXPECT_EQ(4, send_text(fd, "echo"));
  EXPECT_EQ("echo", receive(fd));
}

TEST(Connect, ChecksFamilyAndLength) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  Address address = loopback(AF_INET, 9);
  EXPECT_ERRNO(EINVAL, connect(fd, address.get(), 8));
  EXPECT_ERRNO(EINVAL, connect(fd, address.get(), 1));
  EXPECT_ERRNO(EAFNOSUPPORT, connect_to(fd, loopback(AF_INET6, 9)));
  EXPECT_ERRNO(EFAULT, connect(fd, bad_pointer<sockaddr>(), sizeof(sockaddr_in)));
}

TEST(Connect, BoundPortDoesNotMakeTheSocketConnected) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(bind_to(fd, loopback(AF_INET)));
  Address address;
  EXPECT_ERRNO(ENOTCONN, getpeername(fd, address.get(), &address.length));
}

// --- accepting

class TcpAccept : public BothVersions {};
COMPAT_FOR_BOTH_VERSIONS(TcpAccept);

TEST_P(TcpAccept, FlagsSetDescriptorFlags) {
  const Fd listening = listener(GetParam());
  const Address address = local_address(listening);
  const Fd first = socket(GetParam(), SOCK_STREAM, 0);
  const Fd second = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(connect_to(first, address));
  ASSERT_OK(connect_to(second, address));
  const Fd plain = accept(listening, nullptr, nullptr);
  EXPECT_EQ(0, fcntl(plain, F_GETFD));
  EXPECT_EQ(O_RDWR, fcntl(plain, F_GETFL));
  const Fd both = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  EXPECT_EQ(FD_CLOEXEC, fcntl(both, F_GETFD));
  EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(both, F_GETFL));
  EXPECT_ERRNO(EINVAL, accept4(listening, nullptr, nullptr, 0x10));
}

TEST_P(TcpAccept, NonBlockingIsNotInherited) {
  const Fd listening = listener(GetParam());
  set_nonblocking(listening);
  const Fd client = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  poll_until(listening, POLLIN);
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_EQ(O_RDWR, fcntl(server, F_GETFL));
}

TEST_P(TcpAccept, OptionsAreInherited) {
  const Fd listening = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(bind_to(listening, loopback(GetParam())));
  ASSERT_OK(set_option(listening, SOL_SOCKET, SO_KEEPALIVE, 1));
  ASSERT_OK(set_option(listening, IPPROTO_TCP, TCP_NODELAY, 1));
  ASSERT_OK(set_option(listening, IPPROTO_TCP, TCP_KEEPIDLE, 33));
  ASSERT_OK(set_option(listening, SOL_SOCKET, SO_RCVBUF, 40000));
  ASSERT_OK(set_option(listening, SOL_SOCKET, SO_RCVTIMEO, timeval{.tv_sec = 7}));
  ASSERT_OK(listen(listening, 4));
  const Fd client = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_EQ(1, get_option(server, SOL_SOCKET, SO_KEEPALIVE));
  EXPECT_EQ(1, get_option(server, IPPROTO_TCP, TCP_NODELAY));
  EXPECT_EQ(33, get_option(server, IPPROTO_TCP, TCP_KEEPIDLE));
  EXPECT_EQ(80000, get_option(server, SOL_SOCKET, SO_RCVBUF));
  timeval timeout = {};
  socklen_t size = sizeof timeout;
  EXPECT_OK(getsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &timeout, &size));
  EXPECT_EQ(7, timeout.tv_sec);
  EXPECT_EQ(0, get_option(server, SOL_SOCKET, SO_ACCEPTCONN));
  EXPECT_EQ(1, get_option(listening, SOL_SOCKET, SO_ACCEPTCONN));
}

TEST_P(TcpAccept, AddressOfThePeerIsCutToTheRoom) {
  const Fd listening = listener(GetParam());
  const Fd client = socket(GetParam(), SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  Address address;
  memset(&address.bytes, 0x5a, sizeof address.bytes);
  address.length = 4;
  const Fd server = accept(listening, address.get(), &address.length);
  ASSERT_GE(server, 0);
  EXPECT_EQ(GetParam() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6), address.length);
  EXPECT_EQ(local_address(client).port(), address.port());
  EXPECT_EQ(0x5a, reinterpret_cast<char*>(&address.bytes)[4]);
}

TEST(Accept, WithoutAConnectionOrListener) {
  const Fd fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  EXPECT_ERRNO(EINVAL, accept(fd, nullptr, nullptr));
  ASSERT_OK(bind_to(fd, loopback(AF_INET)));
  ASSERT_OK(listen(fd, 1));
  EXPECT_ERRNO(EAGAIN, accept(fd, nullptr, nullptr));
  const Fd udp = udp_socket();
  EXPECT_ERRNO(EOPNOTSUPP, accept(udp, nullptr, nullptr));
  EXPECT_ERRNO(EOPNOTSUPP, listen(udp, 1));
}

TEST(Accept, TimesOutAfterReceiveTimeout) {
  const Fd listening = listener(AF_INET);
  ASSERT_OK(set_option(listening, SOL_SOCKET, SO_RCVTIMEO, timeval{.tv_usec = 60'000}));
  const auto time = duration_of([&] { EXPECT_ERRNO(EAGAIN, accept(listening, nullptr, nullptr)); });
  EXPECT_GE(time, milliseconds(55));
}

TEST(Accept, WaitsForAConnection) {
  const Fd listening = listener(AF_INET);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  std::thread connecting([&] {
    let_others_block();
    EXPECT_OK(connect_to(client, local_address(listening)));
  });
  const Fd server = accept(listening, nullptr, nullptr);
  connecting.join();
  EXPECT_GE(server, 0);
}

TEST(Accept, ClosedConnectionIsStillHandedOut) {
  const Fd listening = listener(AF_INET);
  {
    const Fd client = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_OK(connect_to(client, local_address(listening)));
    EXPECT_EQ(3, send_text(client, "bye"));
  }
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_EQ("bye", receive(server));
  EXPECT_EQ("", receive(server));
}

TEST(Accept, DescriptorLimitIsKept) {
  const Fd listening = listener(AF_INET);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  rlimit old;
  ASSERT_OK(getrlimit(RLIMIT_NOFILE, &old));
  const rlimit none = {.rlim_cur = 3, .rlim_max = old.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_NOFILE, &none));
  const int got = accept(listening, nullptr, nullptr);
  const int error = errno;
  ASSERT_OK(setrlimit(RLIMIT_NOFILE, &old));
  EXPECT_EQ(-1, got);
  EXPECT_EQ(EMFILE, error);
}

TEST(Listen, ClosingResetsWhatWasNotAccepted) {
  Fd listening = listener(AF_INET);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  listening.reset();
  EXPECT_EQ("error ECONNRESET", receive(client));
}

TEST(Listen, AgainChangesTheBacklog) {
  const Fd listening = listener(AF_INET, 1);
  EXPECT_OK(listen(listening, 64));
  std::vector<Fd> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect_to(clients.back(), local_address(listening));
    EXPECT_EQ(POLLOUT, poll_until(clients.back(), POLLOUT) & (POLLOUT | POLLERR));
  }
}

TEST(Listen, WithoutANameGetsAPort) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(listen(fd, 1));
  EXPECT_NE(0, local_address(fd).port());
  EXPECT_EQ(htonl(INADDR_ANY), local_address(fd).v4().sin_addr.s_addr);
}

TEST(Listen, OnAConnectionIsInvalid) {
  const Pair pair = tcp_pair();
  EXPECT_ERRNO(EINVAL, listen(pair.client, 1));
}

TEST(Listen, ShutdownEndsListening) {
  const Fd listening = listener(AF_INET);
  const Address address = local_address(listening);
  ASSERT_OK(shutdown(listening, SHUT_RDWR));
  EXPECT_ERRNO(EINVAL, accept(listening, nullptr, nullptr));
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_ERRNO(ECONNREFUSED, connect_to(client, address));
  EXPECT_OK(listen(listening, 4));
  EXPECT_OK(connect_to(client, local_address(listening)));
}

TEST(Listen, ShutdownWakesAccept) {
  const Fd listening = listener(AF_INET);
  std::thread accepting([&] { EXPECT_ERRNO(EINVAL, accept(listening, nullptr, nullptr)); });
  let_others_block();
  EXPECT_OK(shutdown(listening, SHUT_RDWR));
  accepting.join();
}

}  // namespace
}  // namespace compat
