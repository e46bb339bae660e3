#include "tools/narwhal/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>

#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

constexpr int kBacklog = 4096;
constexpr size_t kBufferSize = 64 << 10;
constexpr int kRounds = 16;  // buffers of one connection in a row, while others wait
// QEMU may be busy and not take a connection off its queue for a while.
constexpr int kFirstWait = 2;
constexpr int kLongestWait = 20;
constexpr int kTimeToDrain = 2000;

long long now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000ll + time.tv_nsec / 1000000;
}

UniqueFd tcp_socket() {
  return UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

const sockaddr* any(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One that nobody uses, and that the kernel will not hand out again soon.
uint16_t free_port() {
  const UniqueFd fd = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (!fd || bind(fd.get(), any(address), size) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("cannot find a free port: {}", strerror(errno));
  }
  return ntohs(address.sin_port);
}

UniqueFd listen_on(const PortForward& port) {
  UniqueFd fd = tcp_socket();
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address = loopback(port.host_port);
  inet_pton(AF_INET, port.address.c_str(), &address.sin_addr);
  if (bind(fd.get(), any(address), sizeof address) != 0 || listen(fd.get(), kBacklog) != 0) {
    fail("cannot listen on port {} of {}: {}", port.host_port, port.address, strerror(errno));
  }
  return fd;
}

void send_small_pieces_at_once(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void make_close_reset(int fd) {
  const linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool is_connected(int fd) {
  sockaddr_in peer;
  socklen_t size = sizeof peer;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

}  // namespace

Relay::Relay(const std::vector<PortForward>& ports)
    : qemu_ports_(ports),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !stop_event_) fail("cannot wait for connections: {}", strerror(errno));
  for (PortForward& port : qemu_ports_) {
    if (port.is_udp) continue;
    listeners_.push_back({listen_on(port), {}});
    port.address = "127.0.0.1";
    port.host_port = free_port();
    listeners_.back().guest = loopback(port.host_port);
  }
  epoll_event event = {EPOLLIN, {.ptr = nullptr}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_event_.get(), &event);
}

Relay::~Relay() {
  if (thread_.joinable()) {
    eventfd_write(stop_event_.get(), 1);
    thread_.join();
  }
  for (Connection* const connection : connections_) delete connection;
}

void Relay::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
}

void Relay::serve() {
  watch_listeners(true);
  epoll_event events[64];
  while (stop_by_ < 0 || (!connections_.empty() && now() < stop_by_)) {
    const int count = epoll_wait(epoll_.get(), events, std::size(events), time_to_wait());
    for (int i = 0; i < count; ++i) {
      void* const about = events[i].data.ptr;
      const auto listener = std::find_if(listeners_.begin(), listeners_.end(),
                                         [&](const Listener& one) { return &one == about; });
      if (about == nullptr) {
        stop_by_ = now() + kTimeToDrain;
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stop_event_.get(), nullptr);
        watch_listeners(false);
        waiting_.clear();
        // The guest may have taken this one already, and said all that it had to say.
        check_attempt(true);
        for (Connection* const connection : std::vector(connections_.begin(), connections_.end()))
          step(*connection);
      } else if (listener != listeners_.end()) {
        accept_some(*listener);
      } else if (about == &attempt_) {
        check_attempt(true);
      } else {
        Connection& connection = *static_cast<End*>(about)->connection;
        if (connections_.contains(&connection)) step(connection);
      }
    }
    check_attempt(false);
    connect_next();
    if (!closed_.empty()) {
      closed_.clear();
      // There may have been no descriptor left for another client.
      if (!accepting_ && stop_by_ < 0) watch_listeners(true);
    }
  }
}

int Relay::time_to_wait() const {
  long long until = stop_by_;
  if (attempt_) until = attempt_->give_up_at;
  return until < 0 ? -1 : static_cast<int>(std::max(until - now(), 0ll));
}

// --- to the guest

void Relay::watch_listeners(bool on) {
  accepting_ = on;
  for (Listener& listener : listeners_) {
    epoll_event event = {EPOLLIN, {.ptr = &listener}};
    epoll_ctl(epoll_.get(), on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener.fd.get(), &event);
  }
}

void Relay::accept_some(Listener& listener) {
  for (int i = 0; i < kRounds; ++i) {
    UniqueFd client(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) {
      if (errno == EMFILE || errno == ENFILE) watch_listeners(false);
      return;
    }
    waiting_.push_back({std::move(client), listener.guest, {}});
  }
}

