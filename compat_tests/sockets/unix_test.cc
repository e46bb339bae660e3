// AF_UNIX: names, descriptors and credentials that travel.
#include <sys/stat.h>
#include <sys/syscall.h>

#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

Fd local_socket(int type = SOCK_STREAM) {
  return socket(AF_UNIX, type, 0);
}

// --- names

TEST(UnixName, InTheFileSystemIsASocketFile) {
  const TempDir dir;
  const Fd fd = local_socket();
  ASSERT_OK(bind_to(fd, path_address(dir / "name")));
  struct stat status = {};
  ASSERT_OK(lstat((dir / "name").c_str(), &status));
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_ERRNO(ENXIO, open((dir / "name").c_str(), O_RDWR));
}

TEST(UnixName, TakenNamesAreInUse) {
  const TempDir dir;
  Fd first = local_socket();
  ASSERT_OK(bind_to(first, path_address(dir / "name")));
  const Fd second = local_socket();
  EXPECT_ERRNO(EADDRINUSE, bind_to(second, path_address(dir / "name")));
  first.reset();
  EXPECT_ERRNO(EADDRINUSE, bind_to(second, path_address(dir / "name"))) << "the file stays";
  ASSERT_OK(unlink((dir / "name").c_str()));
  EXPECT_OK(bind_to(second, path_address(dir / "name")));
}

TEST(UnixName, BadPathsAreRefused) {
  const TempDir dir;
  const Fd fd = local_socket();
  EXPECT_ERRNO(ENOENT, bind_to(fd, path_address(dir / "missing/name")));
  write_file(dir / "file", "");
  EXPECT_ERRNO(ENOTDIR, bind_to(fd, path_address(dir / "file/name")));
  EXPECT_ERRNO(EADDRINUSE, bind_to(fd, path_address(dir / "file")));
  EXPECT_ERRNO(ENOENT, connect_to(fd, path_address(dir / "nobody")));
  EXPECT_ERRNO(ECONNREFUSED, connect_to(fd, path_address(dir / "file")));
}

TEST(UnixName, LengthsAreChecked) {
  const Fd fd = local_socket();
  Address address = abstract_address("length");
  EXPECT_ERRNO(EINVAL, bind(fd, address.get(), 1));
  EXPECT_ERRNO(EINVAL, bind(fd, address.get(), sizeof(sockaddr_un) + 1));
  EXPECT_ERRNO(EINVAL, connect(fd, address.get(), 2));
  address.bytes.ss_family = AF_INET;
  EXPECT_ERRNO(EINVAL, bind_to(fd, address));
}

TEST(UnixName, PathNeedsNoZeroAtItsEnd) {
  const TempDir dir;
  const Fd fd = local_socket();
  Address address = path_address(dir / "name");
  --address.length;
  ASSERT_OK(bind_to(fd, address));
  Address got = local_address(fd);
  EXPECT_EQ(address.length + 1, got.length);
  EXPECT_STREQ((dir / "name").c_str(), got.local().sun_path);
}

TEST(UnixName, AbstractNamesGoWithTheirSocket) {
  const Address name = abstract_address("abstract");
  Fd first = local_socket();
  ASSERT_OK(bind_to(first, name));
  const Fd second = local_socket();
  EXPECT_ERRNO(EADDRINUSE, bind_to(second, name));
  first.reset();
  EXPECT_OK(bind_to(second, name));
  const Address got = local_address(second);
  EXPECT_EQ(name.length, got.length);
  EXPECT_EQ(0, memcmp(name.get(), got.get(), name.length));
}

TEST(UnixName, AbstractNamesMayHoldZeros) {
  Address one = abstract_address(std::string("a\0b", 3));
  Address two = abstract_address(std::string("a\0c", 3));
  const Fd first = local_socket();
  const Fd second = local_socket();
  EXPECT_OK(bind_to(first, one));
  EXPECT_OK(bind_to(second, two));
}

TEST(UnixName, SystemChoosesOneForTheFamilyAlone) {
  const Fd fd = local_socket();
  Address family;
  family.bytes.ss_family = AF_UNIX;
  ASSERT_OK(bind(fd, family.get(), sizeof(sa_family_t)));
  Address got = local_address(fd);
  EXPECT_EQ(sizeof(sa_family_t) + 6, got.length);
  EXPECT_EQ('\0', got.local().sun_path[0]);
  for (int i = 1; i < 6; ++i) EXPECT_TRUE(isxdigit(got.local().sun_path[i]));
}

TEST(UnixName, BindingTwiceIsInvalid) {
  const Fd fd = local_socket();
  ASSERT_OK(bind_to(fd, abstract_address("one")));
  EXPECT_ERRNO(EINVAL, bind_to(fd, abstract_address("two")));
}

