// Signals about sockets: socket(7), fcntl(2).
#include <fcntl.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

const int kSignal = SIGRTMIN + 4;

class SocketSignal : public testing::TestWithParam<int> {
 protected:
  ~SocketSignal() override {
    while (next_or_none() != News{}) {
    }
  }
  static void watch(int fd) {
    EXPECT_OK(fcntl(fd, F_SETOWN, getpid()));
    EXPECT_OK(fcntl(fd, F_SETSIG, kSignal));
    EXPECT_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
  }
  struct News {
    int code = 0;
    int fd = 0;
    long band = 0;
    bool operator==(const News&) const = default;
  };
  // {}: nothing came.
  static News wait_at_most(timespec time) {
    const sigset_t set = set_of({kSignal});
    siginfo_t info = {};
    if (sigtimedwait(&set, &info, &time) < 0) return {};
    return {info.si_code, info.si_fd, info.si_band};
  }
  static News next() { return wait_at_most({20, 0}); }
  static News next_or_none() { return wait_at_most({0, 0}); }
  static News input(int fd) { return {POLL_IN, fd, POLLIN | POLLRDNORM}; }
  static News output(int fd) { return {POLL_OUT, fd, POLLOUT | POLLWRNORM | POLLWRBAND}; }
  static News hang_up(int fd) { return {POLL_HUP, fd, POLLHUP | POLLERR}; }
  static News error(int fd) { return {POLL_ERR, fd, POLLERR}; }

  Blocked blocked_{kSignal};
};

class StreamSignal : public SocketSignal {};
INSTANTIATE_TEST_SUITE_P(Family, StreamSignal, testing::Values(AF_INET, AF_UNIX), family_name);

TEST_P(StreamSignal, Data) {
  Pair pair = stream_pair(GetParam());
  watch(pair.server);
  EXPECT_EQ(1, send_text(pair.client, "x"));
  EXPECT_EQ(input(pair.server), next());
  EXPECT_EQ("x", receive(pair.server));
  EXPECT_EQ(News{}, next_or_none());
}

TEST_P(StreamSignal, TheOtherSideIsDone) {
  Pair pair = stream_pair(GetParam());
  watch(pair.server);
  ASSERT_OK(shutdown(pair.client, SHUT_WR));
  EXPECT_EQ(input(pair.server), next());
}

TEST_P(StreamSignal, BothSidesAreDone) {
  Pair pair = stream_pair(GetParam());
  ASSERT_OK(shutdown(pair.server, SHUT_WR));
  watch(pair.server);
  pair.client.reset();
  EXPECT_EQ(hang_up(pair.server), next());
}

TEST_P(StreamSignal, RoomIsToldToWhoLackedIt) {
  Pair pair = stream_pair(GetParam());
  watch(pair.client);
  set_nonblocking(pair.client);
  set_nonblocking(pair.server);
  EXPECT_EQ(1, send_text(pair.client, "x"));
  EXPECT_EQ("x", receive(pair.server));
  EXPECT_EQ(News{}, next_or_none()) << "there was room all the time";
  const std::string much(65536, 'y');
  while (send_text(pair.client, much) > 0) {
  }
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  News news;
  while (news == News{} && Clock::now() < deadline) {
    receive(pair.server);
    news = next_or_none();
  }
  EXPECT_EQ(output(pair.client), news);
}

TEST_P(StreamSignal, SilentWithoutTheFlag) {
  Pair pair = stream_pair(GetParam());
  EXPECT_OK(fcntl(pair.server, F_SETOWN, getpid()));
  EXPECT_OK(fcntl(pair.server, F_SETSIG, kSignal));
  EXPECT_EQ(1, send_text(pair.client, "x"));
  EXPECT_EQ("x", receive(pair.server));
  EXPECT_EQ(News{}, next_or_none());
}

TEST_F(SocketSignal, LocalPeersHangUp) {
  Pair pair = unix_pair();
  watch(pair.server);
  pair.client.reset();
  EXPECT_EQ(hang_up(pair.server), next_or_none());
}

TEST_F(SocketSignal, LocalPeersThatStopReadingAreNoNews) {
  Pair pair = unix_pair();
  watch(pair.server);
  ASSERT_OK(shutdown(pair.client, SHUT_RD));
  EXPECT_EQ(News{}, next_or_none());
}

TEST_F(SocketSignal, ConnectionsToAccept) {
  const Fd listening = listener(AF_INET);
  watch(listening);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  EXPECT_EQ(input(listening), next());
}

TEST_F(SocketSignal, ConnectionsToAcceptOfLocalListeners) {
  const Fd listening = socket(AF_UNIX, SOCK_STREAM, 0);
  const Address name = abstract_address("signal");
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 1));
  watch(listening);
  const Fd client = socket(AF_UNIX, SOCK_STREAM, 0);
  watch(client);
  ASSERT_OK(connect_to(client, name));
  EXPECT_EQ(input(listening), next_or_none());
  EXPECT_EQ(News{}, next_or_none()) << "connecting took no time";
}

TEST_F(SocketSignal, ConnectionsThatStand) {
  const Fd listening = listener(AF_INET);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  watch(client);
  ASSERT_OK(connect_to(client, local_address(listening)));
  EXPECT_EQ(output(client), next());
}

TEST_F(SocketSignal, ConnectionsThatAreRefused) {
  Fd listening = listener(AF_INET);
  const Address nobody = local_address(listening);
  listening.reset();
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  watch(client);
  EXPECT_ERRNO(ECONNREFUSED, connect_to(client, nobody));
  EXPECT_EQ(error(client), next());
}

TEST_F(SocketSignal, Resets) {
  Pair pair = tcp_pair();
  watch(pair.server);
  reset_connection(pair.client);
  EXPECT_EQ(error(pair.server), next());
}

TEST_F(SocketSignal, Datagrams) {
  const Fd receiver = udp_socket(), sender = udp_socket();
  watch(receiver);
  ASSERT_OK(connect_to(sender, local_address(receiver)));
  EXPECT_EQ(1, send_text(sender, "a"));
  EXPECT_EQ(1, send_text(sender, "b"));
  EXPECT_EQ(input(receiver), next());
  EXPECT_EQ(input(receiver), next());
  EXPECT_EQ("a", receive(receiver));
  EXPECT_EQ(News{}, next_or_none());
}

TEST_F(SocketSignal, DatagramsThatNobodyWants) {
  Fd nobody = udp_socket();
  const Fd sender = udp_socket();
  ASSERT_OK(connect_to(sender, local_address(nobody)));
  nobody.reset();
  watch(sender);
  EXPECT_EQ(1, send_text(sender, "a"));
  EXPECT_EQ(error(sender), next());
}

TEST_F(SocketSignal, LocalDatagrams) {
  Pair pair = unix_pair(SOCK_DGRAM);
  watch(pair.server);
  EXPECT_EQ(1, send_text(pair.client, "a"));
  EXPECT_EQ(input(pair.server), next_or_none());
}

TEST_F(SocketSignal, AcceptedSocketsStartWithout) {
  const Fd listening = listener(AF_INET);
  watch(listening);
  const Fd client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_OK(connect_to(client, local_address(listening)));
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_FALSE(fcntl(server, F_GETFL) & O_ASYNC);
  EXPECT_EQ(0, fcntl(server, F_GETOWN));
  EXPECT_EQ(0, fcntl(server, F_GETSIG));
  EXPECT_EQ(input(listening), next());
}

}  // namespace
}  // namespace compat
