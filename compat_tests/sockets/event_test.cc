// What poll(2) and epoll(7) say of sockets in every state.
#include <sys/epoll.h>
#include <sys/select.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

constexpr short kIn = POLLIN | POLLRDNORM;
// AF_UNIX says POLLWRBAND too, which is not told apart here.
constexpr short kOut = POLLOUT | POLLWRNORM;

short events_of(int fd) {
  return poll_now(fd, kAllEvents) & ~POLLWRBAND;
}

TEST(SocketPoll, FreshTcpSocketHangsUp) {
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(kOut | POLLHUP, events_of(fd));
}

TEST(SocketPoll, FreshUdpSocketIsWritable) {
  const Fd fd = socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_EQ(kOut, events_of(fd));
}

TEST(SocketPoll, FreshLocalSockets) {
  const Fd stream = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(kOut | POLLHUP, events_of(stream));
  const Fd datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(kOut, events_of(datagram));
}

TEST(SocketPoll, ListenerIsReadableWithAConnection) {
  const Fd listening = listener(AF_INET);
  EXPECT_EQ(0, events_of(listening));
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  poll_until(listening, POLLIN);
  EXPECT_EQ(kIn, events_of(listening));
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_EQ(0, events_of(listening));
}

TEST(SocketPoll, LocalListenerIsReadableWithAConnection) {
  const Address name = abstract_address("poll");
  const Fd listening = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 4));
  EXPECT_EQ(0, events_of(listening));
  const Fd client = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, name));
  EXPECT_EQ(kIn, events_of(listening));
}

class StreamPoll : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { pair_ = stream_pair(GetParam()); }
  Pair pair_;
};
INSTANTIATE_TEST_SUITE_P(Family, StreamPoll, testing::Values(AF_INET, AF_UNIX), family_name);

TEST_P(StreamPoll, IdleConnectionIsWritable) {
  EXPECT_EQ(kOut, events_of(pair_.client));
  EXPECT_EQ(kOut, events_of(pair_.server));
}

TEST_P(StreamPoll, DataIsReadable) {
  send_text(pair_.client, "x");
  poll_until(pair_.server, POLLIN);
  EXPECT_EQ(kIn | kOut, events_of(pair_.server));
  receive(pair_.server);
  EXPECT_EQ(kOut, events_of(pair_.server));
}

TEST_P(StreamPoll, PeersHalfCloseIsReadHangUp) {
  ASSERT_OK(shutdown(pair_.client, SHUT_WR));
  poll_until(pair_.server, POLLRDHUP);
  EXPECT_EQ(kIn | kOut | POLLRDHUP, events_of(pair_.server));
  EXPECT_EQ(0, events_of(pair_.client) & (POLLHUP | POLLRDHUP));
}

TEST_P(StreamPoll, BothHalvesClosedIsHangUp) {
  ASSERT_OK(shutdown(pair_.client, SHUT_WR));
  ASSERT_OK(shutdown(pair_.server, SHUT_WR));
  poll_until(pair_.client, POLLHUP);
  poll_until(pair_.server, POLLHUP);
  EXPECT_EQ(kIn | kOut | POLLRDHUP | POLLHUP, events_of(pair_.client));
  EXPECT_EQ(kIn | kOut | POLLRDHUP | POLLHUP, events_of(pair_.server));
}

TEST_P(StreamPoll, OwnReadShutdownIsReadable) {
  ASSERT_OK(shutdown(pair_.client, SHUT_RD));
  EXPECT_EQ(kIn | kOut | POLLRDHUP, events_of(pair_.client));
}

TEST_P(StreamPoll, ErrorAndHangUpNeedNotBeAskedFor) {
  pair_.client.reset();
  send_text(pair_.server, "x", MSG_NOSIGNAL);
  EXPECT_TRUE(eventually([&] { return (poll_now(pair_.server, 0) & POLLHUP) != 0; }));
}

TEST_P(StreamPoll, WaitingPollSeesDataArrive) {
  std::thread sending([&] {
    let_others_block();
    send_text(pair_.client, "x");
  });
  EXPECT_EQ(POLLIN, poll_now(pair_.server, POLLIN, 20000));
  sending.join();
}

TEST_P(StreamPoll, WaitingPollSeesTheEnd) {
  std::thread closing([&] {
    let_others_block();
    pair_.client.reset();
  });
  EXPECT_NE(0, poll_now(pair_.server, POLLRDHUP, 20000) & POLLRDHUP);
  closing.join();
}

