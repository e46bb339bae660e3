#include "kernel/platform/process/events.h"

#include <utility>

#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/processors.h"
#include "kernel/platform/process/time.h"

extern "C" narwhal::i64 narwhal_idle_poll(narwhal::host::PollFd* polled, narwhal::u64 count,
                                          const narwhal::host::TimeSpec* most);

namespace narwhal::process_home {
namespace {

constexpr usize kMaxWatches = 64;
constinit Watch* watches[kMaxWatches] = {};
constinit usize watch_count = 0;

// Of several CPUs, the one that sleeps with descriptors, and as many as it knows of.
constexpr u32 kNobody = ~u32{0};
constinit u32 watcher = kNobody;
constinit u64 times_armed = 0;
constinit u64 times_armed_before = 0;

bool is_watched() {
  return watcher != kNobody && times_armed_before == times_armed;
}

u32 another_idle_cpu() {
  for (u32 cpu = 0; cpu < running_cpus(); ++cpu)
    if (cpu != cpu_local().index && is_idle(cpu)) return cpu;
  return kNobody;
}

// Since the last tick: how often somebody looked at his device himself, or was told to, signals
// that came, and whether the CPU was idle.
constinit u32 looks_since_tick = 0;
constinit u32 signals_since_tick = 0;
constinit bool was_idle = false;
constinit bool signals_on = false;
// Between two ticks (4 ms where threads take turns). A signal costs about 4 us: the host saves the
// vector registers for it.
constexpr u32 kMostSignals = 16;

void switch_signals(bool on) {
  if (on == signals_on) return;
  signals_on = on;
  for (usize i = 0; i < watch_count; ++i)
    if (watches[i]->may_signal) host::switch_signals(watches[i]->fd, on);
}

struct PollSet {
  host::PollFd polled[kMaxWatches];
  Watch* owner[kMaxWatches];
  usize count = 0;

  PollSet() {
    for (usize i = 0; i < watch_count; ++i) {
      if (watches[i]->events == 0) continue;
      polled[count] = {watches[i]->fd, watches[i]->events, 0};
      owner[count++] = watches[i];
    }
  }
  bool call_ready() {
    bool any = false;
    CpuLocal& cpu = cpu_local();
    for (usize i = 0; i < count; ++i) {
      if (polled[i].happened == 0) continue;
      any = true;
      ++looks_since_tick;
      owner[i]->events = 0;
      ++cpu.interrupt_depth;
      owner[i]->ready(owner[i]->argument);
      --cpu.interrupt_depth;
    }
    return any;
  }
};

}  // namespace

void add_watch(Watch& watch) {
  ASSERT(watch_count < kMaxWatches);
  watches[watch_count++] = &watch;
}

void arm(Watch& watch, i16 events) {
  ++looks_since_tick;
  if ((watch.events & events) == events) return;
  watch.events |= events;
  ++times_armed;
  if (many_cpus()) watch_soon();
}

bool somebody_should_watch() {
  return !is_watched() && another_idle_cpu() != kNobody;
}

void let_somebody_watch() {
  if (!is_watched())
    if (const u32 cpu = another_idle_cpu(); cpu != kNobody) platform::interrupt_cpu(cpu);
}

// The signal goes to all processes of a group that is ours where somebody started us for good.
void allow_signals(Watch& watch) {
  watch.may_signal = boot_state.control_fd >= 0 && host::direct_signals(watch.fd, true).ok();
}

void count_input_signal() {
  __atomic_fetch_add(&signals_since_tick, 1, __ATOMIC_RELAXED);
}

void hear_signals() {
  if (__atomic_load_n(&signals_since_tick, __ATOMIC_RELAXED) > kMostSignals) switch_signals(false);
  poll_events();
}

void look_at_tick(bool user_mode) {
  __atomic_store_n(&signals_since_tick, 0, __ATOMIC_RELAXED);
  const u32 looks = std::exchange(looks_since_tick, 0);
  const bool idled = std::exchange(was_idle, false);
  if (user_mode && !idled && looks == 0 && another_idle_cpu() == kNobody) switch_signals(true);
  poll_events();
}

bool poll_events() {
  PollSet set;
  if (set.count == 0) return false;
  const auto ready = host::poll_now({set.polled, set.count});
  return ready.ok() && ready.value() != 0 && set.call_ready();
}

bool wait_for_events(u64 most_ns) {
  was_idle = true;
  switch_signals(false);
  PollSet set;
  const host::TimeSpec most{i64(most_ns / kNanosPerSecond), i64(most_ns % kNanosPerSecond)};
  const host::TimeSpec* const limit = most_ns == platform::kNoDeadline ? nullptr : &most;
  if (!many_cpus()) return narwhal_idle_poll(set.polled, set.count, limit) > 0 && set.call_ready();

  const bool watches = !is_watched();
  if (watches) {
    watcher = cpu_local().index;
    times_armed_before = times_armed;
  }
  set_idle(true);
  kernel_lock_release();
  const i64 ready = narwhal_idle_poll(set.polled, watches ? set.count : 0, limit);
  kernel_lock_take();
  set_idle(false);
  if (watcher == cpu_local().index) watcher = kNobody;
  // Meanwhile another one may have looked, too.
  return ready > 0 && poll_events();
}

}  // namespace narwhal::process_home
