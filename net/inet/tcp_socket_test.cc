// TCP sockets over loopback, against what Linux does: tcp(7).
#include <gtest/gtest.h>

#include "kernel/mm/frame.h"
#include "net/inet/testing/sockets.h"

namespace narwhal {
namespace {

using testing::address_of;
using testing::kOk;
using testing::pass_time;
using testing::text_of;

constexpr PollEvents kOut = kPollWritable;
constexpr PollEvents kIn = kPollReadable;

class TcpSocketTest : public testing::Sockets {};

TEST_F(TcpSocketTest, ConnectsAndCarriesDataBothWays) {
  auto [client, server] = connected();
  EXPECT_EQ(text_of(local(*client)).substr(0, 10), "127.0.0.1 ");
  SocketAddress peer;
  ASSERT_TRUE(server->peer_address(peer).ok());
  EXPECT_EQ(text_of(peer), text_of(local(*client)));
  EXPECT_EQ(client->poll(), kOut);
  EXPECT_EQ(receive(*server), "<EAGAIN>");
  EXPECT_EQ(send(*client, "GET / HTTP/1.1\r\n\r\n").value(), 18u);
  EXPECT_EQ(server->poll(), kIn | kOut);
  EXPECT_EQ(receive(*server, 5), "GET /");
  EXPECT_EQ(receive(*server, 100, abi::kMsgPeek), " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(receive(*server, 100), " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(send(*server, "200").value(), 3u);
  EXPECT_EQ(receive(*client), "200");
  EXPECT_EQ(receive(*client), "<EAGAIN>");
}

TEST_F(TcpSocketTest, FreshSockets) {
  auto socket = stream();
  EXPECT_EQ(socket->poll(), kOut | PollEvents::kHup);
  EXPECT_EQ(receive(*socket), "<ENOTCONN>");
  EXPECT_EQ(send(*socket, "x").error(), Errno::kPipe);
  EXPECT_EQ(socket->shutdown(abi::kShutBoth).error(), Errno::kNotConn);
  SocketAddress peer;
  EXPECT_EQ(socket->peer_address(peer).error(), Errno::kNotConn);
  EXPECT_EQ(text_of(local(*socket)), "0.0.0.0 0");
}

TEST_F(TcpSocketTest, NobodyListens) {
  auto closed = listener();
  const SocketAddress address = local(*closed);
  closed = nullptr;
  auto client = stream();
  EXPECT_EQ(connect(*client, address), Errno::kInProgress);
  EXPECT_EQ(client->poll(), kIn | kOut | PollEvents::kRdHup | PollEvents::kHup | PollEvents::kErr);
  EXPECT_EQ(client->finish_connect().error(), Errno::kConnRefused);
  // It can be tried again.
  EXPECT_EQ(connect(*client, address), Errno::kInProgress);
  EXPECT_EQ(error_of(*client), Errno::kConnRefused);
  EXPECT_EQ(error_of(*client), kOk);
  EXPECT_EQ(connect(*client, address), Errno::kConnAborted);
}

TEST_F(TcpSocketTest, ConnectSaysHowFarItIs) {
  auto listening = listener();
  auto client = stream();
  EXPECT_EQ(connect(*client, local(*listening)), Errno::kInProgress);
  EXPECT_EQ(connect(*client, local(*listening)), kOk);  // as Linux says once it is there
  EXPECT_EQ(connect(*client, local(*listening)), Errno::kIsConn);
  EXPECT_EQ(connect(*listening, local(*listening)), Errno::kIsConn);
}

TEST_F(TcpSocketTest, EndOfInput) {
  auto [client, server] = connected();
  EXPECT_EQ(send(*client, "last").value(), 4u);
  EXPECT_EQ(client->shutdown(abi::kShutWrite).error(), kOk);
  EXPECT_EQ(send(*client, "x").error(), Errno::kPipe);
  EXPECT_EQ(server->poll(), kIn | kOut | PollEvents::kRdHup);
  EXPECT_EQ(receive(*server), "last");
  EXPECT_EQ(receive(*server), "");
  EXPECT_EQ(send(*server, "answer").value(), 6u);
  EXPECT_EQ(receive(*client), "answer");
  EXPECT_EQ(receive(*client), "<EAGAIN>");
  server = nullptr;
  EXPECT_EQ(receive(*client), "");
  EXPECT_EQ(client->poll(), kIn | kOut | PollEvents::kRdHup | PollEvents::kHup);
}

TEST_F(TcpSocketTest, PeerGoesWithUnreadData) {
  auto [client, server] = connected();
  EXPECT_EQ(send(*client, "never read").value(), 10u);
  server = nullptr;
  EXPECT_TRUE(has(client->poll(), PollEvents::kErr));
  EXPECT_EQ(receive(*client), "<ECONNRESET>");
  EXPECT_EQ(receive(*client), "");
  EXPECT_EQ(send(*client, "x").error(), Errno::kPipe);
}

TEST_F(TcpSocketTest, WritingToOneWhoLeft) {
  auto [client, server] = connected();
  server = nullptr;
  EXPECT_EQ(receive(*client), "");
  EXPECT_EQ(send(*client, "x").value(), 1u);  // answered by a reset
  EXPECT_EQ(send(*client, "x").error(), Errno::kPipe);
}

TEST_F(TcpSocketTest, LingerWithoutTimeResets) {
  auto [client, server] = connected();
  const abi::Linger linger{1, 0};
  ASSERT_TRUE(
      client->set_option(abi::kSolSocket, abi::kSoLinger, std::as_bytes(std::span(&linger, 1)))
          .ok());
  client = nullptr;
  EXPECT_EQ(receive(*server), "<ECONNRESET>");
}

TEST_F(TcpSocketTest, Addresses) {
  auto first = listener();
  const SocketAddress taken = local(*first);
  auto second = stream();
  EXPECT_EQ(second->bind(taken).error(), Errno::kAddrInUse);
  set(*second, abi::kSolSocket, abi::kSoReuseAddress, 1);
  EXPECT_EQ(second->bind(taken).error(), Errno::kAddrInUse);
  EXPECT_EQ(second->bind(address_of("192.0.2.1", 0)).error(), Errno::kAddrNotAvail);
  EXPECT_EQ(second->bind(address_of("::1", 0)).error(), Errno::kAfNoSupport);
  EXPECT_EQ(second->bind(address_of("127.9.8.7", 8080)).error(), kOk);
  EXPECT_EQ(second->bind(address_of("127.0.0.1", 8081)).error(), Errno::kInval);
  testing::become(1000);
  auto third = stream();
  EXPECT_EQ(third->bind(address_of("0.0.0.0", 80)).error(), Errno::kAcces);
}

TEST_F(TcpSocketTest, ReusePort) {
  auto first = stream();
  set(*first, abi::kSolSocket, abi::kSoReusePort, 1);
  ASSERT_EQ(first->bind(address_of("127.0.0.1", 0)).error(), kOk);
  ASSERT_EQ(first->listen(10).error(), kOk);
  auto second = stream();
  set(*second, abi::kSolSocket, abi::kSoReusePort, 1);
  ASSERT_EQ(second->bind(local(*first)).error(), kOk);
  ASSERT_EQ(second->listen(10).error(), kOk);
  std::vector<Ref<Socket>> clients;
  int firsts = 0, seconds = 0;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(stream());
    connect(*clients.back(), local(*first));
    if (accept(*first).ok()) ++firsts;
    if (accept(*second).ok()) ++seconds;
  }
  EXPECT_EQ(firsts + seconds, 64);
  EXPECT_GT(firsts, 8);
  EXPECT_GT(seconds, 8);
}

TEST_F(TcpSocketTest, BothVersionsOnOneSocket) {
  auto listening = listener("::");
  const u16 port = inet::parse_address(abi::kAfInet6, local(*listening)).value().port;
  auto client4 = stream();
  EXPECT_EQ(connect(*client4, address_of("127.0.0.1", port)), Errno::kInProgress);
  EXPECT_EQ(client4->finish_connect().error(), kOk);
  SocketAddress peer;
  auto server4 = listening->accept(OpenFlags::kReadWrite, peer).take();
  EXPECT_EQ(peer.family(), abi::kAfInet6);
  EXPECT_EQ(peer.bytes[18], 0xff);  // ::ffff:127.0.0.1
  auto client6 = stream(abi::kAfInet6);
  EXPECT_EQ(connect(*client6, address_of("::1", port)), Errno::kInProgress);
  EXPECT_EQ(client6->finish_connect().error(), kOk);
  auto server6 = accept(*listening).take();
  EXPECT_EQ(send(*client6, "six").value(), 3u);
  EXPECT_EQ(receive(*server6), "six");
  auto other = stream();
  EXPECT_EQ(other->bind(address_of("0.0.0.0", port)).error(), Errno::kAddrInUse);
  auto only6 = stream(abi::kAfInet6);
  EXPECT_EQ(set(*only6, abi::kProtocolIpv6, abi::kIpv6Only, 1), kOk);
  EXPECT_EQ(connect(*only6, local(*client4)), Errno::kInval);  // too short
  EXPECT_EQ(connect(*only6, address_of("::ffff:127.0.0.1", port)), Errno::kNetUnreach);
}

TEST_F(TcpSocketTest, ALongStreamArrivesWhole) {
  auto [client, server] = connected();
  std::string sent(3'000'000, 0), got;
  for (usize i = 0; i < sent.size(); ++i) sent[i] = char(i * 131 >> 3);
  usize done = 0;
  while (got.size() < sent.size()) {
    if (done < sent.size()) {
      auto moved = send(*client, std::string_view(sent).substr(done, 100'000));
      if (moved.ok())
        done += moved.value();
      else
        ASSERT_EQ(moved.error(), Errno::kAgain);
    }
    const std::string part = receive(*server, 77'777);
    if (part == "<EAGAIN>")
      pass_time(50 * kNanosPerMilli);
    else
      got += part;
  }
  EXPECT_TRUE(got == sent);
}

TEST_F(TcpSocketTest, FullBuffersAndRoomAgain) {
  auto [client, server] = connected();
  const std::string block(100'000, 'x');
  usize total = 0;
  for (;;) {
    auto moved = send(*client, block);
    if (!moved.ok()) break;
    total += moved.value();
    ASSERT_LT(total, 64u << 20);
  }
  EXPECT_EQ(client->poll(), PollEvents::kNone);
  usize got = 0;
  while (got < total) {
    const std::string part = receive(*server);
    if (part == "<EAGAIN>")
      pass_time(300 * kNanosPerMilli);
    else
      got += part.size();
  }
  EXPECT_EQ(got, total);
  EXPECT_EQ(client->poll(), kOut);
}

// TCP_NOTSENT_LOWAT: there is room again once little is left that was never sent, and whoever waits
// for it hears of it.
TEST_F(TcpSocketTest, LowWaterOfWhatWasNotSent) {
  struct Ear : Waiter {
    bool heard = false;
  } ear;
  ear.mask = kOut;
  ear.on_wake = [](Waiter& waiter, PollEvents) {
    static_cast<Ear&>(waiter).heard = true;
    return false;
  };
  auto [client, server] = connected();
  EXPECT_EQ(set(*client, abi::kProtocolTcp, abi::kTcpNotSentLowWater, 1000), kOk);
  const std::string block(100'000, 'x');
  ASSERT_EQ(send(*client, block).value(), block.size());  // more than the window
  client->poll_queue()->add(ear);
  EXPECT_EQ(client->poll(), PollEvents::kNone);
  usize got = 0;
  while (got < block.size()) {
    const std::string part = receive(*server);
    if (part == "<EAGAIN>")
      pass_time(300 * kNanosPerMilli);
    else
      got += part.size();
  }
  client->poll_queue()->remove(ear);
  EXPECT_TRUE(ear.heard);
  EXPECT_EQ(client->poll(), kOut);
}

// A receive buffer smaller than one of loopback's segments makes a stream of small ones.
TEST_F(TcpSocketTest, AReceiveBufferSmallerThanASegment) {
  auto listening = listener();
  ASSERT_EQ(set(*listening, abi::kSolSocket, abi::kSoReceiveBuffer, 4096), kOk);
  auto client = stream();
  ASSERT_EQ(connect(*client, local(*listening)), Errno::kInProgress);
  auto server = accept(*listening).take();
  std::string sent(300'000, 0), got;
  for (usize i = 0; i < sent.size(); ++i) sent[i] = char(i * 131 >> 3);
  usize done = 0;
  const u64 start = platform::monotonic_ns();
  while (got.size() < sent.size() && platform::monotonic_ns() - start < kNanosPerSecond) {
    if (done < sent.size()) {
      auto moved = send(*client, std::string_view(sent).substr(done));
      if (moved.ok()) done += moved.value();
    }
    const std::string part = receive(*server);
    if (part == "<EAGAIN>")
      pass_time(kNanosPerMilli);
    else
      got += part;
  }
  EXPECT_TRUE(got == sent) << got.size();
}

TEST_F(TcpSocketTest, Backlog) {
  auto listening = listener("127.0.0.1", 2);
  std::vector<Ref<Socket>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(stream());
    EXPECT_EQ(connect(*clients.back(), local(*listening)), Errno::kInProgress);
  }
  int connected = 0;
  for (auto& client : clients) connected += client->finish_connect().ok();
  EXPECT_EQ(connected, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(accept(*listening).ok());
  EXPECT_EQ(accept(*listening).error(), Errno::kAgain);
  pass_time(4 * kNanosPerSecond);  // the others try again
  EXPECT_TRUE(accept(*listening).ok());
}

TEST_F(TcpSocketTest, Options) {
  auto socket = stream();
  EXPECT_EQ(get(*socket, abi::kSolSocket, abi::kSoReuseAddress), 0);
  EXPECT_EQ(set(*socket, abi::kSolSocket, abi::kSoReuseAddress, 5), kOk);
  EXPECT_EQ(get(*socket, abi::kSolSocket, abi::kSoReuseAddress), 1);
  EXPECT_EQ(set(*socket, abi::kSolSocket, abi::kSoReceiveBuffer, 50'000), kOk);
  EXPECT_EQ(get(*socket, abi::kSolSocket, abi::kSoReceiveBuffer), 100'000);
  EXPECT_EQ(set(*socket, abi::kSolSocket, abi::kSoSendBuffer, 1), kOk);
  EXPECT_EQ(get(*socket, abi::kSolSocket, abi::kSoSendBuffer), 4608);
  EXPECT_EQ(set(*socket, abi::kSolSocket, abi::kSoReceiveBuffer, 100'000'000), kOk);
  EXPECT_EQ(get(*socket, abi::kSolSocket, abi::kSoReceiveBuffer), 425'984);
  EXPECT_EQ(get(*socket, abi::kProtocolTcp, abi::kTcpKeepIdle), 7200);
  EXPECT_EQ(set(*socket, abi::kProtocolTcp, abi::kTcpKeepIdle, 40'000), Errno::kInval);
  EXPECT_EQ(set(*socket, abi::kProtocolTcp, 9999, 1), Errno::kNoProtoOpt);
  EXPECT_EQ(set(*socket, 77, 1, 1), Errno::kNoProtoOpt);
  EXPECT_EQ(get(*socket, abi::kSolSocket, abi::kSoAcceptConnections), 0);
  EXPECT_EQ(get(*socket, abi::kProtocolIp, abi::kIpTtl), 64);
  EXPECT_EQ(get(*socket, abi::kProtocolIpv6, abi::kIpv6Only), -i32(Errno::kOpNotSupp));
  EXPECT_EQ(get(*listener(), abi::kSolSocket, abi::kSoAcceptConnections), 1);
}

// Ten thousand connections one after the other: none stays, and no memory with it.
TEST_F(TcpSocketTest, ManyShortConnections) {
  auto listening = listener();
  const SocketAddress address = local(*listening);
  const auto once = [&] {
    auto client = stream();
    ASSERT_EQ(connect(*client, address), Errno::kInProgress);
    ASSERT_EQ(client->finish_connect().error(), kOk);
    auto server = accept(*listening).take();
    ASSERT_TRUE(send(*client, "ping").ok());
    ASSERT_EQ(receive(*server), "ping");
    client = nullptr;
    ASSERT_EQ(receive(*server), "");
  };
  for (int i = 0; i < 2000; ++i) once();
  pass_time(10 * kNanosPerSecond);
  const u64 before = memory_statistics().free_frames;
  for (int i = 0; i < 10'000; ++i) {
    once();
    if (HasFatalFailure()) FAIL() << i;
  }
  pass_time(10 * kNanosPerSecond);
  // Slabs that are not quite empty make the number jump a little; one byte for each connection
  // would make more.
  EXPECT_LE(before, memory_statistics().free_frames + 2);
}

// A client's port may be used again for the same server before TIME-WAIT is over, once the clock
// of sequence numbers has moved on.
TEST_F(TcpSocketTest, TimeWaitGivesWay) {
  auto listening = listener();
  auto probe = stream();
  ASSERT_EQ(probe->bind(address_of("127.0.0.1", 0)).error(), kOk);
  const SocketAddress own = local(*probe);
  probe = nullptr;
  for (int i = 0; i < 3; ++i) {
    auto client = stream();
    set(*client, abi::kSolSocket, abi::kSoReuseAddress, 1);
    ASSERT_EQ(client->bind(own).error(), kOk);
    ASSERT_EQ(connect(*client, local(*listening)), Errno::kInProgress) << i;
    ASSERT_EQ(client->finish_connect().error(), kOk);
    auto server = accept(*listening).take();
    client = nullptr;
    EXPECT_EQ(receive(*server), "");
    server = nullptr;
    pass_time(1'100 * kNanosPerMilli);
  }
}

}  // namespace
}  // namespace narwhal
