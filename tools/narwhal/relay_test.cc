#include "tools/narwhal/relay.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>
#include <string>
#include <thread>

#include "tools/base/error.h"

namespace narwhal::tools {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd make_socket() {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit = {20, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return fd;
}

uint16_t port_of(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

UniqueFd bound(uint16_t port) {
  UniqueFd fd = make_socket();
  const sockaddr_in address = loopback(port);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

UniqueFd connected(uint16_t port) {
  UniqueFd fd = make_socket();
  const sockaddr_in address = loopback(port);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    data.remove_prefix(static_cast<size_t>(sent));
  }
}

// To the end of the stream, or `size` bytes.
std::string receive(int fd, size_t size = SIZE_MAX) {
  std::string all;
  char bytes[65536];
  while (all.size() < size) {
    const ssize_t got = recv(fd, bytes, std::min(size - all.size(), sizeof bytes), 0);
    if (got < 0) return all + "<" + strerrorname_np(errno) + ">";
    if (got == 0) break;
    all.append(bytes, static_cast<size_t>(got));
  }
  return all;
}

std::string pattern(size_t size) {
  std::string data(size, 0);
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>((i * 2654435761u) >> 13);
  return data;
}

class RelayTest : public testing::Test {
 protected:
  RelayTest() {
    PortForward port;
    port.host_port = port_of(bound(0).get());
    port.guest_port = 80;
    PortForward datagrams = port;
    datagrams.is_udp = true;
    relay_.emplace(std::vector<PortForward>{datagrams, port});
    port_ = port.host_port;
    listener_ = bound(relay_->ports_for_qemu()[1].host_port);
    EXPECT_EQ(listen(listener_.get(), 1), 0);  // as QEMU does it
  }
  ~RelayTest() override {
    relay_.reset();
    if (server_.joinable()) server_.join();
  }

  UniqueFd accept_one() { return UniqueFd(accept(listener_.get(), nullptr, nullptr)); }
  // QEMU's place is taken by this from now on.
  void serve(std::function<void()> play) { server_ = std::thread(std::move(play)); }

  std::optional<Relay> relay_;
  uint16_t port_ = 0;
  UniqueFd listener_;
  std::thread server_;
};

TEST_F(RelayTest, GivesQemuPortsOfItsOwn) {
  const std::vector<PortForward>& ports = relay_->ports_for_qemu();
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_TRUE(ports[0].is_udp);
  EXPECT_EQ(ports[0].host_port, port_);
  EXPECT_NE(ports[1].host_port, port_);
  EXPECT_EQ(ports[1].guest_port, 80);
  EXPECT_EQ(ports[1].address, "127.0.0.1");
}

TEST_F(RelayTest, SaysThatAPortIsTaken) {
  const UniqueFd taken = bound(0);
  ASSERT_EQ(listen(taken.get(), 1), 0);
  PortForward port;
  port.host_port = port_of(taken.get());
  EXPECT_THROW(Relay({port}), Error);
}

// More clients at once than a queue of one takes, before and while somebody accepts: none waits for
// a second.
TEST_F(RelayTest, ManyClientsAtOnce) {
  constexpr int kClients = 300;
  std::vector<UniqueFd> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(connected(port_));
    send_all(clients.back().get(), std::to_string(i) + "\n");
  }
  const auto start = std::chrono::steady_clock::now();
  relay_->start();
  serve([this] {
    for (int i = 0; i < kClients; ++i) {
      const UniqueFd client = accept_one();
      std::string line;
      while (line.empty() || line.back() != '\n') line += receive(client.get(), 1);
      send_all(client.get(), "you are " + line);
      if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));  // busy
    }
  });
  for (int i = 0; i < kClients; ++i)
    EXPECT_EQ(receive(clients[static_cast<size_t>(i)].get()),
              "you are " + std::to_string(i) + "\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(RelayTest, LongStreamsBothWaysAtOnce) {
  const std::string there = pattern(5'000'000), back = pattern(7'000'001);
  relay_->start();
  std::string arrived;
  serve([&] {
    const UniqueFd client = accept_one();
    std::thread writer([&] {
      send_all(client.get(), back);
      shutdown(client.get(), SHUT_WR);
    });
    arrived = receive(client.get());
    writer.join();
  });
  const UniqueFd client = connected(port_);
  std::thread writer([&] {
    send_all(client.get(), there);
    shutdown(client.get(), SHUT_WR);
  });
  EXPECT_TRUE(receive(client.get()) == back);
  writer.join();
  server_.join();
  EXPECT_TRUE(arrived == there);
}

// The end may come just where the relay leaves a busy connection for another one.
TEST_F(RelayTest, TheEndArrivesAfterAnyNumberOfBuffers) {
  constexpr size_t kMost = 34, kBuffer = 65536;
  relay_->start();
  serve([this] {
    for (size_t i = 0; i <= kMost; ++i) {
      const UniqueFd client = accept_one();
      send_all(client.get(), std::to_string(receive(client.get()).size()));
    }
  });
  for (size_t i = 0; i <= kMost; ++i) {
    const UniqueFd client = connected(port_);
    send_all(client.get(), std::string(i * kBuffer, 'x'));
    shutdown(client.get(), SHUT_WR);
    ASSERT_EQ(receive(client.get()), std::to_string(i * kBuffer));
  }
  server_.join();
}

TEST_F(RelayTest, AnEndOfInputIsNotTheEnd) {
  relay_->start();
  serve([this] {
    const UniqueFd client = accept_one();
    send_all(client.get(), "got " + receive(client.get()));
  });
  const UniqueFd client = connected(port_);
  send_all(client.get(), "everything");
  shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(receive(client.get()), "got everything");
}

TEST_F(RelayTest, PassesResetsOn) {
  relay_->start();
  std::string seen;
  serve([&] {
    {
      const UniqueFd client = accept_one();
      EXPECT_EQ(receive(client.get(), 1), "x");
      const linger now = {1, 0};
      setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    const UniqueFd client = accept_one();
    send_all(client.get(), "y");
    seen = receive(client.get());
  });
  UniqueFd client = connected(port_);
  send_all(client.get(), "x");
  EXPECT_EQ(receive(client.get()), "<ECONNRESET>");
  client = connected(port_);
  EXPECT_EQ(receive(client.get(), 1), "y");
  const linger now = {1, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  client.reset();
  server_.join();
  EXPECT_EQ(seen, "<ECONNRESET>");
}

TEST_F(RelayTest, NobodyBehindIt) {
  listener_.reset();
  const UniqueFd client = connected(port_);
  relay_->start();
  EXPECT_EQ(receive(client.get()), "<ECONNRESET>");
}

// What a program says just before it ends arrives, although the machine is gone by then.
TEST_F(RelayTest, LastWordsArrive) {
  const std::string words = pattern(1'000'000);
  relay_->start();
  const UniqueFd client = connected(port_);
  const int small = 32 << 10;
  setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  {
    const UniqueFd server = accept_one();
    serve([&] { EXPECT_TRUE(receive(client.get()) == words); });
    send_all(server.get(), words);
  }
  relay_.reset();
  server_.join();
}

}  // namespace
}  // namespace narwhal::tools
