// Datagrams, of UDP and AF_UNIX.
#include <netinet/ip.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

class Udp : public BothVersions {
 protected:
  void SetUp() override {
    BothVersions::SetUp();
    if (IsSkipped()) return;
    one_ = udp_socket(GetParam());
    two_ = udp_socket(GetParam());
  }
  ssize_t send_to(int fd, std::string_view text, const Address& address, int flags = 0) {
    return sendto(fd, text.data(), text.size(), flags, address.get(), address.length);
  }
  Fd one_, two_;
};
COMPAT_FOR_BOTH_VERSIONS(Udp);

TEST_P(Udp, SenderIsTold) {
  EXPECT_EQ(5, send_to(one_, "hello", local_address(two_)));
  Address from;
  char text[16];
  EXPECT_EQ(5, recvfrom(two_, text, sizeof text, 0, from.get(), &from.length));
  EXPECT_EQ(GetParam(), from.family());
  EXPECT_EQ(local_address(one_).port(), from.port());
  EXPECT_EQ(GetParam() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6), from.length);
}

TEST_P(Udp, BoundariesAreKept) {
  EXPECT_EQ(3, send_to(one_, "one", local_address(two_)));
  EXPECT_EQ(0, send_to(one_, "", local_address(two_)));
  EXPECT_EQ(5, send_to(one_, "three", local_address(two_)));
  EXPECT_EQ("one", receive(two_));
  EXPECT_EQ("", receive(two_));
  EXPECT_EQ("three", receive(two_));
  EXPECT_EQ("error EAGAIN", receive(two_, 10, MSG_DONTWAIT));
}

TEST_P(Udp, WhatDoesNotFitIsCutAndTold) {
  EXPECT_EQ(8, send_to(one_, "12345678", local_address(two_)));
  MessageBuffer message(4);
  EXPECT_EQ(4, message.receive(two_));
  EXPECT_EQ(MSG_TRUNC, message.header.msg_flags & MSG_TRUNC);
  EXPECT_EQ("error EAGAIN", receive(two_, 10, MSG_DONTWAIT)) << "the rest is gone";
  EXPECT_EQ(8, send_to(one_, "12345678", local_address(two_)));
  char text[4];
  EXPECT_EQ(8, recv(two_, text, sizeof text, MSG_TRUNC)) << "the length that it had";
}

TEST_P(Udp, PeekLeavesTheDatagram) {
  EXPECT_EQ(8, send_to(one_, "12345678", local_address(two_)));
  EXPECT_EQ("1234", receive(two_, 4, MSG_PEEK));
  char text[4];
  EXPECT_EQ(8, recv(two_, text, sizeof text, MSG_PEEK | MSG_TRUNC));
  EXPECT_EQ("12345678", receive(two_));
}

TEST_P(Udp, ConnectedSocketSendsWithoutAnAddress) {
  EXPECT_ERRNO(EDESTADDRREQ, send_text(one_, "x"));
  ASSERT_OK(connect_to(one_, local_address(two_)));
  EXPECT_EQ(1, send_text(one_, "x"));
  EXPECT_EQ("x", receive(two_));
  EXPECT_EQ(local_address(two_).port(), peer_address(one_).port());
  // Another address may be given all the same.
  const Fd three = udp_socket(GetParam());
  EXPECT_EQ(1, send_to(one_, "y", local_address(three)));
  EXPECT_EQ("y", receive(three));
}

TEST_P(Udp, ConnectedSocketHearsItsPeerOnly) {
  const Fd three = udp_socket(GetParam());
  ASSERT_OK(connect_to(one_, local_address(two_)));
  EXPECT_EQ(5, send_to(three, "other", local_address(one_)));
  EXPECT_EQ(4, send_to(two_, "peer", local_address(one_)));
  EXPECT_EQ("peer", receive(one_));
  EXPECT_EQ("error EAGAIN", receive(one_, 10, MSG_DONTWAIT));
}

