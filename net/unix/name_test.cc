// Names of sockets. Every expectation was seen on Linux first.
#include "net/unix/testing.h"

namespace narwhal {
namespace {

using namespace testing;

class UnixNames : public UnixTest {};

TEST_F(UnixNames, APathBecomesAFileWithItsNul) {
  ASSERT_EQ(mkdir("/dir"), kOk);
  auto socket = stream();
  EXPECT_EQ(name(*socket), std::string("\1\0", 2));
  ASSERT_EQ(bind(*socket, "/dir/s"), kOk);
  EXPECT_EQ(name(*socket), std::string("\1\0/dir/s\0", 9));
  const abi::Stat file = stat("/dir/s");
  EXPECT_EQ(file.mode, u32(FileType::kSocket) | 0755);
  EXPECT_EQ(open_error("/dir/s", OpenFlags::kReadWrite), Errno::kNxIo);
}

TEST_F(UnixNames, ASecondNameIsRefusedAndLeavesNoFile) {
  auto socket = stream();
  ASSERT_EQ(bind(*socket, "/s"), kOk);
  EXPECT_EQ(bind(*socket, "/s"), Errno::kAddrInUse);
  EXPECT_EQ(bind(*socket, "/t"), Errno::kInval);
  EXPECT_EQ(find_error("/t"), Errno::kNoEnt);
  EXPECT_EQ(bind(*socket, "@t"), Errno::kInval);
}

TEST_F(UnixNames, PathsFailAsMknodDoes) {
  auto socket = stream();
  EXPECT_EQ(bind(*socket, "/nowhere/s"), Errno::kNoEnt);
  ASSERT_EQ(touch("/f"), kOk);
  EXPECT_EQ(bind(*socket, "/f"), Errno::kAddrInUse);
  EXPECT_EQ(bind(*socket, "/f/s"), Errno::kNotDir);
  EXPECT_EQ(bind(*socket, "/ok"), kOk);
}

TEST_F(UnixNames, WhoIsBehindAPath) {
  auto socket = stream();
  ASSERT_EQ(bind(*socket, "/s"), kOk);
  EXPECT_EQ(connect(*datagram(), "/s"), Errno::kProtoType);
  EXPECT_EQ(connect(*stream(), "/s"), Errno::kConnRefused);
  ASSERT_EQ(listen(*socket), kOk);
  EXPECT_EQ(connect(*stream(), "/s"), kOk);
  ASSERT_EQ(symlink("/s", "/l"), kOk);
  EXPECT_EQ(connect(*stream(), "/l"), kOk);
  EXPECT_EQ(connect(*stream(), "/"), Errno::kConnRefused);
  EXPECT_EQ(connect(*stream(), "/no/thing"), Errno::kNoEnt);
  become(5, 5);
  EXPECT_EQ(connect(*stream(), "/s"), Errno::kAcces);
  become_root();
  // The file stays when the socket goes, and leads nowhere.
  socket = nullptr;
  EXPECT_EQ(connect(*stream(), "/s"), Errno::kConnRefused);
  EXPECT_EQ(bind(*stream(), "/s"), Errno::kAddrInUse);
  EXPECT_EQ(unlink("/s"), kOk);
  EXPECT_EQ(bind(*stream(), "/s"), kOk);
}

TEST_F(UnixNames, APathOfFullLengthNeedsNoNul) {
  auto socket = stream();
  SocketAddress address = at("/" + std::string(107, 'x'));
  ASSERT_EQ(address.length, 110u);
  ASSERT_EQ(socket->bind(address).error(), kOk);
  EXPECT_EQ(name(*socket).size(), 111u);
  address.length = 111;
  EXPECT_EQ(stream()->bind(address).error(), Errno::kInval);
}

TEST_F(UnixNames, AbstractNamesAreBytesAndFreeAgainAtTheEnd) {
  auto socket = stream();
  ASSERT_EQ(bind(*socket, std::string_view("@a\0b", 4)), kOk);
  EXPECT_EQ(name(*socket), std::string("\1\0\0a\0b", 6));
  EXPECT_EQ(bind(*stream(), std::string_view("@a\0b", 4)), Errno::kAddrInUse);
  EXPECT_EQ(bind(*stream(), "@a"), kOk);
  // Each type of socket has names of its own.
  EXPECT_EQ(connect(*datagram(), std::string_view("@a\0b", 4)), Errno::kConnRefused);
  EXPECT_EQ(bind(*datagram(), std::string_view("@a\0b", 4)), kOk);
  socket = nullptr;
  EXPECT_EQ(bind(*stream(), std::string_view("@a\0b", 4)), kOk);
}

TEST_F(UnixNames, AFamilyAloneAsksForSomeName) {
  auto first = stream(), second = stream();
  SocketAddress family;
  family.bytes[0] = 1;
  family.length = 2;
  ASSERT_TRUE(first->bind(family).ok());
  ASSERT_TRUE(second->bind(family).ok());
  EXPECT_EQ(name(*first).size(), 8u);
  EXPECT_EQ(name(*first)[2], '\0');
  EXPECT_NE(name(*first), name(*second));
  const std::string before = name(*first);
  EXPECT_TRUE(first->bind(family).ok());
  EXPECT_EQ(name(*first), before);
}

TEST_F(UnixNames, AddressesAreChecked) {
  auto socket = stream();
  SocketAddress address = at("@x");
  address.length = 0;
  EXPECT_EQ(socket->bind(address).error(), Errno::kInval);
  address.length = 1;
  EXPECT_EQ(socket->bind(address).error(), Errno::kInval);
  address.length = 3;
  address.bytes[0] = 2;
  EXPECT_EQ(socket->bind(address).error(), Errno::kInval);
}

TEST_F(UnixNames, AcceptedSocketsHaveTheListenersNameForGood) {
  auto server = listener("/s");
  auto client = stream();
  ASSERT_EQ(connect(*client, "/s"), kOk);
  SocketAddress peer;
  auto accepted = server->accept(OpenFlags::kReadWrite, peer).take();
  EXPECT_EQ(peer.length, 2u);
  server = nullptr;
  EXPECT_EQ(name(*accepted), std::string("\1\0/s\0", 5));
  ASSERT_TRUE(client->peer_address(peer).ok());
  EXPECT_EQ(peer.length, 5u);
}

TEST_F(UnixNames, WhoWantsCredentialsGetsAName) {
  auto server = listener("@s");
  auto client = stream();
  ASSERT_EQ(set_option(*client, abi::kSoPassCredentials, 1), kOk);
  ASSERT_EQ(connect(*client, "@s"), kOk);
  EXPECT_EQ(name(*client).size(), 8u);
}

}  // namespace
}  // namespace narwhal