TEST(UnixName, UnboundSocketHasOnlyAFamily) {
  const Pair pair = unix_pair();
  EXPECT_EQ(sizeof(sa_family_t), local_address(pair.client).length);
  EXPECT_EQ(AF_UNIX, local_address(pair.client).family());
  EXPECT_EQ(sizeof(sa_family_t), peer_address(pair.client).length);
}

TEST(UnixName, AcceptedSocketHasTheListenersName) {
  const Address name = abstract_address("listener");
  const Fd listening = local_socket();
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 4));
  const Fd client = local_socket();
  ASSERT_OK(connect_to(client, name));
  Address from;
  const Fd server = accept(listening, from.get(), &from.length);
  EXPECT_EQ(sizeof(sa_family_t), from.length) << "the client has no name";
  EXPECT_EQ(name.length, local_address(server).length);
  EXPECT_EQ(name.length, peer_address(client).length);
}

TEST(UnixName, SearchPermissionIsNeeded) {
  const TempDir dir;
  const Fd listening = local_socket();
  ASSERT_OK(bind_to(listening, path_address(dir / "name")));
  ASSERT_OK(listen(listening, 4));
  ASSERT_OK(chmod((dir / "name").c_str(), 0644));
  ASSERT_OK(chmod(dir.path().c_str(), 0755));
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  in_thread([&] {
    ASSERT_EQ(0, syscall(SYS_setresuid, 12345, 12345, 12345));
    const Fd client = local_socket();
    EXPECT_ERRNO(EACCES, connect_to(client, path_address(dir / "name")));
  });
}

// --- connections

TEST(UnixConnect, NeedsAListener) {
  const Address name = abstract_address("bound");
  const Fd bound = local_socket();
  ASSERT_OK(bind_to(bound, name));
  const Fd client = local_socket();
  EXPECT_ERRNO(ECONNREFUSED, connect_to(client, name));
  EXPECT_ERRNO(ENOTCONN, send_text(client, "x", MSG_NOSIGNAL));
  EXPECT_EQ("error EINVAL", receive(client));
}

TEST(UnixConnect, FullBacklogIsAgain) {
  const Address name = abstract_address("backlog");
  const Fd listening = local_socket();
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 1));
  std::vector<Fd> clients;
  int connected = 0;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (connect_to(clients.back(), name) != 0) break;
    ++connected;
  }
  EXPECT_EQ(2, connected);
  EXPECT_ERRNO(EAGAIN, connect_to(clients.back(), name));
  // A blocking connect(2) waits for its turn.
  const Fd patient = local_socket();
  std::thread connecting([&] { EXPECT_OK(connect_to(patient, name)); });
  let_others_block();
  const Fd server = accept(listening, nullptr, nullptr);
  connecting.join();
}

TEST(UnixConnect, DataSentBeforeAcceptIsThere) {
  const Address name = abstract_address("early");
  const Fd listening = local_socket();
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 4));
  Fd client = local_socket();
  ASSERT_OK(connect_to(client, name));
  EXPECT_EQ(5, send_text(client, "early"));
  client.reset();
  const Fd server = accept(listening, nullptr, nullptr);
  EXPECT_EQ("early", receive(server));
  EXPECT_EQ("", receive(server));
}

TEST(UnixConnect, TwiceIsConnected) {
  const Address name = abstract_address("twice");
  const Fd listening = local_socket();
  ASSERT_OK(bind_to(listening, name));
  ASSERT_OK(listen(listening, 4));
  const Fd client = local_socket();
  ASSERT_OK(connect_to(client, name));
  EXPECT_ERRNO(EISCONN, connect_to(client, name));
}

TEST(UnixConnect, ListenNeedsAName) {
  const Fd fd = local_socket();
  EXPECT_ERRNO(EINVAL, listen(fd, 1));
  const Fd datagram = local_socket(SOCK_DGRAM);
  EXPECT_ERRNO(EOPNOTSUPP, listen(datagram, 1));
  EXPECT_ERRNO(EOPNOTSUPP, accept(datagram, nullptr, nullptr));
}

TEST(UnixConnect, PairOfOtherFamiliesIsNotSupported) {
  int ends[2];
  EXPECT_ERRNO(EOPNOTSUPP, socketpair(AF_INET, SOCK_STREAM, 0, ends));
  EXPECT_ERRNO(EPROTONOSUPPORT, socketpair(AF_UNIX, SOCK_STREAM, 7, ends));
  EXPECT_ERRNO(EFAULT, socketpair(AF_UNIX, SOCK_STREAM, 0, bad_pointer<int>()));
}