TEST_P(Udp, ConnectingElsewhereAndNowhere) {
  ASSERT_OK(connect_to(one_, local_address(two_)));
  const Fd three = udp_socket(GetParam());
  EXPECT_OK(connect_to(one_, local_address(three)));
  EXPECT_EQ(local_address(three).port(), peer_address(one_).port());
  Address none;
  none.bytes.ss_family = AF_UNSPEC;
  none.length = sizeof(sockaddr_in6);
  EXPECT_OK(connect_to(one_, none));
  Address address;
  EXPECT_ERRNO(ENOTCONN, getpeername(one_, address.get(), &address.length));
  EXPECT_EQ(0, local_address(one_).port()) << "the system had chosen it";
}

TEST_P(Udp, NobodyListensIsToldToAConnectedSocket) {
  const Address nobody = local_address(two_);
  two_.reset();
  ASSERT_OK(connect_to(one_, nobody));
  EXPECT_EQ(1, send_text(one_, "x"));
  poll_until(one_, POLLERR);
  EXPECT_EQ("error ECONNREFUSED", receive(one_));
  EXPECT_EQ(1, send_text(one_, "x"));
  poll_until(one_, POLLERR);
  EXPECT_ERRNO(ECONNREFUSED, send_text(one_, "x"));
  EXPECT_EQ(1, send_text(one_, "x"));
  poll_until(one_, POLLERR);
  EXPECT_EQ(ECONNREFUSED, pending_error(one_));
}

TEST_P(Udp, NobodyListensIsNoErrorOtherwise) {
  const Address nobody = local_address(two_);
  two_.reset();
  EXPECT_EQ(1, send_to(one_, "x", nobody));
  sleep_for(milliseconds(5));
  EXPECT_EQ(1, send_to(one_, "x", nobody));
  EXPECT_EQ(0, pending_error(one_));
}

TEST_P(Udp, LargestDatagram) {
  // With IPv6 there are forty bytes more, which not every network stack can use.
  const size_t most = 65535 - (GetParam() == AF_INET ? 20 : 40) - 8;
  ASSERT_OK(set_option(two_, SOL_SOCKET, SO_RCVBUF, 1 << 20));
  const std::string data = pattern(most);
  EXPECT_EQ(ssize_t(most), send_to(one_, data, local_address(two_)));
  EXPECT_EQ(POLLIN, poll_until(two_, POLLIN) & POLLIN);
  EXPECT_TRUE(data == receive(two_, 70000, MSG_DONTWAIT));
  EXPECT_ERRNO(EMSGSIZE, send_to(one_, pattern(65528), local_address(two_)));
}

TEST_P(Udp, FirstSendGivesAPort) {
  const Fd fresh = socket(GetParam(), SOCK_DGRAM, 0);
  EXPECT_EQ(0, local_address(fresh).port());
  EXPECT_EQ(1, send_to(fresh, "x", local_address(two_)));
  EXPECT_NE(0, local_address(fresh).port());
  Address from;
  char byte;
  EXPECT_EQ(1, recvfrom(two_, &byte, 1, 0, from.get(), &from.length));
  EXPECT_EQ(local_address(fresh).port(), from.port());
}

TEST_P(Udp, ConnectingGivesALocalAddress) {
  const Fd fresh = socket(GetParam(), SOCK_DGRAM, 0);
  ASSERT_OK(connect_to(fresh, local_address(two_)));
  Address local = local_address(fresh);
  EXPECT_NE(0, local.port());
  if (GetParam() == AF_INET)
    EXPECT_EQ(htonl(INADDR_LOOPBACK), local.v4().sin_addr.s_addr);
  else
    EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&local.v6().sin6_addr));
}

