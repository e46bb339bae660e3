// When lwIP's timer functions run. lwIP itself would run them for ever at fixed intervals; here
// each runs only while something waits for it, so that an idle machine sleeps.
#include "kernel/sched/timer.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/netif.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "net/lwip/core_lwip.h"

namespace narwhal::net {
namespace {

constexpr u64 kNever = platform::kNoDeadline;
constexpr u64 kTcpTick = TCP_TMR_INTERVAL * kNanosPerMilli;
constexpr u64 kSlowTick = TCP_SLOW_INTERVAL * kNanosPerMilli;
constexpr u64 kSecondTick = kNanosPerSecond;
constexpr u64 kGroupTick = IGMP_TMR_INTERVAL * kNanosPerMilli;
constexpr u64 kDhcpFineTick = DHCP_FINE_TIMER_MSECS * kNanosPerMilli;
constexpr u64 kDhcpCoarseTick = DHCP_COARSE_TIMER_MSECS * kNanosPerMilli;
// After a long rest the tables age by at most this many seconds: longer than anything lives there.
constexpr u64 kMostSeconds = 320;

struct Clock {
  u64 next = kNever;  // when it runs next; kNever: it stands still
  bool running() const { return next != kNever; }
  void start(u64 now, u64 interval) {
    if (!running()) next = now + interval;
  }
  // After a run. When it is late, periods are left out rather than made up for.
  void again(u64 now, u64 interval) {
    next += interval;
    if (next <= now) next = now + interval;
  }
};
constinit Clock tcp_clock, second_clock, group_clock, dhcp_fine_clock, dhcp_coarse_clock;
constinit bool slow_turn = false;
constinit u64 tcp_time_ns = 0;        // the time that tcp_ticks stands for
constinit u64 last_second_ns = 0;     // when the tables last aged
constinit u64 keepalive_at = kNever;  // while TCP's clock stands still
constinit u64 time_wait_at = kNever;

void on_timer(Timer&) {
  core_wake();
}
[[clang::no_destroy]] constinit Timer timer{on_timer};

u64 earliest() {
  u64 first = keepalive_at < time_wait_at ? keepalive_at : time_wait_at;
  for (const Clock* clock :
       {&tcp_clock, &second_clock, &group_clock, &dhcp_fine_clock, &dhcp_coarse_clock})
    if (clock->next < first) first = clock->next;
  return first;
}

void arm() {
  const u64 first = earliest();
  if (first == kNever) {
    if (timer.armed()) timer.cancel();
  } else if (!timer.armed() || timer.deadline() != first) {
    timer.arm(first);
  }
}

// --- TCP

// Whether a connection waits for something that only a tick brings. Otherwise, when a keepalive
// probe is due.
bool tcp_needs_ticks(const tcp_pcb& pcb, u64& keepalive) {
  switch (pcb.state) {
    case ESTABLISHED:
    case CLOSE_WAIT:
      break;
    case FIN_WAIT_2:
      return (pcb.flags & TF_RXCLOSED) != 0 || pcb.ooseq;
    default:
      return true;
  }
  if (pcb.unsent || pcb.unacked || pcb.ooseq || pcb.refused_data || pcb.pollinterval != 0 ||
      (pcb.flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR)))
    return true;
  if (pcb.so_options & SOF_KEEPALIVE) {
    const u64 after_ticks =
        (u64(pcb.keep_idle) + u64(pcb.keep_cnt_sent) * pcb.keep_intvl) / TCP_SLOW_INTERVAL + 1;
    const u64 passed = u32(tcp_ticks - pcb.tmr);
    const u64 left = after_ticks > passed ? after_ticks - passed : 0;
    const u64 at = tcp_time_ns + left * kSlowTick;
    if (at < keepalive) keepalive = at;
  }
  return false;
}

void advance_tcp_ticks(u64 now) {
  const u64 missed = (now - tcp_time_ns) / kSlowTick;
  tcp_ticks += u32(missed);
  tcp_time_ns += missed * kSlowTick;
}

void run_tcp(u64 now) {
  // A segment that the device still holds can't be sent again.
  interfaces_complete();
  slow_turn = !slow_turn;
  tcp_fasttmr();
  if (slow_turn) {
    tcp_slowtmr();
    tcp_time_ns = now;
  }
  u64 keepalive = kNever;
  bool needed = false;
  for (const tcp_pcb* pcb = tcp_active_pcbs; pcb && !needed; pcb = pcb->next)
    needed = tcp_needs_ticks(*pcb, keepalive);
  keepalive_at = needed ? kNever : keepalive;
  if (needed)
    tcp_clock.again(now, kTcpTick);
  else
    tcp_clock.next = kNever;
}

// --- addresses of neighbours, fragments

void run_seconds(u64 now) {
  u64 passed = (now - last_second_ns) / kSecondTick;
  last_second_ns += passed * kSecondTick;
  if (passed > kMostSeconds) passed = kMostSeconds;
  for (; passed > 0; --passed) {
    etharp_tmr();
    nd6_tmr();
    ip_reass_tmr();
    ip6_reass_tmr();
  }
}

bool seconds_needed() {
  netif* interface;
  NETIF_FOREACH(interface) {
    if (!netif_is_up(interface)) continue;
    if (interface->rs_count != 0) return true;
    for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; ++i)
      if (ip6_addr_istentative(netif_ip6_addr_state(interface, i))) return true;
  }
  for (int i = 0; i < LWIP_ND6_NUM_NEIGHBORS; ++i) {
    const u8 state = neighbor_cache[i].state;
    if (state == ND6_INCOMPLETE || state == ND6_DELAY || state == ND6_PROBE) return true;
  }
  return false;
}

