// Streams, of TCP and AF_UNIX: data, its flags, and how they end.
#include <sys/uio.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

class Stream : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() == AF_INET6 && !has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
    pair_ = stream_pair(GetParam());
  }
  bool tcp() const { return GetParam() != AF_UNIX; }
  // Until the other end has what was sent.
  void wait_for_data(int fd) { poll_until(fd, POLLIN); }

  Pair pair_;
};
INSTANTIATE_TEST_SUITE_P(Family, Stream, testing::Values(AF_INET, AF_INET6, AF_UNIX), family_name);

TEST_P(Stream, CarriesBytesBothWays) {
  EXPECT_EQ(5, send_text(pair_.client, "hello"));
  EXPECT_EQ("hello", receive(pair_.server));
  EXPECT_EQ(5, write(pair_.server, "world", 5));
  EXPECT_EQ("world", read_exactly(pair_.client, 5));
}

TEST_P(Stream, CarriesAMegabyteWhole) {
  const std::string data = pattern(1 << 20);
  std::thread writing([&] {
    EXPECT_TRUE(write_all(pair_.client, data));
    EXPECT_OK(shutdown(pair_.client, SHUT_WR));
  });
  const std::string got = read_exactly(pair_.server, data.size() + 1);
  writing.join();
  EXPECT_EQ(data.size(), got.size());
  EXPECT_TRUE(data == got);
}

TEST_P(Stream, EmptyReadIsAgainWhenNonBlocking) {
  EXPECT_EQ("error EAGAIN", receive(pair_.client, 10, MSG_DONTWAIT));
  set_nonblocking(pair_.client);
  EXPECT_EQ("error EAGAIN", receive(pair_.client));
  char byte;
  EXPECT_ERRNO(EAGAIN, read(pair_.client, &byte, 1));
}