TEST_P(Udp, PortsAreSharedOnlyByAgreement) {
  const Fd third = socket(GetParam(), SOCK_DGRAM, 0);
  EXPECT_ERRNO(EADDRINUSE, bind_to(third, local_address(one_)));
  const Fd first = socket(GetParam(), SOCK_DGRAM, 0);
  ASSERT_OK(set_option(first, SOL_SOCKET, SO_REUSEADDR, 1));
  ASSERT_OK(bind_to(first, loopback(GetParam())));
  ASSERT_OK(set_option(third, SOL_SOCKET, SO_REUSEADDR, 1));
  EXPECT_OK(bind_to(third, local_address(first)));
}

TEST_P(Udp, PollSaysWhenThereIsADatagram) {
  EXPECT_EQ(POLLOUT, poll_now(two_, POLLIN | POLLOUT));
  EXPECT_EQ(0, send_to(one_, "", local_address(two_)));
  EXPECT_EQ(POLLIN | POLLOUT, poll_until(two_, POLLIN) & (POLLIN | POLLOUT));
  EXPECT_EQ("", receive(two_));
  EXPECT_EQ(POLLOUT, poll_now(two_, POLLIN | POLLOUT));
}

TEST_P(Udp, NextDatagramIsCounted) {
  int count = -1;
  EXPECT_OK(ioctl(two_, FIONREAD, &count));
  EXPECT_EQ(0, count);
  EXPECT_EQ(5, send_to(one_, "12345", local_address(two_)));
  EXPECT_EQ(3, send_to(one_, "678", local_address(two_)));
  poll_until(two_, POLLIN);
  EXPECT_OK(ioctl(two_, FIONREAD, &count));
  EXPECT_EQ(5, count);
}

TEST_P(Udp, ShutdownNeedsAPeer) {
  EXPECT_ERRNO(ENOTCONN, shutdown(one_, SHUT_RD));
  ASSERT_OK(connect_to(one_, local_address(two_)));
  EXPECT_OK(shutdown(one_, SHUT_WR));
  EXPECT_ERRNO(EPIPE, send_text(one_, "x", MSG_NOSIGNAL));
  EXPECT_OK(shutdown(one_, SHUT_RD));
  EXPECT_EQ("", receive(one_));
}

TEST_P(Udp, CorkJoinsADatagram) {
  ASSERT_OK(connect_to(one_, local_address(two_)));
  EXPECT_EQ(3, send_text(one_, "one", MSG_MORE));
  EXPECT_EQ("error EAGAIN", receive(two_, 10, MSG_DONTWAIT));
  EXPECT_EQ(3, send_text(one_, "two"));
  EXPECT_EQ("onetwo", receive(two_));
}

TEST_P(Udp, FullReceiverLosesDatagrams) {
  ASSERT_OK(set_option(two_, SOL_SOCKET, SO_RCVBUF, 4096));
  const std::string data(1000, 'x');
  for (int i = 0; i < 200; ++i) EXPECT_EQ(1000, send_to(one_, data, local_address(two_)));
  int got = 0;
  while (receive(two_, 2000, MSG_DONTWAIT) == data) ++got;
  EXPECT_GE(got, 1);
  EXPECT_LT(got, 200);
}