TEST(UnixConnect, UrgentDataOnStreamsHasNoMeaningForDatagrams) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  EXPECT_ERRNO(EOPNOTSUPP, send_text(pair.client, "x", MSG_OOB));
}

// --- descriptors

TEST(UnixRights, DescriptorIsTheSameFile) {
  const Pair pair = unix_pair();
  const TempDir dir;
  write_file(dir / "file", "0123456789");
  const Fd file = open((dir / "file").c_str(), O_RDONLY);
  EXPECT_EQ("012", read_exactly(file, 3));
  MessageBuffer out("x");
  out.add_files({file});
  EXPECT_EQ(1, out.send(pair.client));
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server));
  const std::vector<Fd> files = in.files();
  ASSERT_EQ(1u, files.size());
  EXPECT_NE(int(file), int(files[0]));
  EXPECT_EQ("345", read_exactly(files[0], 3)) << "the position is shared";
  EXPECT_EQ(0, fcntl(files[0], F_GETFD));
}

TEST(UnixRights, CloseOnExecCanBeAskedFor) {
  const Pair pair = unix_pair();
  MessageBuffer out("x");
  out.add_files({0});
  EXPECT_EQ(1, out.send(pair.client));
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server, MSG_CMSG_CLOEXEC));
  EXPECT_EQ(MSG_CMSG_CLOEXEC, in.header.msg_flags);
  const std::vector<Fd> files = in.files();
  ASSERT_EQ(1u, files.size());
  EXPECT_EQ(FD_CLOEXEC, fcntl(files[0], F_GETFD));
}

TEST(UnixRights, SeveralTravelTogether) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  MessageBuffer out("x");
  out.add_files({0, 1, 2});
  EXPECT_EQ(1, out.send(pair.client));
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server));
  EXPECT_EQ(0, in.header.msg_flags);
  EXPECT_EQ(3u, in.files().size());
}

TEST(UnixRights, WithoutRoomTheyAreLost) {
  const Pair pair = unix_pair();
  MessageBuffer out("x");
  out.add_files({0, 1, 2});
  EXPECT_EQ(1, out.send(pair.client));
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server, 0, CMSG_LEN(2 * sizeof(int))));
  EXPECT_EQ(MSG_CTRUNC, in.header.msg_flags);
  EXPECT_EQ(2u, in.files().size());
  EXPECT_EQ(1, out.send(pair.client));
  EXPECT_EQ("x", receive(pair.server)) << "read without control messages";
}

TEST(UnixRights, BadDescriptorsAreRefused) {
  const Pair pair = unix_pair();
  MessageBuffer out("x");
  out.add_files({-1});
  EXPECT_ERRNO(EBADF, out.send(pair.client));
  MessageBuffer many("x");
  std::vector<int> files(200, 0);
  many.add_files(files);
  EXPECT_EQ(1, many.send(pair.client));
  EXPECT_EQ("error EAGAIN", receive(pair.client, 1, MSG_DONTWAIT));
}

TEST(UnixRights, StreamsDoNotJoinWhatCameWithThem) {
  const Pair pair = unix_pair();
  EXPECT_EQ(3, send_text(pair.client, "one"));
  MessageBuffer out("two");
  out.add_files({0});
  EXPECT_EQ(3, out.send(pair.client));
  EXPECT_EQ(5, send_text(pair.client, "three"));
  MessageBuffer first(100);
  EXPECT_EQ(6, first.receive(pair.server)) << "up to the end of what came with them";
  EXPECT_EQ(1u, first.files().size());
  MessageBuffer second(100);
  EXPECT_EQ(5, second.receive(pair.server));
  EXPECT_EQ(0u, second.files().size());
}

TEST(UnixRights, SocketInFlightStaysOpen) {
  const Pair pair = unix_pair();
  Pair inner = unix_pair();
  MessageBuffer out("x");
  out.add_files({inner.server});
  EXPECT_EQ(1, out.send(pair.client));
  inner.server.reset();
  EXPECT_EQ(5, send_text(inner.client, "still"));
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server));
  const std::vector<Fd> files = in.files();
  ASSERT_EQ(1u, files.size());
  EXPECT_EQ("still", receive(files[0]));
}

TEST(UnixRights, UnreadOnesGoWithTheSocket) {
  Pair pair = unix_pair();
  Pair inner = unix_pair();
  MessageBuffer out("x");
  out.add_files({inner.server});
  EXPECT_EQ(1, out.send(pair.client));
  inner.server.reset();
  pair.server.reset();
  EXPECT_EQ(POLLHUP, poll_until(inner.client, POLLHUP) & POLLHUP);
}