// --- multicast groups, DHCP

bool groups_needed() {
  netif* interface;
  NETIF_FOREACH(interface) {
    for (const igmp_group* group = netif_igmp_data(interface); group; group = group->next)
      if (group->timer != 0) return true;
    for (const mld_group* group = netif_mld6_data(interface); group; group = group->next)
      if (group->timer != 0) return true;
  }
  return false;
}

enum class DhcpNeed : u8 { kNothing, kCoarse, kFine };
DhcpNeed dhcp_need() {
  DhcpNeed need = DhcpNeed::kNothing;
  netif* interface;
  NETIF_FOREACH(interface) {
    const dhcp* client = netif_dhcp_data(interface);
    if (!client || client->state == 0) continue;
    if (client->request_timeout != 0) return DhcpNeed::kFine;
    need = DhcpNeed::kCoarse;
  }
  return need;
}

void start_groups_and_dhcp(u64 now) {
  if (groups_needed()) group_clock.start(now, kGroupTick);
  const DhcpNeed need = dhcp_need();
  if (need != DhcpNeed::kNothing) dhcp_coarse_clock.start(now, kDhcpCoarseTick);
  if (need == DhcpNeed::kFine) dhcp_fine_clock.start(now, kDhcpFineTick);
}

}  // namespace

void timers_resume() {
  if (!tcp_clock.running() && tcp_active_pcbs) advance_tcp_ticks(core_now());
}

void timers_run(u64 now) {
  core_work_noted.clocks = true;
  if (keepalive_at <= now) {
    keepalive_at = kNever;
    tcp_clock.next = now;
  }
  if (tcp_clock.next <= now) run_tcp(now);
  if (time_wait_at <= now) time_wait_at = tcp_expire_time_wait(now);
  if (second_clock.next <= now) {
    const bool busy = core_work_noted.traffic;
    core_work_noted.traffic = false;
    run_seconds(now);
    // Aging may have sent requests again: then it goes on.
    if (busy || core_work_noted.traffic || seconds_needed())
      second_clock.again(now, kSecondTick);
    else
      second_clock.next = kNever;
  }
  if (group_clock.next <= now) {
    igmp_tmr();
    mld6_tmr();
    if (groups_needed())
      group_clock.again(now, kGroupTick);
    else
      group_clock.next = kNever;
  }
  if (dhcp_fine_clock.next <= now) {
    dhcp_fine_tmr();
    if (dhcp_need() == DhcpNeed::kFine)
      dhcp_fine_clock.again(now, kDhcpFineTick);
    else
      dhcp_fine_clock.next = kNever;
  }
  if (dhcp_coarse_clock.next <= now) {
    dhcp_coarse_tmr();
    if (dhcp_need() != DhcpNeed::kNothing)
      dhcp_coarse_clock.again(now, kDhcpCoarseTick);
    else
      dhcp_coarse_clock.next = kNever;
  }
}

void timers_finish() {
  CoreWork& noted = core_work_noted;
  if (noted.tcp) {
    noted.tcp = false;
    tcp_collect_time_wait();
    if (time_wait_at == kNever) {
      time_wait_at = tcp_oldest_time_wait();
      if (time_wait_at != kNever) noted.clocks = true;
    }
    if (!tcp_clock.running() && tcp_active_pcbs) {
      const u64 now = core_now();
      keepalive_at = kNever;
      tcp_clock.start(now, kTcpTick);
      tcp_time_ns = now;
      noted.clocks = true;
    }
  }
  if (noted.traffic && !second_clock.running()) {
    const u64 now = core_now();
    // What was missed is made up for now: the next run counts from here.
    if (now - last_second_ns > 2 * kSecondTick) run_seconds(now);
    second_clock.start(now, kSecondTick);
    noted.clocks = true;
  }
  if (noted.groups) {
    noted.groups = false;
    start_groups_and_dhcp(core_now());
    noted.clocks = true;
  }
  if (noted.clocks) {
    noted.clocks = false;
    arm();
  }
}

u64 timers_next_deadline() {
  return earliest();
}

}  // namespace narwhal::net