TEST_P(Udp, ReceiveTimeoutEndsWithAgain) {
  ASSERT_OK(set_option(one_, SOL_SOCKET, SO_RCVTIMEO, timeval{.tv_usec = 60'000}));
  const auto time = duration_of([&] { EXPECT_EQ("error EAGAIN", receive(one_)); });
  EXPECT_GE(time, milliseconds(55));
}

TEST(UdpUrgent, DataIsNotSupported) {
  const Fd fd = udp_socket();
  const Address to = local_address(fd);
  EXPECT_ERRNO(EOPNOTSUPP, sendto(fd, "x", 1, MSG_OOB, to.get(), to.length));
}

TEST(UdpAddress, OfTheWrongFamilyIsRefused) {
  const Fd fd = udp_socket();
  const Address six = loopback(AF_INET6, 9);
  EXPECT_ERRNO(EAFNOSUPPORT, sendto(fd, "x", 1, 0, six.get(), six.length));
  const Address four = loopback(AF_INET, 9);
  EXPECT_ERRNO(EINVAL, sendto(fd, "x", 1, 0, four.get(), 4));
  const Address zero = loopback(AF_INET, 0);
  EXPECT_ERRNO(EINVAL, sendto(fd, "x", 1, 0, zero.get(), zero.length));
}

TEST(UdpBroadcast, NeedsPermission) {
  const Fd fd = udp_socket();
  const Address all =
      v4_address(0x7fffffff, 9);  // of loopback, which is there without a network card
  EXPECT_ERRNO(EACCES, sendto(fd, "x", 1, 0, all.get(), all.length));
  EXPECT_ERRNO(EACCES, connect_to(fd, all));
  ASSERT_OK(set_option(fd, SOL_SOCKET, SO_BROADCAST, 1));
  const Fd receiver = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_OK(bind_to(receiver, any_address(AF_INET)));
  const Address to = v4_address(0x7fffffff, local_address(receiver).port());
  EXPECT_EQ(1, sendto(fd, "x", 1, 0, to.get(), to.length));
  EXPECT_EQ("x", receive(receiver));
}

TEST(UdpBroadcast, NeedsAWayBeforePermission) {
  const Fd fd = udp_socket();
  const Address all = v4_address(INADDR_BROADCAST, 9);
  // Where no network card is, nothing leads there, and that is looked at first.
  const Fd permitted = udp_socket();
  ASSERT_OK(set_option(permitted, SOL_SOCKET, SO_BROADCAST, 1));
  const bool leads_there = connect_to(permitted, all) == 0;
  const int expected = leads_there ? EACCES : errno;
  EXPECT_TRUE(leads_there || expected == ENETUNREACH);
  EXPECT_ERRNO(expected, sendto(fd, "x", 1, 0, all.get(), all.length));
  EXPECT_ERRNO(expected, connect_to(fd, all));
}

// --- AF_UNIX

TEST(UnixDatagram, PairKeepsBoundaries) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  EXPECT_EQ(3, send_text(pair.client, "one"));
  EXPECT_EQ(0, send_text(pair.client, ""));
  EXPECT_EQ(3, send_text(pair.client, "two"));
  EXPECT_EQ("one", receive(pair.server));
  EXPECT_EQ("", receive(pair.server));
  EXPECT_EQ("two", receive(pair.server));
}

TEST(UnixDatagram, SendsToANameInTheFileSystem) {
  const TempDir dir;
  const Fd server = socket(AF_UNIX, SOCK_DGRAM, 0);
  const Fd client = socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_OK(bind_to(server, path_address(dir / "server")));
  ASSERT_OK(bind_to(client, path_address(dir / "client")));
  const Address to = path_address(dir / "server");
  EXPECT_EQ(2, sendto(client, "hi", 2, 0, to.get(), to.length));
  Address from;
  char text[8];
  EXPECT_EQ(2, recvfrom(server, text, sizeof text, 0, from.get(), &from.length));
  EXPECT_STREQ((dir / "client").c_str(), from.local().sun_path);
}

TEST(UnixDatagram, NamelessSenderHasNoAddress) {
  const Fd server = socket(AF_UNIX, SOCK_DGRAM, 0);
  const Address name = abstract_address("datagram");
  ASSERT_OK(bind_to(server, name));
  const Fd client = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(2, sendto(client, "hi", 2, 0, name.get(), name.length));
  Address from;
  char text[8];
  EXPECT_EQ(2, recvfrom(server, text, sizeof text, 0, from.get(), &from.length));
  EXPECT_EQ(0u, from.length);
}

TEST(UnixDatagram, MissingAndRefusingNames) {
  const TempDir dir;
  const Fd client = socket(AF_UNIX, SOCK_DGRAM, 0);
  const Address missing = path_address(dir / "missing");
  EXPECT_ERRNO(ENOENT, sendto(client, "x", 1, 0, missing.get(), missing.length));
  write_file(dir / "file", "");
  EXPECT_ERRNO(ECONNREFUSED, connect_to(client, path_address(dir / "file")));
  EXPECT_ERRNO(ECONNREFUSED, connect_to(client, abstract_address("nobody")));
  EXPECT_ERRNO(ENOTCONN, send_text(client, "x"));
}

TEST(UnixDatagram, OtherTypeIsRefused) {
  const TempDir dir;
  const Address name = path_address(dir / "stream");
  const Fd stream = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_OK(bind_to(stream, name));
  ASSERT_OK(listen(stream, 1));
  const Fd datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_ERRNO(EPROTOTYPE, connect_to(datagram, name));
}

TEST(UnixDatagram, ClosedReceiverRefuses) {
  Pair pair = unix_pair(SOCK_DGRAM);
  pair.server.reset();
  EXPECT_ERRNO(ECONNREFUSED, send_text(pair.client, "x", MSG_NOSIGNAL));
}

TEST(UnixDatagram, FullReceiverBlocks) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  int sent = 0;
  while (sent < 10000 && send_text(pair.client, "x", MSG_DONTWAIT) == 1) ++sent;
  EXPECT_EQ(EAGAIN, errno);
  EXPECT_LT(sent, 10000);
  EXPECT_EQ(0, poll_now(pair.client, POLLOUT));
  std::thread reading([&] {
    let_others_block();
    for (int i = 0; i < sent; ++i) EXPECT_EQ("x", receive(pair.server));
  });
  EXPECT_EQ(1, send_text(pair.client, "y"));
  reading.join();
  EXPECT_EQ("y", receive(pair.server));
}

TEST(UnixDatagram, TooLongIsRefused) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  const std::string data(1 << 20, 'x');
  EXPECT_ERRNO(EMSGSIZE, send_text(pair.client, data));
}