TEST_P(StreamPoll, SelectAgrees) {
  fd_set reading, writing;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_SET(pair_.server, &reading);
  FD_SET(pair_.server, &writing);
  timeval now = {};
  EXPECT_EQ(1, select(pair_.server + 1, &reading, &writing, nullptr, &now));
  EXPECT_FALSE(FD_ISSET(pair_.server, &reading));
  EXPECT_TRUE(FD_ISSET(pair_.server, &writing));
}

TEST(SocketPoll, ResetIsErrorAndHangUp) {
  Pair pair = tcp_pair();
  reset_connection(pair.client);
  poll_until(pair.server, POLLERR);
  EXPECT_EQ(kIn | kOut | POLLERR | POLLHUP | POLLRDHUP, events_of(pair.server));
  EXPECT_EQ(ECONNRESET, pending_error(pair.server));
  EXPECT_EQ(kIn | kOut | POLLHUP | POLLRDHUP, events_of(pair.server)) << "the error is taken";
}

TEST(SocketPoll, UnreadDataOfAClosedLocalPeerIsAnError) {
  Pair pair = unix_pair();
  send_text(pair.client, "x");
  pair.server.reset();
  EXPECT_EQ(kIn | kOut | POLLERR | POLLHUP | POLLRDHUP, events_of(pair.client));
}

TEST(SocketPoll, ConnectingSocketSaysNothing) {
  // A local address that drops: nobody answers on the listener's full queue.
  const Fd listening = listener(AF_INET, 0);
  std::vector<Fd> clients;
  bool pending = false;
  for (int i = 0; i < 8 && !pending; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect_to(clients.back(), local_address(listening));
    pending = poll_now(clients.back(), POLLOUT, 100) == 0;
  }
  ASSERT_TRUE(pending) << "a full backlog leaves connections hanging";
  EXPECT_EQ(0, events_of(clients.back()));
  EXPECT_ERRNO(EALREADY, connect_to(clients.back(), local_address(listening)));
  Address address;
  EXPECT_ERRNO(ENOTCONN, getpeername(clients.back(), address.get(), &address.length));
  EXPECT_ERRNO(EAGAIN, send_text(clients.back(), "x", MSG_NOSIGNAL));
  EXPECT_EQ("error EAGAIN", receive(clients.back()));
}

// --- epoll

class Epoll {
 public:
  void add(int fd, uint32_t events) {
    epoll_event event = {.events = events, .data = {.fd = fd}};
    EXPECT_OK(epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event));
  }
  void change(int fd, uint32_t events) {
    epoll_event event = {.events = events, .data = {.fd = fd}};
    EXPECT_OK(epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event));
  }
  // The events of the only descriptor that is ready; 0 when none is.
  uint32_t next(int timeout = 0) {
    epoll_event event = {};
    const int count = epoll_wait(fd_, &event, 1, timeout);
    EXPECT_GE(count, 0);
    return count == 1 ? event.events : 0;
  }

 private:
  Fd fd_ = epoll_create1(EPOLL_CLOEXEC);
};

class StreamEpoll : public StreamPoll {};
INSTANTIATE_TEST_SUITE_P(Family, StreamEpoll, testing::Values(AF_INET, AF_UNIX), family_name);

TEST_P(StreamEpoll, LevelRepeatsUntilItIsRead) {
  Epoll epoll;
  epoll.add(pair_.server, EPOLLIN);
  EXPECT_EQ(0u, epoll.next());
  send_text(pair_.client, "x");
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
  EXPECT_EQ(EPOLLIN, epoll.next());
  receive(pair_.server);
  EXPECT_EQ(0u, epoll.next());
}

TEST_P(StreamEpoll, EdgeIsToldOnceForEachArrival) {
  Epoll epoll;
  epoll.add(pair_.server, EPOLLIN | EPOLLET);
  send_text(pair_.client, "x");
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
  EXPECT_EQ(0u, epoll.next());
  send_text(pair_.client, "y");
  EXPECT_EQ(EPOLLIN, epoll.next(20000)) << "new data, though the old was not read";
  EXPECT_EQ("xy", read_exactly(pair_.server, 2));
  EXPECT_EQ(0u, epoll.next());
}

TEST_P(StreamEpoll, EdgeOfTheEnd) {
  Epoll epoll;
  epoll.add(pair_.server, EPOLLIN | EPOLLRDHUP | EPOLLET);
  ASSERT_OK(shutdown(pair_.client, SHUT_WR));
  EXPECT_EQ(EPOLLIN | EPOLLRDHUP, epoll.next(20000));
  EXPECT_EQ(0u, epoll.next());
}

