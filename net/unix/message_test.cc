// Datagrams, descriptors and credentials. Every expectation was seen on Linux first.
#include "net/unix/testing.h"

namespace narwhal {
namespace {

using namespace testing;

class UnixMessages : public UnixTest {
 protected:
  // A message that carries these files.
  static Moved send_files(Socket& socket, std::string_view text, std::vector<FileRef> files) {
    ControlData control;
    for (FileRef& file : files) EXPECT_TRUE(control.files.push_back(std::move(file)).ok());
    return send(socket, text, {}, &control);
  }
};

TEST_F(UnixMessages, DatagramsGoToAnAddress) {
  auto server = datagram();
  ASSERT_EQ(bind(*server, "/d"), kOk);
  auto client = datagram();
  EXPECT_EQ(send(*client, "x"), Errno::kNotConn);
  EXPECT_EQ(send(*client, "anonymous", "/d"), 9);
  ASSERT_EQ(bind(*client, "@c"), kOk);
  EXPECT_EQ(send(*client, "named", "/d"), 5);
  auto got = receive(*server);
  EXPECT_EQ(got.text, "anonymous");
  // The name is the sender's at the time of receiving.
  EXPECT_EQ(got.from, std::string("\0c", 2));
  got = receive(*server);
  EXPECT_EQ(got.text, "named");
  EXPECT_EQ(send(*server, "answer", "@c"), 6);
  got = receive(*client);
  EXPECT_EQ(got.text, "answer");
  EXPECT_EQ(got.from, std::string("/d\0", 3));
}

TEST_F(UnixMessages, DatagramsAreCutToTheRoom) {
  auto ends = pair(abi::kSockDatagram);
  EXPECT_EQ(send(*ends.first, "hello"), 5);
  auto got = receive(*ends.second, 2, abi::kMsgPeek);
  EXPECT_EQ(got.text, "he");
  EXPECT_EQ(got.flags, abi::kMsgTruncated);
  EXPECT_EQ(receive(*ends.second, 2, abi::kMsgTruncated).count, 5u);
  EXPECT_EQ(text(*ends.second), "EAGAIN");
  EXPECT_EQ(send(*ends.first, ""), 0);
  EXPECT_EQ(ends.second->poll(), kReadable | kWritable);
  EXPECT_EQ(receive(*ends.second).error, kOk);
}

TEST_F(UnixMessages, ADatagramFitsTheSendBuffer) {
  auto ends = pair(abi::kSockDatagram);
  EXPECT_EQ(send(*ends.first, std::string(212'992 - 31, 'x')), Errno::kMsgSize);
  EXPECT_EQ(send(*ends.first, std::string(212'992 - 32, 'x')), 212'960);
  EXPECT_EQ(send(*ends.first, "x"), Errno::kAgain);
  EXPECT_EQ(receive(*ends.second, 300'000).count, 212'960u);
}

TEST_F(UnixMessages, ElevenDatagramsWaitForWhoIsNotConnectedBack) {
  auto server = datagram();
  ASSERT_EQ(bind(*server, "@d"), kOk);
  auto client = datagram();
  ASSERT_EQ(connect(*client, "@d"), kOk);
  int sent = 0;
  while (send(*client, "x") == Moved(1)) ++sent;
  EXPECT_EQ(sent, 11);
  EXPECT_EQ(client->poll(), PollEvents::kNone);
  WakeCounter woken(*client, kPollWritable);
  EXPECT_EQ(text(*server), "x");
  EXPECT_GE(woken.take(), 1);
  EXPECT_EQ(client->poll(), kWritable);
  EXPECT_EQ(send(*client, "x"), 1);
}

TEST_F(UnixMessages, ConnectedBackOnlyTheBufferCounts) {
  auto ends = pair(abi::kSockDatagram);
  int sent = 0;
  while (send(*ends.first, "x") == Moved(1)) ++sent;
  EXPECT_EQ(sent, 278);
  EXPECT_EQ(ends.first->poll(), PollEvents::kNone);
}

TEST_F(UnixMessages, AConnectedDatagramSocketTakesItsPeersOnly) {
  auto ends = pair(abi::kSockDatagram);
  ASSERT_EQ(bind(*ends.first, "@p"), kOk);
  auto stranger = datagram();
  EXPECT_EQ(connect(*stranger, "@p"), Errno::kPerm);
  EXPECT_EQ(send(*stranger, "x", "@p"), Errno::kPerm);
}

TEST_F(UnixMessages, AClosedPeerIsRefusedOnceAndThenGone) {
  auto ends = pair(abi::kSockDatagram);
  ends.second = nullptr;
  EXPECT_EQ(ends.first->poll(), kWritable);
  EXPECT_EQ(send(*ends.first, "x"), Errno::kConnRefused);
  EXPECT_EQ(send(*ends.first, "x"), Errno::kNotConn);
  EXPECT_EQ(text(*ends.first), "EAGAIN");
}

TEST_F(UnixMessages, DisconnectingLosesWhatThePeerSent) {
  auto ends = pair(abi::kSockDatagram);
  send(*ends.second, "lost");
  SocketAddress nobody;
  nobody.length = 2;
  EXPECT_EQ(ends.first->connect(nobody).error(), kOk);
  EXPECT_EQ(text(*ends.first), "EAGAIN");
  EXPECT_EQ(ends.second->poll(), kWritable | PollEvents::kErr);
  EXPECT_EQ(option(*ends.second, abi::kSoError), i32(Errno::kConnReset));
  EXPECT_EQ(send(*ends.first, "x"), Errno::kNotConn);
}

TEST_F(UnixMessages, TheEndOfADatagramSocketIsSeenByThoseWhoWait) {
  auto ends = pair(abi::kSockDatagram);
  ASSERT_TRUE(ends.first->shutdown(abi::kShutRead).ok());
  EXPECT_EQ(text(*ends.first), "");
  EXPECT_EQ(text(*ends.first, 10, abi::kMsgDontWait), "EAGAIN");
  EXPECT_EQ(ends.first->poll(), kEnd | kWritable);
  EXPECT_EQ(send(*ends.second, "x"), Errno::kPipe);
  ASSERT_TRUE(ends.first->shutdown(abi::kShutWrite).ok());
  EXPECT_EQ(send(*ends.first, "x"), Errno::kPipe);
}

TEST_F(UnixMessages, DescriptorsTravel) {
  auto ends = pair(abi::kSockStream);
  ASSERT_EQ(write_file("/f", "content"), kOk);
  EXPECT_EQ(send_files(*ends.first, "x", {open("/f").take()}), 1);
  EXPECT_EQ(send(*ends.first, "y"), 1);
  ControlData control;
  auto got = receive(*ends.second, 10, 0, &control);
  // What came with descriptors ends the read.
  EXPECT_EQ(got.text, "x");
  ASSERT_EQ(control.files.size(), 1u);
  EXPECT_EQ(read_all(*control.files[0]), "content");
  EXPECT_EQ(text(*ends.second), "y");
}

TEST_F(UnixMessages, PeekingGivesDescriptorsTwice) {
  for (int type : {abi::kSockStream, abi::kSockDatagram}) {
    auto ends = pair(type);
    EXPECT_EQ(send_files(*ends.first, "x", {stream()}), 1);
    ControlData first, second;
    EXPECT_EQ(receive(*ends.second, 10, abi::kMsgPeek, &first).text, "x");
    EXPECT_EQ(receive(*ends.second, 10, 0, &second).text, "x");
    ASSERT_EQ(first.files.size(), 1u);
    ASSERT_EQ(second.files.size(), 1u);
    EXPECT_EQ(first.files[0], second.files[0]);
  }
}

TEST_F(UnixMessages, DescriptorsWithoutRoomAreClosedAndTheLossTold) {
  auto ends = pair(abi::kSockDatagram);
  auto others = pair(abi::kSockStream);
  EXPECT_EQ(send_files(*ends.first, "x", {std::move(others.first)}), 1);
  EXPECT_EQ(others.second->poll(), kWritable);
  EXPECT_EQ(receive(*ends.second).flags, abi::kMsgControlTruncated);
  EXPECT_EQ(text(*others.second), "");
}

TEST_F(UnixMessages, AUserWithoutPrivilegeMaySendOnlySoMany) {
  auto ends = pair(abi::kSockStream);
  auto passed = stream();
  become(1, 1);
  open_files_limit = 3;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(send_files(*ends.first, "x", {passed}), 1);
  EXPECT_EQ(send_files(*ends.first, "x", {passed}), Errno::kTooManyRefs);
  ControlData control;
  EXPECT_EQ(receive(*ends.second, 1, 0, &control).text, "x");
  EXPECT_EQ(send_files(*ends.first, "x", {passed}), 1);
}

TEST_F(UnixMessages, CredentialsComeToThoseWhoAsk) {
  auto ends = pair(abi::kSockStream);
  pid = 5;
  send(*ends.first, "a");
  pid = 6;
  send(*ends.first, "b");
  ControlData control;
  EXPECT_EQ(receive(*ends.second, 1, abi::kMsgPeek, &control).text, "a");
  EXPECT_FALSE(control.has_credentials);
  EXPECT_EQ(set_option(*ends.second, abi::kSoPassCredentials, 1), kOk);
  EXPECT_EQ(option(*ends.second, abi::kSoPassCredentials), 1);
  // Bytes of different senders are not glued together.
  EXPECT_EQ(receive(*ends.second, 10, 0, &control).text, "a");
  EXPECT_TRUE(control.has_credentials);
  EXPECT_EQ(control.credentials.pid, 5);
  EXPECT_EQ(receive(*ends.second, 10, 0, &control).text, "b");
  EXPECT_EQ(control.credentials.pid, 6);
  ControlData claimed;
  claimed.has_credentials = true;
  claimed.credentials = {99, 1, 2};
  EXPECT_EQ(send(*ends.first, "c", {}, &claimed), 1);
  EXPECT_EQ(receive(*ends.second, 10, 0, &control).text, "c");
  EXPECT_EQ(control.credentials.pid, 99);
}

TEST_F(UnixMessages, OutOfBandDataIsRefused) {
  auto ends = pair(abi::kSockStream);
  EXPECT_EQ(send(*ends.first, "x", {}, nullptr, abi::kMsgOutOfBand), Errno::kOpNotSupp);
  EXPECT_EQ(text(*ends.first, 1, abi::kMsgOutOfBand), "EINVAL");
  auto others = pair(abi::kSockDatagram);
  EXPECT_EQ(text(*others.first, 1, abi::kMsgOutOfBand), "EOPNOTSUPP");
}

}  // namespace
}  // namespace narwhal