void Relay::connect_next() {
  while (!attempt_ && !waiting_.empty()) {
    attempt_.emplace(std::move(waiting_.front()));
    waiting_.pop_front();
    attempt_->wait_ms = kFirstWait;
    begin_attempt();
  }
}

void Relay::begin_attempt() {
  attempt_->fd = tcp_socket();
  attempt_->give_up_at = now() + attempt_->wait_ms;
  attempt_->wait_ms = std::min(2 * attempt_->wait_ms, kLongestWait);
  if (!attempt_->fd) return;  // no descriptor is left: later, perhaps
  if (connect(attempt_->fd.get(), any(attempt_->to), sizeof attempt_->to) != 0 &&
      errno != EINPROGRESS) {
    return check_attempt(true);
  }
  epoll_event event = {EPOLLOUT, {.ptr = &attempt_}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, attempt_->fd.get(), &event);
}

// Has the attempt succeeded, failed, or been dropped?
void Relay::check_attempt(bool event) {
  if (!attempt_) return;
  const bool connected = is_connected(attempt_->fd.get());
  if (!event && !connected) {
    if (now() >= attempt_->give_up_at) begin_attempt();
    return;
  }
  Attempt done = std::move(*attempt_);
  attempt_.reset();
  if (!connected) return make_close_reset(done.client.get());  // nobody is there: QEMU has ended
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, done.fd.get(), nullptr);
  adopt(std::move(done.client), std::move(done.fd));
}

// --- bytes

void Relay::adopt(UniqueFd client, UniqueFd guest) {
  auto* const connection = new Connection();
  connections_.insert(connection);
  connection->client.fd = std::move(client);
  connection->guest.fd = std::move(guest);
  for (End* const end : {&connection->client, &connection->guest}) {
    end->connection = connection;
    send_small_pieces_at_once(end->fd.get());
  }
  step(*connection);
}

// Moves what can be moved, and says what to wait for.
void Relay::step(Connection& connection) {
  End& client = connection.client;
  End& guest = connection.guest;
  const bool up = pass(client, guest);
  const bool down = pass(guest, client);  // what came before a reset still counts
  if (!up || !down) return close(connection, true);
  // After the guest's end only what it said still counts.
  if (client.write_ended && (guest.write_ended || stop_by_ >= 0)) return close(connection, false);
  const auto awaited = [](const End& end, const End& other) {
    return (end.begin != end.end ? uint32_t{EPOLLOUT} : 0) |
           (!end.read_ended && other.begin == other.end ? uint32_t{EPOLLIN} : 0);
  };
  await(client, awaited(client, guest));
  await(guest, awaited(guest, client));
}

bool Relay::end_writing(End& to) {
  if (!to.write_ended) shutdown(to.fd.get(), SHUT_WR);
  to.write_ended = true;
  return true;
}

// False when one of the ends is broken.
bool Relay::pass(End& from, End& to) {
  for (int i = 0; i < kRounds; ++i) {
    if (to.begin != to.end) {
      const ssize_t sent =
          send(to.fd.get(), to.bytes.get() + to.begin, to.end - to.begin, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      to.begin += static_cast<size_t>(sent);
      if (to.begin != to.end) return true;
    }
    if (from.read_ended) return end_writing(to);
    if (!to.bytes) to.bytes.reset(new char[kBufferSize]);
    const ssize_t got = recv(from.fd.get(), to.bytes.get(), kBufferSize, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    from.read_ended = got == 0;
    // Now, not in the next round: there may be none, and nothing would be awaited any more.
    if (from.read_ended) return end_writing(to);
    to.begin = 0;
    to.end = static_cast<size_t>(got);
  }
  return true;
}

void Relay::await(End& end, uint32_t events) {
  if (events == end.awaited) return;
  // An end that nothing is awaited from is not watched at all: epoll would tell of its hang-up
  // again and again.
  const int what = events == 0 ? EPOLL_CTL_DEL : end.awaited == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  epoll_event event = {events, {.ptr = &end}};
  epoll_ctl(epoll_.get(), what, end.fd.get(), &event);
  end.awaited = events;
}

void Relay::close(Connection& connection, bool reset) {
  for (End* const end : {&connection.client, &connection.guest}) {
    if (reset) make_close_reset(end->fd.get());
    end->fd.reset();  // epoll forgets it
  }
  connections_.erase(&connection);
  closed_.emplace_back(&connection);
}

}  // namespace narwhal::tools
