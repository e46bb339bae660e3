// Connections: SOCK_STREAM and SOCK_SEQPACKET. Every expectation was seen on Linux first.
#include "net/unix/testing.h"

namespace narwhal {

// The tests' program is the fixture's user.
SocketActor socket_actor() {
  return testing::UnixTest::user();
}

namespace {

using namespace testing;

class UnixStream : public UnixTest {};

TEST_F(UnixStream, ConnectsAndTalks) {
  auto server = listener("/s");
  auto client = stream();
  EXPECT_EQ(connect(*client, "/s"), kOk);
  auto accepted = accept(*server).take();
  EXPECT_EQ(send(*client, "hello"), 5);
  EXPECT_EQ(text(*accepted), "hello");
  EXPECT_EQ(send(*accepted, "world"), 5);
  EXPECT_EQ(text(*client, 2), "wo");
  EXPECT_EQ(text(*client), "rld");
  EXPECT_EQ(text(*client), "EAGAIN");
}

TEST_F(UnixStream, UnconnectedSocketsRefuse) {
  auto socket = stream();
  EXPECT_EQ(text(*socket), "EINVAL");
  EXPECT_EQ(send(*socket, "x"), Errno::kNotConn);
  EXPECT_EQ(send(*socket, "x", "/a"), Errno::kOpNotSupp);
  EXPECT_EQ(socket->poll(), kHup | kWritable);
  EXPECT_EQ(listen(*socket), Errno::kInval);
  EXPECT_EQ(accept(*socket).error(), Errno::kInval);
  SocketAddress peer;
  EXPECT_EQ(socket->peer_address(peer).error(), Errno::kNotConn);
  EXPECT_EQ(socket->shutdown(7).error(), Errno::kInval);
  EXPECT_EQ(socket->shutdown(abi::kShutBoth).error(), kOk);
  auto packets = make(abi::kSockSeqPacket);
  EXPECT_EQ(text(*packets), "ENOTCONN");
  EXPECT_EQ(send(*packets, "x"), Errno::kNotConn);
  EXPECT_EQ(packets->poll(), kHup | kWritable);
}

TEST_F(UnixStream, ConnectRefusesInLinuxsOrder) {
  auto server = stream();
  ASSERT_EQ(bind(*server, "@s"), kOk);
  auto client = stream();
  EXPECT_EQ(connect(*client, "@s"), Errno::kConnRefused);
  ASSERT_EQ(listen(*server), kOk);
  EXPECT_EQ(connect(*client, "@s"), kOk);
  EXPECT_EQ(connect(*client, "@s"), Errno::kIsConn);
  EXPECT_EQ(connect(*client, "@nobody"), Errno::kConnRefused);
  EXPECT_EQ(connect(*server, "@s"), Errno::kInval);
  EXPECT_EQ(listen(*client), Errno::kInval);
  EXPECT_EQ(send(*client, "x", "@s"), Errno::kIsConn);
  EXPECT_EQ(text(*server), "EINVAL");
  EXPECT_EQ(send(*server, "x"), Errno::kNotConn);
  SocketAddress other;
  other.length = 20;
  other.bytes[0] = 2;
  EXPECT_EQ(client->connect(other).error(), Errno::kInval);
  ASSERT_TRUE(server->shutdown(abi::kShutRead).ok());
  EXPECT_EQ(connect(*stream(), "@s"), Errno::kConnRefused);
}

TEST_F(UnixStream, BacklogIsOneMoreThanAskedFor) {
  auto server = stream();
  ASSERT_EQ(bind(*server, "@s"), kOk);
  ASSERT_EQ(listen(*server, 0), kOk);
  EXPECT_EQ(server->poll(), PollEvents::kNone);
  auto first = stream(), second = stream();
  EXPECT_EQ(connect(*first, "@s"), kOk);
  EXPECT_EQ(server->poll(), kReadable);
  EXPECT_EQ(connect(*second, "@s"), Errno::kAgain);
  // Who waits for room is woken when there is some.
  WakeCounter woken(*second, kPollWritable);
  auto accepted = accept(*server);
  EXPECT_GE(woken.take(), 1);
  EXPECT_EQ(connect(*second, "@s"), kOk);
}

TEST_F(UnixStream, AcceptSaysTheEndOnlyToThoseWhoWait) {
  auto server = listener("@s");
  EXPECT_EQ(accept(*server).error(), Errno::kAgain);
  ASSERT_TRUE(server->shutdown(abi::kShutRead).ok());
  EXPECT_EQ(accept(*server).error(), Errno::kInval);
  ASSERT_TRUE(server->set_flags(OpenFlags::kNonBlock).ok());
  EXPECT_EQ(accept(*server).error(), Errno::kAgain);
}

TEST_F(UnixStream, AClosedPeerIsTheEndOnceAllIsRead) {
  auto ends = pair(abi::kSockStream);
  EXPECT_EQ(send(*ends.first, "last"), 4);
  WakeCounter woken(*ends.second, kPollReadable);
  ends.first = nullptr;
  EXPECT_EQ(woken.take(), 1);
  EXPECT_EQ(ends.second->poll(), kEnd | kHup | kWritable);
  EXPECT_EQ(text(*ends.second), "last");
  EXPECT_EQ(text(*ends.second), "");
  EXPECT_EQ(send(*ends.second, "x"), Errno::kPipe);
  SocketAddress peer;
  ASSERT_TRUE(ends.second->peer_address(peer).ok());
  EXPECT_EQ(peer.length, 2u);
}

TEST_F(UnixStream, UnreadBytesMakeAReset) {
  auto ends = pair(abi::kSockStream);
  EXPECT_EQ(send(*ends.first, "never read"), 10);
  ends.second = nullptr;
  EXPECT_EQ(ends.first->poll(), kEnd | kHup | kWritable | PollEvents::kErr);
  EXPECT_EQ(send(*ends.first, "x"), Errno::kPipe);
  EXPECT_EQ(text(*ends.first), "ECONNRESET");
  EXPECT_EQ(text(*ends.first), "");
}

TEST_F(UnixStream, AListenersEndResetsWhoWaits) {
  auto server = listener("@s");
  auto client = stream();
  ASSERT_EQ(connect(*client, "@s"), kOk);
  EXPECT_EQ(client->poll(), kWritable);
  server = nullptr;
  EXPECT_EQ(client->poll(), kEnd | kHup | kWritable | PollEvents::kErr);
  EXPECT_EQ(option(*client, abi::kSoError), i32(Errno::kConnReset));
  EXPECT_EQ(option(*client, abi::kSoError), 0);
  EXPECT_EQ(text(*client), "");
  EXPECT_EQ(connect(*stream(), "@s"), Errno::kConnRefused);
}

TEST_F(UnixStream, AClientThatLeftIsAcceptedAndAtItsEnd) {
  auto server = listener("@s");
  auto client = stream();
  ASSERT_EQ(connect(*client, "@s"), kOk);
  EXPECT_EQ(send(*client, "bye"), 3);
  client = nullptr;
  auto accepted = accept(*server).take();
  EXPECT_EQ(text(*accepted), "bye");
  EXPECT_EQ(text(*accepted), "");
}

TEST_F(UnixStream, ShutdownHasTwoSides) {
  auto ends = pair(abi::kSockStream);
  WakeCounter woken(*ends.second, PollEvents::kRdHup);
  ASSERT_TRUE(ends.first->shutdown(abi::kShutWrite).ok());
  EXPECT_EQ(woken.take(), 1);
  EXPECT_EQ(text(*ends.second), "");
  EXPECT_EQ(ends.second->poll(), kEnd | kWritable);
  EXPECT_EQ(ends.first->poll(), kWritable);
  EXPECT_EQ(send(*ends.first, "x"), Errno::kPipe);
  EXPECT_EQ(send(*ends.second, "back"), 4);
  EXPECT_EQ(text(*ends.first), "back");

  auto others = pair(abi::kSockStream);
  ASSERT_TRUE(others.first->shutdown(abi::kShutRead).ok());
  EXPECT_EQ(send(*others.second, "x"), Errno::kPipe);
  EXPECT_EQ(others.second->poll(), kWritable);
  EXPECT_EQ(others.first->poll(), kEnd | kWritable);
  EXPECT_EQ(text(*others.first), "");
}

TEST_F(UnixStream, AFullBufferTakesPartAndWakesWhenMostIsRead) {
  auto ends = pair(abi::kSockStream);
  const std::string page(4096, 'x');
  usize total = 0;
  while (send(*ends.first, page) == Moved(4096)) total += 4096;
  EXPECT_EQ(total, 180'224u);
  EXPECT_EQ(send(*ends.first, page), Errno::kAgain);
  EXPECT_EQ(ends.first->poll(), PollEvents::kNone);
  WakeCounter woken(*ends.first, kPollWritable);
  EXPECT_EQ(receive(*ends.second, 4096).count, 4096u);
  EXPECT_EQ(woken.take(), 0);
  EXPECT_EQ(receive(*ends.second, 200'000).count, 180'224u - 4096);
  EXPECT_GE(woken.take(), 1);
  EXPECT_EQ(ends.first->poll(), kWritable);
  // A write that is too long is cut.
  const std::string million(1'000'000, 'y');
  const Moved sent = send(*ends.first, million);
  EXPECT_GT(sent.count, 200'000u);
  EXPECT_LT(sent.count, 300'000u);
}

TEST_F(UnixStream, BytesKeepTheirOrderAcrossMessages) {
  auto ends = pair(abi::kSockStream);
  std::string sent, got;
  for (int i = 0; i < 100; ++i) {
    const std::string piece(size_t(i * 37 % 501 + 1), char('a' + i % 26));
    ASSERT_EQ(send(*ends.first, piece).count, piece.size());
    sent += piece;
    if (i % 3 == 0) got += text(*ends.second, 333);
  }
  while (ends.second->poll() != kWritable) got += text(*ends.second, 777);
  EXPECT_EQ(got, sent);
}

TEST_F(UnixStream, PeekingLeavesAllInPlace) {
  auto ends = pair(abi::kSockStream);
  send(*ends.first, "ab");
  send(*ends.first, "cd");
  EXPECT_EQ(text(*ends.second, 3, abi::kMsgPeek), "abc");
  EXPECT_EQ(text(*ends.second, 10, abi::kMsgPeek), "abcd");
  EXPECT_EQ(text(*ends.second), "abcd");
}

TEST_F(UnixStream, NothingToReadOrToSend) {
  auto ends = pair(abi::kSockStream);
  EXPECT_EQ(send(*ends.first, ""), 0);
  EXPECT_EQ(text(*ends.second, 0), "EAGAIN");
  send(*ends.first, "x");
  EXPECT_EQ(text(*ends.second, 0), "");
  EXPECT_EQ(text(*ends.second), "x");
}

TEST_F(UnixStream, ReadAndWriteAreReceiveAndSend) {
  auto ends = pair(abi::kSockStream);
  EXPECT_EQ(write_all(*ends.first, "file").value(), 4u);
  std::byte bytes[8];
  IoBuffer buffer{std::span<std::byte>(bytes)};
  EXPECT_EQ(ends.second->read(buffer).value(), 4u);
  IoBuffer none{std::span<std::byte>(bytes, 0)};
  EXPECT_EQ(ends.second->read(none).value(), 0u);
}

TEST_F(UnixStream, ATransferThatFaultsSaysSo) {
  auto ends = pair(abi::kSockStream);
  IoBuffer data(UserBuffer{UserAddr(0x1000), 5});
  Message message{data};
  EXPECT_EQ(ends.first->send(message).error(), Errno::kFault);
  EXPECT_EQ(ends.second->poll(), kWritable);
  EXPECT_EQ(ends.first->poll(), kWritable);
  send(*ends.first, "abc");
  EXPECT_EQ(ends.second->receive(message).error(), Errno::kFault);
  EXPECT_EQ(text(*ends.second), "abc");
}

TEST_F(UnixStream, PacketsKeepTheirEnds) {
  auto ends = pair(abi::kSockSeqPacket);
  EXPECT_EQ(send(*ends.first, "one"), 3);
  EXPECT_EQ(send(*ends.first, ""), 0);
  EXPECT_EQ(send(*ends.first, "three", "/ignored"), 5);
  auto got = receive(*ends.second, 2);
  EXPECT_EQ(got.text, "on");
  EXPECT_EQ(got.flags, abi::kMsgTruncated);
  EXPECT_EQ(receive(*ends.second).count, 0u);
  got = receive(*ends.second, 2, abi::kMsgTruncated);
  EXPECT_EQ(got.count, 5u);
  EXPECT_EQ(text(*ends.second), "EAGAIN");
  ends.first = nullptr;
  EXPECT_EQ(text(*ends.second), "");
  EXPECT_EQ(text(*ends.second, 10, abi::kMsgDontWait), "");
  EXPECT_EQ(send(*ends.second, "x"), Errno::kPipe);
  EXPECT_EQ(ends.second->poll(), kEnd | kHup | kWritable);
}

TEST_F(UnixStream, CredentialsOfThePeer) {
  const auto credentials = [](Socket& socket) {
    abi::PeerCredentials ids{};
    auto size = socket.get_option(abi::kSolSocket, abi::kSoPeerCredentials,
                                  std::as_writable_bytes(std::span(&ids, 1)));
    EXPECT_EQ(size.value(), 12u);
    return ids;
  };
  EXPECT_EQ(credentials(*stream()).pid, 0);
  EXPECT_EQ(credentials(*stream()).uid, ~0u);
  pid = 10;
  auto server = listener("@s");
  pid = 20;
  become(7, 8);
  auto client = stream();
  ASSERT_EQ(connect(*client, "@s"), kOk);
  auto accepted = accept(*server).take();
  EXPECT_EQ(credentials(*accepted).pid, 20);
  EXPECT_EQ(credentials(*accepted).uid, 7u);
  EXPECT_EQ(credentials(*accepted).gid, 8u);
  EXPECT_EQ(credentials(*client).pid, 10);
  EXPECT_EQ(credentials(*client).uid, 0u);
}

TEST_F(UnixStream, Options) {
  auto socket = stream();
  EXPECT_EQ(option(*socket, abi::kSoSendBuffer), 212'992);
  EXPECT_EQ(set_option(*socket, abi::kSoSendBuffer, 1000), kOk);
  EXPECT_EQ(option(*socket, abi::kSoSendBuffer), 4608);
  EXPECT_EQ(set_option(*socket, abi::kSoReceiveBuffer, -1), kOk);
  EXPECT_EQ(option(*socket, abi::kSoReceiveBuffer), 425'984);
  EXPECT_EQ(option(*socket, 999), -i32(Errno::kNoProtoOpt));
  EXPECT_EQ(set_option(*socket, 999, 1), Errno::kNoProtoOpt);
  EXPECT_EQ(set_option(*socket, abi::kSoSendLowWater, 1), Errno::kNoProtoOpt);
  EXPECT_EQ(socket->set_option(abi::kSolSocket, 999, {}).error(), Errno::kInval);
  EXPECT_EQ(socket->set_option(6, 1, {}).error(), Errno::kOpNotSupp);
  EXPECT_EQ(socket->get_option(6, 1, {}).error(), Errno::kOpNotSupp);
  EXPECT_EQ(option(*socket, abi::kSoAcceptConnections), 0);
  EXPECT_EQ(option(*listener("@x"), abi::kSoAcceptConnections), 1);
}

TEST_F(UnixStream, AnySocketAnswersQuestionsAboutInterfaces) {
  auto socket = stream();
  EXPECT_EQ(socket->ioctl(0x8933, UserAddr()).error(), Errno::kNotTty);
  set_interface_ioctl([](u32 command, UserAddr) -> Result<i64> {
    if (command != 0x8933) return Errno::kNotTty;
    return i64{5};
  });
  EXPECT_EQ(socket->ioctl(0x8933, UserAddr()).value(), 5);
  EXPECT_EQ(socket->ioctl(0x1234, UserAddr()).error(), Errno::kNotTty);
  set_interface_ioctl(nullptr);
}

TEST(UnixFamily, KnowsItsTypesAndProtocols) {
  const auto error = [](int type, int protocol) {
    return create_socket(abi::kAfUnix, type, protocol, OpenFlags::kReadWrite).error();
  };
  EXPECT_EQ(error(abi::kSockStream, 2), Errno::kProtoNoSupport);
  EXPECT_EQ(error(4, 0), Errno::kSockTNoSupport);
  EXPECT_EQ(error(0, 0), Errno::kSockTNoSupport);
  EXPECT_EQ(error(11, 0), Errno::kInval);
  EXPECT_EQ(create_socket(99, 1, 0, OpenFlags::kReadWrite).error(), Errno::kAfNoSupport);
  EXPECT_EQ(create_socket(9, 1, 0, OpenFlags::kReadWrite).error(), Errno::kAfNoSupport);
  EXPECT_EQ(create_socket(-1, 1, 0, OpenFlags::kReadWrite).error(), Errno::kAfNoSupport);
}

}  // namespace
}  // namespace narwhal