TEST(UnixRights, PeekedOnesStay) {
  const Pair pair = unix_pair();
  MessageBuffer out("x");
  out.add_files({0});
  EXPECT_EQ(1, out.send(pair.client));
  MessageBuffer peeked(1);
  EXPECT_EQ(1, peeked.receive(pair.server, MSG_PEEK));
  EXPECT_EQ(1u, peeked.files().size());
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server));
  EXPECT_EQ(1u, in.files().size());
}

TEST(UnixRights, SocketMayCarryItself) {
  for (int i = 0; i < 50; ++i) {
    Pair pair = unix_pair();
    MessageBuffer out("x");
    out.add_files({pair.client, pair.server});
    EXPECT_EQ(1, out.send(pair.client));
    EXPECT_EQ(1, out.send(pair.server));
  }
  // A cycle that nobody can reach any more is found, and what it held is let go.
  Pair watched = unix_pair();
  {
    Pair pair = unix_pair();
    MessageBuffer out("x");
    out.add_files({pair.client, pair.server, watched.server});
    EXPECT_EQ(1, out.send(pair.client));
  }
  watched.server.reset();
  EXPECT_TRUE(eventually([&] {
    unix_pair();  // closing sockets makes the kernel look
    return (poll_now(watched.client, 0) & POLLHUP) != 0;
  }));
}

// --- credentials

TEST(UnixCredentials, PeersAreToldByOption) {
  const Pair pair = unix_pair();
  ucred who = {};
  socklen_t size = sizeof who;
  ASSERT_OK(getsockopt(pair.client, SOL_SOCKET, SO_PEERCRED, &who, &size));
  EXPECT_EQ(getpid(), who.pid);
  EXPECT_EQ(geteuid(), who.uid);
  EXPECT_EQ(getegid(), who.gid);
  const Fd fresh = local_socket();
  ASSERT_OK(getsockopt(fresh, SOL_SOCKET, SO_PEERCRED, &who, &size));
  EXPECT_EQ(0, who.pid);
  EXPECT_EQ(uid_t(-1), who.uid);
}

TEST(UnixCredentials, ComeWithMessagesWhenAskedFor) {
  const Pair pair = unix_pair(SOCK_DGRAM);
  EXPECT_EQ(1, send_text(pair.client, "x"));
  MessageBuffer without(1);
  EXPECT_EQ(1, without.receive(pair.server));
  EXPECT_EQ(nullptr, without.find(SOL_SOCKET, SCM_CREDENTIALS));
  ASSERT_OK(set_option(pair.server, SOL_SOCKET, SO_PASSCRED, 1));
  EXPECT_EQ(1, get_option(pair.server, SOL_SOCKET, SO_PASSCRED));
  EXPECT_EQ(1, send_text(pair.client, "x"));
  MessageBuffer in(1);
  EXPECT_EQ(1, in.receive(pair.server));
  const auto who = in.value_of<ucred>(SOL_SOCKET, SCM_CREDENTIALS);
  EXPECT_EQ(getpid(), who.pid);
  EXPECT_EQ(getuid(), who.uid);
  EXPECT_EQ(getgid(), who.gid);
}

TEST(UnixCredentials, MustBeTrue) {
  const Pair pair = unix_pair();
  ASSERT_OK(set_option(pair.server, SOL_SOCKET, SO_PASSCRED, 1));
  const ucred mine = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
  MessageBuffer out("x");
  out.add(SOL_SOCKET, SCM_CREDENTIALS, &mine, sizeof mine);
  EXPECT_EQ(1, out.send(pair.client));
  if (geteuid() != 0) return;
  in_thread([&] {
    ASSERT_EQ(0, syscall(SYS_setresuid, 12345, 12345, 12345));
    const ucred other = {.pid = getpid(), .uid = 0, .gid = 0};
    MessageBuffer lie("x");
    lie.add(SOL_SOCKET, SCM_CREDENTIALS, &other, sizeof other);
    EXPECT_ERRNO(EPERM, lie.send(pair.client));
  });
}

TEST(UnixCredentials, WrongSizesAndTypesAreInvalid) {
  const Pair pair = unix_pair();
  const int small = 0;
  MessageBuffer out("x");
  out.add(SOL_SOCKET, SCM_CREDENTIALS, &small, sizeof small);
  EXPECT_ERRNO(EINVAL, out.send(pair.client));
  MessageBuffer unknown("x");
  unknown.add(SOL_SOCKET, 0x77, &small, sizeof small);
  EXPECT_ERRNO(EINVAL, unknown.send(pair.client));
}

}  // namespace
}  // namespace compat
