// What the checks of sockets share: addresses on loopback, connected pairs, and state.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {

// An address of any family with its length.
struct Address {
  sockaddr_storage bytes = {};
  socklen_t length = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
  sockaddr_in& v4() { return reinterpret_cast<sockaddr_in&>(bytes); }
  sockaddr_in6& v6() { return reinterpret_cast<sockaddr_in6&>(bytes); }
  sockaddr_un& local() { return reinterpret_cast<sockaddr_un&>(bytes); }
  int family() const { return bytes.ss_family; }
  // sin_port and sin6_port are in the same place.
  in_port_t port() const { return ntohs(reinterpret_cast<const sockaddr_in&>(bytes).sin_port); }
  void set_port(in_port_t port) { v4().sin_port = htons(port); }
};

inline Address v4_address(uint32_t host, in_port_t port = 0) {
  Address address;
  address.length = sizeof(sockaddr_in);
  address.v4().sin_family = AF_INET;
  address.v4().sin_addr.s_addr = htonl(host);
  address.v4().sin_port = htons(port);
  return address;
}
inline Address v6_address(const in6_addr& host, in_port_t port = 0) {
  Address address;
  address.length = sizeof(sockaddr_in6);
  address.v6().sin6_family = AF_INET6;
  address.v6().sin6_addr = host;
  address.v6().sin6_port = htons(port);
  return address;
}
inline Address loopback(int family, in_port_t port = 0) {
  return family == AF_INET ? v4_address(INADDR_LOOPBACK, port) : v6_address(in6addr_loopback, port);
}
inline Address any_address(int family, in_port_t port = 0) {
  return family == AF_INET ? v4_address(INADDR_ANY, port) : v6_address(in6addr_any, port);
}
// A name in the file system, with the zero at its end.
inline Address path_address(const std::string& path) {
  Address address;
  address.local().sun_family = AF_UNIX;
  memcpy(address.local().sun_path, path.c_str(), path.size() + 1);
  address.length = socklen_t(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}
// A name in the abstract space that no other check and no other process uses.
inline Address abstract_address(const std::string& name) {
  const std::string whole = name + "-" + std::to_string(getpid());
  Address address;
  address.local().sun_family = AF_UNIX;
  memcpy(address.local().sun_path + 1, whole.data(), whole.size());
  address.length = socklen_t(offsetof(sockaddr_un, sun_path) + 1 + whole.size());
  return address;
}

inline Address local_address(int fd) {
  Address address;
  EXPECT_OK(getsockname(fd, address.get(), &address.length));
  return address;
}
inline Address peer_address(int fd) {
  Address address;
  EXPECT_OK(getpeername(fd, address.get(), &address.length));
  return address;
}
inline int bind_to(int fd, const Address& address) {
  return bind(fd, address.get(), address.length);
}
inline int connect_to(int fd, const Address& address) {
  return connect(fd, address.get(), address.length);
}

template <class T>
int set_option(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}
// -1000 if it cannot be read.
inline int get_option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) == 0 ? value : -1000;
}
// SO_ERROR, which is gone once it is read.
inline int pending_error(int fd) {
  return get_option(fd, SOL_SOCKET, SO_ERROR);
}

inline short poll_now(int fd, short events, int timeout = 0) {
  pollfd entry = {.fd = fd, .events = events, .revents = 0};
  EXPECT_OK(poll(&entry, 1, timeout));
  return entry.revents;
}
inline constexpr short kAllEvents =
    POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND;
// Waits for the socket to say at least `wanted`; what it says then.
inline short poll_until(int fd, short wanted) {
  short seen = 0;
  EXPECT_TRUE(eventually([&] {
    seen = poll_now(fd, kAllEvents);
    return (seen & wanted) == wanted;
  })) << "events are "
      << seen << ", wanted " << wanted;
  return seen;
}

inline Fd listener(int family, int backlog = 16) {
  Fd fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_OK(bind_to(fd, loopback(family)));
  EXPECT_OK(listen(fd, backlog));
  return fd;
}

struct Pair {
  Fd client, server;
};

// Two ends of a TCP connection.
inline Pair tcp_pair(int family = AF_INET) {
  Fd listening = listener(family);
  Pair pair;
  pair.client = socket(family, SOCK_STREAM, 0);
  EXPECT_OK(connect_to(pair.client, local_address(listening)));
  pair.server = accept(listening, nullptr, nullptr);
  EXPECT_GE(pair.server, 0);
  return pair;
}
inline Pair unix_pair(int type = SOCK_STREAM) {
  int ends[2] = {-1, -1};
  EXPECT_OK(socketpair(AF_UNIX, type, 0, ends));
  return {ends[0], ends[1]};
}
inline Fd udp_socket(int family = AF_INET) {
  Fd fd = socket(family, SOCK_DGRAM, 0);
  EXPECT_OK(bind_to(fd, loopback(family)));
  return fd;
}