TEST_P(Stream, ReceiveTimeoutEndsWithAgain) {
  ASSERT_OK(set_option(pair_.client, SOL_SOCKET, SO_RCVTIMEO, timeval{.tv_usec = 60'000}));
  const auto time = duration_of([&] { EXPECT_EQ("error EAGAIN", receive(pair_.client)); });
  EXPECT_GE(time, milliseconds(55));
}

TEST_P(Stream, SendTimeoutEndsWithAgain) {
  ASSERT_OK(set_option(pair_.client, SOL_SOCKET, SO_SNDTIMEO, timeval{.tv_usec = 60'000}));
  const std::string data(65536, 'x');
  ssize_t sent = 0;
  // What is sent before the buffers are full says how much; then nothing goes.
  for (int i = 0; i < 1000 && sent >= 0; ++i) sent = send_text(pair_.client, data);
  EXPECT_EQ(-1, sent);
  EXPECT_EQ(EAGAIN, errno);
}

TEST_P(Stream, FullBufferIsNotWritable) {
  const std::string data(65536, 'x');
  size_t sent = 0;
  ssize_t count;
  // Until the stream takes nothing, also after what is on its way has arrived.
  for (int idle = 0; idle < 50;) {
    count = send_text(pair_.client, data, MSG_DONTWAIT);
    if (count > 0) {
      sent += size_t(count);
      idle = 0;
    } else {
      EXPECT_EQ(EAGAIN, errno);
      sleep_for(milliseconds(1));
      ++idle;
    }
  }
  EXPECT_EQ(0, poll_now(pair_.client, POLLOUT));
  size_t got = 0;
  while (got < sent) {
    const std::string part = receive(pair_.server, sent - got);
    ASSERT_FALSE(part.starts_with("error") || part.empty());
    got += part.size();
  }
  poll_until(pair_.client, POLLOUT);
}

TEST_P(Stream, PeekLeavesTheData) {
  EXPECT_EQ(6, send_text(pair_.client, "peeked"));
  EXPECT_EQ("pee", receive(pair_.server, 3, MSG_PEEK));
  EXPECT_EQ("peeked", receive(pair_.server, 100, MSG_PEEK));
  EXPECT_EQ("peeked", receive(pair_.server));
}

TEST_P(Stream, WaitAllWaitsForAll) {
  std::thread writing([&] {
    send_text(pair_.client, "first");
    let_others_block();
    send_text(pair_.client, "second");
  });
  EXPECT_EQ("firstsecond", receive(pair_.server, 11, MSG_WAITALL));
  writing.join();
}

TEST_P(Stream, WaitAllEndsWithTheStream) {
  EXPECT_EQ(5, send_text(pair_.client, "short"));
  pair_.client.reset();
  EXPECT_EQ("short", receive(pair_.server, 100, MSG_WAITALL));
}

TEST_P(Stream, ReadTakesWhatIsThere) {
  EXPECT_EQ(3, send_text(pair_.client, "abc"));
  EXPECT_EQ("abc", receive(pair_.server, 100));
}

TEST_P(Stream, NothingSentIsNothingReceived) {
  EXPECT_EQ(0, send_text(pair_.client, ""));
  EXPECT_EQ("error EAGAIN", receive(pair_.server, 10, MSG_DONTWAIT));
}

TEST_P(Stream, VectorsAreJoined) {
  char one[] = "one ", two[] = "two ", three[] = "three";
  const iovec pieces[] = {{one, 4}, {two, 4}, {nullptr, 0}, {three, 5}};
  EXPECT_EQ(13, writev(pair_.client, pieces, 4));
  char first[3], second[20];
  const iovec places[] = {{first, 3}, {second, 20}};
  EXPECT_EQ(13, readv(pair_.server, places, 2));
  EXPECT_EQ("one", std::string(first, 3));
  EXPECT_EQ(" two three", std::string(second, 10));
}

TEST_P(Stream, BadMemoryIsAFault) {
  EXPECT_ERRNO(EFAULT, send(pair_.client, bad_pointer<char>(), 10, 0));
  EXPECT_EQ(3, send_text(pair_.client, "abc"));
  EXPECT_ERRNO(EFAULT, recv(pair_.server, bad_pointer<char>(), 10, 0));
  EXPECT_EQ("abc", receive(pair_.server));
}

TEST_P(Stream, AvailableBytesAreCounted) {
  int count = -1;
  EXPECT_OK(ioctl(pair_.server, FIONREAD, &count));
  EXPECT_EQ(0, count);
  EXPECT_EQ(5, send_text(pair_.client, "12345"));
  wait_for_data(pair_.server);
  EXPECT_OK(ioctl(pair_.server, FIONREAD, &count));
  EXPECT_EQ(5, count);
  receive(pair_.server, 2);
  EXPECT_OK(ioctl(pair_.server, FIONREAD, &count));
  EXPECT_EQ(3, count);
}

TEST_P(Stream, QueuedBytesGoToZero) {
  int count = -1;
  EXPECT_OK(ioctl(pair_.client, TIOCOUTQ, &count));
  EXPECT_EQ(0, count);
  EXPECT_EQ(5, send_text(pair_.client, "12345"));
  EXPECT_EQ("12345", receive(pair_.server));
  EXPECT_TRUE(eventually([&] { return ioctl(pair_.client, TIOCOUTQ, &count) == 0 && count == 0; }));
}

TEST_P(Stream, NonBlockingCanBeSetByIoctl) {
  int on = 1;
  EXPECT_OK(ioctl(pair_.client, FIONBIO, &on));
  EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(pair_.client, F_GETFL));
  EXPECT_EQ("error EAGAIN", receive(pair_.client));
}

TEST_P(Stream, AddressOfTheSenderIsNotTold) {
  EXPECT_EQ(1, send_text(pair_.client, "x"));
  Address address;
  char byte;
  EXPECT_EQ(1, recvfrom(pair_.server, &byte, 1, 0, address.get(), &address.length));
  EXPECT_EQ(0u, address.length);
}

TEST_P(Stream, SeekPositionsAreRefused) {
  char byte = 0;
  EXPECT_ERRNO(ESPIPE, pwrite(pair_.client, &byte, 1, 0));
  EXPECT_ERRNO(ESPIPE, lseek(pair_.client, 0, SEEK_SET));
}

// --- the end

TEST_P(Stream, CloseIsTheEndForTheOther) {
  EXPECT_EQ(4, send_text(pair_.client, "last"));
  pair_.client.reset();
  EXPECT_EQ("last", receive(pair_.server));
  EXPECT_EQ("", receive(pair_.server));
  EXPECT_EQ("", receive(pair_.server));
}

TEST_P(Stream, HalfClosedStreamStillReceives) {
  ASSERT_OK(shutdown(pair_.client, SHUT_WR));
  EXPECT_EQ("", receive(pair_.server));
  EXPECT_EQ(5, send_text(pair_.server, "reply"));
  EXPECT_EQ("reply", receive(pair_.client));
  EXPECT_ERRNO(EPIPE, send_text(pair_.client, "x", MSG_NOSIGNAL));
}

TEST_P(Stream, WriteAfterShutdownSendsSigpipe) {
  const ScopedAction action(SIGPIPE, record_signal);
  record.count = 0;
  ASSERT_OK(shutdown(pair_.client, SHUT_WR));
  EXPECT_ERRNO(EPIPE, send_text(pair_.client, "x", MSG_NOSIGNAL));
  EXPECT_EQ(0u, record.count);
  EXPECT_ERRNO(EPIPE, send_text(pair_.client, "x"));
  EXPECT_EQ(1u, record.count);
  EXPECT_ERRNO(EPIPE, write(pair_.client, "x", 1));
  EXPECT_EQ(std::vector<int>({SIGPIPE, SIGPIPE}), record.signals());
}

TEST_P(Stream, ReadAfterShutdownIsTheEnd) {
  ASSERT_OK(shutdown(pair_.client, SHUT_RD));
  EXPECT_EQ("", receive(pair_.client));
}

TEST_P(Stream, ShutdownLetsThrough) {
  EXPECT_EQ(4, send_text(pair_.server, "data"));
  wait_for_data(pair_.client);
  ASSERT_OK(shutdown(pair_.client, SHUT_RD));
  EXPECT_EQ("data", receive(pair_.client));
  EXPECT_EQ("", receive(pair_.client));
}

TEST_P(Stream, ShutdownChecksItsArgument) {
  EXPECT_ERRNO(EINVAL, shutdown(pair_.client, 3));
  EXPECT_ERRNO(EINVAL, shutdown(pair_.client, -1));
}

TEST_P(Stream, ShutdownWakesAReader) {
  std::thread reading([&] { EXPECT_EQ("", receive(pair_.client)); });
  let_others_block();
  EXPECT_OK(shutdown(pair_.client, SHUT_RD));
  reading.join();
}

TEST_P(Stream, ShutdownOfTheOtherWakesAReader) {
  std::thread reading([&] { EXPECT_EQ("", receive(pair_.client)); });
  let_others_block();
  EXPECT_OK(shutdown(pair_.server, SHUT_WR));
  reading.join();
}

TEST_P(Stream, UnreadDataMakesCloseAReset) {
  EXPECT_EQ(4, send_text(pair_.client, "data"));
  wait_for_data(pair_.server);
  pair_.server.reset();
  EXPECT_EQ("error ECONNRESET", receive(pair_.client));
  EXPECT_EQ("", receive(pair_.client));
}

TEST_P(Stream, WriterOfAGoneStreamGetsEpipe) {
  pair_.server.reset();
  // TCP learns from the answer to its first segment.
  EXPECT_TRUE(eventually([&] {
    const ssize_t sent = send_text(pair_.client, "x", MSG_NOSIGNAL);
    return sent < 0 && errno == EPIPE;
  }));
}

TEST_P(Stream, SignalInterruptsAReader) {
  const ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  std::atomic<bool> done = false;
  std::thread reading([&] {
    EXPECT_EQ("error EINTR", receive(pair_.client));
    done = true;
  });
  while (!done) {
    sleep_for(milliseconds(2));
    if (!done) pthread_kill(reading.native_handle(), SIGUSR1);
  }
  reading.join();
}

// Only TCP from here on.

class TcpStream : public BothVersions {};
COMPAT_FOR_BOTH_VERSIONS(TcpStream);

TEST_P(TcpStream, TruncatingReceiveThrowsAway) {
  const Pair pair = tcp_pair(GetParam());
  EXPECT_EQ(8, send_text(pair.client, "12345678"));
  poll_until(pair.server, POLLIN);
  EXPECT_EQ(5, recv(pair.server, nullptr, 5, MSG_TRUNC));
  EXPECT_EQ("678", receive(pair.server));
}

TEST_P(TcpStream, LingerOfZeroResets) {
  Pair pair = tcp_pair(GetParam());
  reset_connection(pair.client);
  EXPECT_EQ("error ECONNRESET", receive(pair.server));
  EXPECT_EQ("", receive(pair.server)) << "an error is told once";
}

TEST_P(TcpStream, ResetTellsTheWriter) {
  Pair pair = tcp_pair(GetParam());
  reset_connection(pair.client);
  poll_until(pair.server, POLLERR);
  EXPECT_ERRNO(ECONNRESET, send_text(pair.server, "x", MSG_NOSIGNAL));
  EXPECT_ERRNO(EPIPE, send_text(pair.server, "x", MSG_NOSIGNAL));
}

TEST_P(TcpStream, UnconnectedSocketRefusesData) {
  const Fd fd = socket(GetParam(), SOCK_STREAM, 0);
  EXPECT_ERRNO(EPIPE, send_text(fd, "x", MSG_NOSIGNAL));
  EXPECT_EQ("error ENOTCONN", receive(fd));
  EXPECT_ERRNO(ENOTCONN, shutdown(fd, SHUT_WR));
}

TEST_P(TcpStream, ListenerRefusesData) {
  const Fd fd = listener(GetParam());
  EXPECT_ERRNO(EPIPE, send_text(fd, "x", MSG_NOSIGNAL));
  EXPECT_EQ("error ENOTCONN", receive(fd));
  int count;
  EXPECT_ERRNO(EINVAL, ioctl(fd, FIONREAD, &count));
}

TEST_P(TcpStream, DestinationOfSendtoIsIgnored) {
  const Pair pair = tcp_pair(GetParam());
  const Address other = loopback(GetParam(), 1);
  EXPECT_EQ(1, sendto(pair.client, "x", 1, 0, other.get(), other.length));
  EXPECT_EQ("x", receive(pair.server));
}

TEST_P(TcpStream, LingeringCloseWaitsForTheData) {
  Pair pair = tcp_pair(GetParam());
  ASSERT_OK(set_option(pair.client, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 10}));
  const std::string data = pattern(20000);
  EXPECT_TRUE(write_all(pair.client, data));
  std::string got;
  std::thread reading([&] { got = read_exactly(pair.server, data.size() + 1); });
  pair.client.reset();
  reading.join();
  EXPECT_TRUE(data == got);
}

TEST_P(TcpStream, BothEndsMayCloseAtOnce) {
  for (int i = 0; i < 20; ++i) {
    Pair pair = tcp_pair(GetParam());
    pair.client.reset();
    pair.server.reset();
  }
}

TEST(TcpUrgent, NoneIsInvalid) {
  const Pair pair = tcp_pair();
  EXPECT_EQ("error EINVAL", receive(pair.server, 1, MSG_OOB));
}

}  // namespace
}  // namespace compat
