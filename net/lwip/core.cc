#include "net/lwip/core.h"

#include "kernel/mm/frame.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/timer.h"
#include "lwip/init.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/icmp_errors.h"
#include "net/lwip/packet_memory.h"
#include "net/lwip/random.h"

namespace narwhal::net {

[[clang::no_destroy]] constinit CoreLock core_lock;
constinit CoreWork core_work_noted;

namespace {

constinit u64 now_ns = 0;  // 0: not asked for yet
[[clang::no_destroy]] constinit WaitQueue events;
constinit Atomic<bool> pending{false};

[[noreturn]] void run_network_thread(void*) {
  ScopedWait wait(events, PollEvents::kAll);
  for (;;) {
    pending.store(false);
    if (core_work()) {
      // The kernel is not preempted: a flood of packets must not keep the program from its turn.
      yield();
      continue;
    }
    {
      CoreGuard guard(core_lock);
      if (interfaces_enable_events() != 0) continue;
    }
    prepare_to_sleep();
    if (pending.load())
      cancel_sleep();
    else
      sleep(Interruptible::kNo).ignore();
  }
}

}  // namespace

void CoreLock::lock_to_look() {
  mutex_.lock();
  now_ns = 0;
}

void CoreLock::lock() {
  lock_to_look();
  timers_resume();
}

u64 core_now() {
  if (now_ns == 0) now_ns = platform::monotonic_ns();
  return now_ns;
}

void CoreLock::unlock() {
  loopback_deliver();
  interfaces_flush();
  timers_finish();
  mutex_.unlock();
}

Result<> core_init() {
  random_init();
  // As Linux's /proc/sys/net/ipv4/tcp_mem: TCP is under pressure from an eighth of memory or so.
  packet_memory.set_budget(memory_statistics().total_frames * kPageSize / 8);
  CoreGuard guard(core_lock);
  lwip_init();
  tcp_index_init();
  TRY(loopback_init());
  return icmp_errors_init();
}

Result<> start_network_thread() {
  TRY(start_kernel_thread("network", run_network_thread, nullptr));
  return {};
}

void core_wake() {
  if (!pending.exchange(true)) events.wake(PollEvents::kIn);
}

bool core_work(usize budget) {
  CoreGuard guard(core_lock);
  timers_run(core_now());
  const bool more = interfaces_receive(budget);
  send_held();
  return more;
}

u64 core_next_deadline() {
  CoreGuard guard(core_lock);
  const u64 held = held_deadline(), first = timers_next_deadline();
  return held < first ? held : first;
}

}  // namespace narwhal::net
