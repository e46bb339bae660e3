// A way to the guest's TCP ports for many clients at once, where QEMU's own cannot be mended.
#pragma once

#include <netinet/in.h>

#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_set>
#include <vector>

#include "tools/base/unique_fd.h"
#include "tools/narwhal/values.h"

namespace narwhal::tools {

// Listens on the published ports itself, with a long backlog, and has QEMU listen on ports of its
// own behind them. QEMU's backlog is one (backlog.h), so connections to it are made one after the
// other: a SYN that finds the queue full is dropped without a trace, and tried again at once
// instead of after the second that Linux would wait. From then on bytes pass both ways, ends of
// streams as ends of streams and resets as resets.
class Relay {
 public:
  // Listens already, so that clients wait rather than be refused. Throws Error.
  explicit Relay(const std::vector<PortForward>& ports);
  // Passes on what guests have sent before they ended, for two seconds at most.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // What QEMU has to forward: the guest's ports, UDP unchanged.
  const std::vector<PortForward>& ports_for_qemu() const { return qemu_ports_; }

  // Serves clients from now on, from a thread of its own. More than once does nothing.
  void start();

 private:
  struct Connection;
  struct Listener {
    UniqueFd fd;
    sockaddr_in guest;  // QEMU's
  };
  // The end of a connection that an event is about.
  struct End {
    Connection* connection = nullptr;
    UniqueFd fd;
    std::unique_ptr<char[]> bytes;  // on their way to this end
    size_t begin = 0, end = 0;
    bool read_ended = false;   // no more comes from here
    bool write_ended = false;  // told that no more will come
    uint32_t awaited = 0;      // epoll's events
  };
  struct Connection {
    End client, guest;
  };
  struct Attempt {  // to connect to QEMU
    UniqueFd client;
    sockaddr_in to;
    UniqueFd fd;
    long long give_up_at = 0;  // and try again
    int wait_ms = 0;
  };

  void serve();
  int time_to_wait() const;
  void watch_listeners(bool on);
  void accept_some(Listener& listener);
  void connect_next();
  void begin_attempt();
  void check_attempt(bool event);
  void adopt(UniqueFd client, UniqueFd guest);
  void step(Connection& connection);
  static bool end_writing(End& to);
  bool pass(End& from, End& to);
  void await(End& end, uint32_t events);
  void close(Connection& connection, bool reset);

  std::vector<PortForward> qemu_ports_;
  std::vector<Listener> listeners_;
  UniqueFd epoll_;
  UniqueFd stop_event_;
  std::thread thread_;

  // The thread's own.
  bool accepting_ = false;
  std::deque<Attempt> waiting_;
  std::optional<Attempt> attempt_;
  std::unordered_set<Connection*> connections_;
  std::vector<std::unique_ptr<Connection>> closed_;  // events of this round may still name them
  long long stop_by_ = -1;
};

}  // namespace narwhal::tools