inline ssize_t send_text(int fd, std::string_view text, int flags = 0) {
  return send(fd, text.data(), text.size(), flags);
}
// One recv(2); "error" and the name of it when it fails.
inline std::string receive(int fd, size_t size = 65536, int flags = 0) {
  std::string text(size, '\0');
  const ssize_t got = recv(fd, text.data(), size, flags);
  if (got < 0) return "error " + error_name(errno);
  text.resize(size_t(got));
  return text;
}
inline void set_nonblocking(int fd) {
  EXPECT_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}
// Makes the other end see a reset instead of an end.
inline void reset_connection(Fd& fd) {
  EXPECT_OK(set_option(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0}));
  fd.reset();
}
inline bool has_ipv6() {
  const Fd fd = socket(AF_INET6, SOCK_DGRAM, 0);
  return fd >= 0 && bind_to(fd, loopback(AF_INET6)) == 0;
}

// Checks that hold for both versions of IP.
class BothVersions : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() == AF_INET6 && !has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  }
};
inline std::string version_name(const testing::TestParamInfo<int>& info) {
  return info.param == AF_INET ? "v4" : "v6";
}
#define COMPAT_FOR_BOTH_VERSIONS(suite) \
  INSTANTIATE_TEST_SUITE_P(Ip, suite, testing::Values(AF_INET, AF_INET6), version_name)

// Checks that hold for streams of any family.
inline Pair stream_pair(int family) {
  return family == AF_UNIX ? unix_pair() : tcp_pair(family);
}
inline std::string family_name(const testing::TestParamInfo<int>& info) {
  return info.param == AF_INET ? "tcp4" : info.param == AF_INET6 ? "tcp6" : "local";
}

// --- control messages

// A message with one piece of data and room for control messages.
struct MessageBuffer {
  msghdr header = {};
  iovec piece = {};
  std::vector<char> data;
  alignas(cmsghdr) char control[1024] = {};

  explicit MessageBuffer(std::string_view text) : MessageBuffer(text.size()) {
    memcpy(data.data(), text.data(), text.size());
  }
  explicit MessageBuffer(size_t size) : data(size) {
    piece = {.iov_base = data.data(), .iov_len = size};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
  }
  MessageBuffer(const MessageBuffer&) = delete;
  MessageBuffer& operator=(const MessageBuffer&) = delete;

  // Adds a control message to send.
  void add(int level, int type, const void* bytes, size_t size) {
    header.msg_control = control;
    auto* place = reinterpret_cast<cmsghdr*>(control + header.msg_controllen);
    place->cmsg_level = level;
    place->cmsg_type = type;
    place->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(place), bytes, size);
    header.msg_controllen += CMSG_SPACE(size);
  }
  void add_files(const std::vector<int>& files) {
    add(SOL_SOCKET, SCM_RIGHTS, files.data(), files.size() * sizeof(int));
  }
  ssize_t send(int fd, int flags = 0) { return sendmsg(fd, &header, flags); }

  ssize_t receive(int fd, int flags = 0, size_t room = sizeof control) {
    header.msg_control = control;
    header.msg_controllen = room;
    return recvmsg(fd, &header, flags);
  }
  // The first control message of this kind; null if there is none.
  const cmsghdr* find(int level, int type) {
    for (cmsghdr* each = CMSG_FIRSTHDR(&header); each; each = CMSG_NXTHDR(&header, each))
      if (each->cmsg_level == level && each->cmsg_type == type) return each;
    return nullptr;
  }
  template <class T>
  T value_of(int level, int type) {
    T value = {};
    const cmsghdr* found = find(level, type);
    EXPECT_NE(nullptr, found);
    if (found) {
      EXPECT_LE(CMSG_LEN(sizeof value), found->cmsg_len);
      memcpy(&value, CMSG_DATA(found), sizeof value);
    }
    return value;
  }
  std::vector<Fd> files() {
    std::vector<Fd> result;
    const cmsghdr* found = find(SOL_SOCKET, SCM_RIGHTS);
    if (!found) return result;
    const size_t count = (found->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(found) + i * sizeof fd, sizeof fd);
      result.emplace_back(fd);
    }
    return result;
  }
};

}  // namespace compat