TEST(UnixDatagram, WhatDoesNotFitIsCut) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  EXPECT_EQ(8, send_text(pair.client, "12345678"));
  MessageBuffer message(4);
  EXPECT_EQ(4, message.receive(pair.server));
  EXPECT_EQ(MSG_TRUNC, message.header.msg_flags);
  EXPECT_EQ("error EAGAIN", receive(pair.server, 10, MSG_DONTWAIT));
}

TEST(UnixSequence, RecordsAreKeptAndEnded) {
  const Pair pair = unix_pair(SOCK_SEQPACKET);
  EXPECT_EQ(3, send_text(pair.client, "one"));
  EXPECT_EQ(5, send_text(pair.client, "three"));
  EXPECT_EQ("one", receive(pair.server));
  MessageBuffer message(2);
  EXPECT_EQ(2, message.receive(pair.server));
  EXPECT_EQ(MSG_TRUNC, message.header.msg_flags & MSG_TRUNC);
  EXPECT_EQ("error EAGAIN", receive(pair.server, 10, MSG_DONTWAIT));
}

TEST(UnixSequence, EndsLikeAStream) {
  Pair pair = unix_pair(SOCK_SEQPACKET);
  EXPECT_EQ(4, send_text(pair.client, "last"));
  pair.client.reset();
  EXPECT_EQ("last", receive(pair.server));
  EXPECT_EQ("", receive(pair.server));
  const ScopedAction action(SIGPIPE, record_signal);
  record.count = 0;
  EXPECT_ERRNO(EPIPE, send_text(pair.server, "x"));
  EXPECT_EQ(0u, record.count) << "only streams are worth a signal";
}

TEST(UnixSequence, ListensAndAccepts) {
  const Address name = abstract_address("sequence");
  const Fd listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 4));
  const Fd client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  EXPECT_ERRNO(ENOTCONN, send_text(client, "x", MSG_NOSIGNAL));
  ASSERT_OK(connect_to(client, name));
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_EQ(2, send_text(client, "hi"));
  EXPECT_EQ("hi", receive(server));
}

}  // namespace
}  // namespace compat