TEST_P(StreamEpoll, WritableEdgeComesBackAfterAFullBuffer) {
  Epoll epoll;
  epoll.add(pair_.client, EPOLLOUT | EPOLLET);
  EXPECT_EQ(EPOLLOUT, epoll.next(20000));
  EXPECT_EQ(0u, epoll.next());
  const std::string data(65536, 'x');
  for (int idle = 0; idle < 50;) {
    if (send_text(pair_.client, data, MSG_DONTWAIT) > 0) {
      idle = 0;
    } else {
      sleep_for(milliseconds(1));
      ++idle;
    }
  }
  while (epoll.next() != 0) {
  }
  while (receive(pair_.server, 1 << 20, MSG_DONTWAIT) != "error EAGAIN") {
  }
  EXPECT_EQ(EPOLLOUT, epoll.next(20000));
}

TEST_P(StreamEpoll, OneShotIsSilentUntilItIsArmed) {
  Epoll epoll;
  epoll.add(pair_.server, EPOLLIN | EPOLLONESHOT);
  send_text(pair_.client, "x");
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
  send_text(pair_.client, "y");
  EXPECT_EQ(0u, epoll.next(20));
  epoll.change(pair_.server, EPOLLIN | EPOLLONESHOT);
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
}

TEST_P(StreamEpoll, ClosedDescriptorIsForgotten) {
  Epoll epoll;
  epoll.add(pair_.server, EPOLLIN);
  send_text(pair_.client, "x");
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
  pair_.server.reset();
  EXPECT_EQ(0u, epoll.next());
}

TEST(SocketEpoll, FreshSocketHangsUp) {
  Epoll epoll;
  const Fd fd = socket(AF_INET, SOCK_STREAM, 0);
  epoll.add(fd, EPOLLIN);
  EXPECT_EQ(EPOLLHUP, epoll.next());
}

TEST(SocketEpoll, RefusedConnectionIsAnEdge) {
  Address nobody;
  {
    const Fd gone = listener(AF_INET);
    nobody = local_address(gone);
  }
  Epoll epoll;
  const Fd fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_ERRNO(EINPROGRESS, connect_to(fd, nobody));
  epoll.add(fd, EPOLLOUT | EPOLLET);
  EXPECT_EQ(EPOLLOUT | EPOLLERR | EPOLLHUP, epoll.next(20000));
  EXPECT_EQ(ECONNREFUSED, pending_error(fd));
}

TEST(SocketEpoll, EstablishedConnectionIsAnEdge) {
  const Fd listening = listener(AF_INET);
  Epoll epoll;
  const Fd fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_ERRNO(EINPROGRESS, connect_to(fd, local_address(listening)));
  epoll.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  EXPECT_EQ(EPOLLOUT, epoll.next(20000));
  EXPECT_EQ(0u, epoll.next(20));
}

TEST(SocketEpoll, ListenerIsAnEdgeForEachConnection) {
  const Fd listening = listener(AF_INET);
  Epoll epoll;
  epoll.add(listening, EPOLLIN | EPOLLET);
  const Fd one = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(one, local_address(listening)));
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
  EXPECT_EQ(0u, epoll.next());
  const Fd two = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(two, local_address(listening)));
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
}

TEST(SocketEpoll, DatagramsAreEdges) {
  const Fd one = udp_socket();
  const Fd two = udp_socket();
  ASSERT_OK(connect_to(one, local_address(two)));
  Epoll epoll;
  epoll.add(two, EPOLLIN | EPOLLET);
  EXPECT_EQ(1, send_text(one, "x"));
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
  EXPECT_EQ(0u, epoll.next());
  EXPECT_EQ(1, send_text(one, "y"));
  EXPECT_EQ(EPOLLIN, epoll.next(20000));
}

TEST(SocketEpoll, ExclusiveListenerWakesEveryWaiterInTurn) {
  const Fd listening = listener(AF_INET);
  set_nonblocking(listening);
  std::atomic<int> accepted = 0;
  const auto serve = [&] {
    const Fd epoll = epoll_create1(0);
    epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data = {}};
    EXPECT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event));
    while (accepted < 10) {
      if (epoll_wait(epoll, &event, 1, 50) <= 0) continue;
      const Fd got = accept(listening, nullptr, nullptr);
      if (got >= 0) ++accepted;
    }
  };
  std::thread one(serve), two(serve);
  for (int i = 0; i < 10; ++i) {
    const Fd client = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_OK(connect_to(client, local_address(listening)));
  }
  one.join();
  two.join();
  EXPECT_EQ(10, accepted);
}

}  // namespace
}  // namespace compat
