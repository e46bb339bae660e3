// A load on memcached, as redis-benchmark is one on redis: one thread, many connections, each of
// which keeps so many requests on their way. All are written first (SET), then all are read (GET),
// and each answer is looked at.
//
// key_load ADDRESS PORT CONNECTIONS REQUESTS PIPELINE
#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "bench/load.h"

using namespace narwhal::bench;

namespace {

constexpr int kKeys = 1000;
const std::string kValue(32, 'v');

struct Test {
  const char* name;
  std::string (*request)(int number);
  std::string (*answer)(int number);
};

std::string key(int number) {
  return "key:" + std::to_string(100000 + number % kKeys);
}
std::string set_request(int number) {
  return "set " + key(number) + " 0 0 " + std::to_string(kValue.size()) + "\r\n" + kValue + "\r\n";
}
std::string set_answer(int) {
  return "STORED\r\n";
}
std::string get_request(int number) {
  return "get " + key(number) + "\r\n";
}
std::string get_answer(int number) {
  return "VALUE " + key(number) + " 0 " + std::to_string(kValue.size()) + "\r\n" + kValue +
         "\r\nEND\r\n";
}

// The texts of all requests in a row that one connection has on their way, made beforehand: the
// load itself costs little.
struct Round {
  std::string request, answer;
};

struct Connection {
  int fd = -1;
  const Round* round = nullptr;
  std::size_t answered = 0;  // bytes of its answer
};

class Load {
 public:
  Load(const Test& test, std::vector<Connection>& connections, int requests, int pipeline, int poll)
      : connections_(connections), poll_(poll), left_(requests / pipeline) {
    for (int i = 0; i < kKeys; ++i) {
      Round round;
      for (int j = 0; j < pipeline; ++j) {
        round.request += test.request(i * pipeline + j);
        round.answer += test.answer(i * pipeline + j);
      }
      rounds_.push_back(round);
    }
  }

  void run() {
    for (Connection& connection : connections_) begin(connection);
    epoll_event ready[256];
    while (under_way_ != 0) {
      const int count = epoll_wait(poll_, ready, 256, -1);
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) read(*static_cast<Connection*>(ready[i].data.ptr));
    }
  }

 private:
  void begin(Connection& connection) {
    if (left_ == 0) return;
    connection.round = &rounds_[static_cast<std::size_t>(left_-- % kKeys)];
    connection.answered = 0;
    ++under_way_;
    // A few kilobytes, and nothing else is on its way: they fit.
    const std::string& text = connection.round->request;
    if (send(connection.fd, text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size()))
      fail("send");
  }

  void read(Connection& connection) {
    char buffer[65536];
    const ssize_t got = recv(connection.fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("recv");
    const std::size_t size = static_cast<std::size_t>(got);
    const std::string& expected = connection.round->answer;
    if (size > expected.size() - connection.answered ||
        std::memcmp(buffer, expected.data() + connection.answered, size) != 0) {
      std::fprintf(stderr, "a wrong answer: %.*s\n", static_cast<int>(size < 200 ? size : 200),
                   buffer);
      std::exit(1);
    }
    connection.answered += size;
    if (connection.answered < expected.size()) return;
    --under_way_;
    begin(connection);
  }

  std::vector<Connection>& connections_;
  const int poll_;
  int left_;
  int under_way_ = 0;
  std::vector<Round> rounds_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: %s ADDRESS PORT CONNECTIONS REQUESTS PIPELINE\n", argv[0]);
    return 2;
  }
  const int requests = std::atoi(argv[4]), pipeline = std::atoi(argv[5]);
  std::vector<Connection> connections(static_cast<std::size_t>(std::atoi(argv[3])));
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  for (Connection& connection : connections) {
    connection.fd = connect_to(argv[1], argv[2]);
    if (fcntl(connection.fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, connection.fd, &event) != 0) fail("epoll_ctl");
  }
  for (const Test& test :
       {Test{"SET", set_request, set_answer}, Test{"GET", get_request, get_answer}}) {
    Load load(test, connections, requests, pipeline, poll);
    const double begin = seconds_now();
    load.run();
    std::printf("%s: %.2f requests per second\n", test.name,
                requests / pipeline * pipeline / (seconds_now() - begin));
  }
  return 0;
}
