// What a program without Nagle's algorithm (TCP_NODELAY) sends in small pieces, one after the
// other, as Linux does it (tcp_autocorking, in tcp(7)): the first piece leaves at once, and while
// the device is at it those behind it wait and become one segment. Each would cost as much as all.
//
// Our devices take what they get at once, so "at it" is a time. What is held back leaves when
//   - the program has nothing more to add, that is, when a thread goes to sleep;
//   - the network thread runs for another reason, such as an acknowledgement;
//   - there is as much as the device takes at once, or the next piece comes after that time;
//   - kMostHeldNs have passed, whatever the program does.
#include "kernel/sched/before_sleep.h"
#include "kernel/sched/timer.h"
#include "lwip/priv/tcp_priv.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/tcp_endpoint.h"

namespace narwhal::net {

struct HeldOutput {
  List<TcpEndpoint, &TcpEndpoint::held_node_> endpoints;
  // When the first of them began; 0: there are none. Read by the timer, without the lock.
  Atomic<u64> since_ns{0};

  void add(TcpEndpoint& endpoint) {
    if (endpoint.held_node_.linked()) return;
    endpoints.push_back(endpoint);
  }
  static void send(TcpEndpoint& endpoint) {
    endpoint.held_node_.unlink();
    if (endpoint.tail_may_go()) endpoint.send_tail(true);
  }
};

namespace {

constexpr u64 kBusyNs = 50 * kNanosPerMicro;
constexpr u64 kMostHeldNs = 100 * kNanosPerMicro;

[[clang::no_destroy]] constinit HeldOutput held;

// It is not stopped when there is nothing to do for it: it would be set again soon.
void on_timer(Timer& timer) {
  const u64 deadline = held_deadline();
  if (platform::monotonic_ns() >= deadline)
    core_wake();
  else if (deadline != platform::kNoDeadline)
    timer.arm(deadline);
}
[[clang::no_destroy]] constinit Timer timer{on_timer};

}  // namespace

bool TcpEndpoint::device_is_busy() const {
  return has_device_ && pcb_->unacked && core_now() - last_output_ns_ < kBusyNs;
}

void TcpEndpoint::hold_tail() {
  held.add(*this);
  if (held.since_ns.load(Order::kRelaxed) != 0) return;
  const u64 now = core_now();
  held.since_ns.store(now, Order::kRelaxed);
  call_before_sleep(core_wake);
  if (!timer.armed()) timer.arm(now + kMostHeldNs);
}

u64 held_deadline() {
  const u64 since = held.since_ns.load(Order::kRelaxed);
  return since == 0 ? platform::kNoDeadline : since + kMostHeldNs;
}

void send_held() {
  held.since_ns.store(0, Order::kRelaxed);
  while (TcpEndpoint* endpoint = held.endpoints.front()) HeldOutput::send(*endpoint);
}

}  // namespace narwhal::net
