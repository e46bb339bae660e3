#include "kernel/platform/process/events.h"

#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/host.h"

extern "C" narwhal::i64 narwhal_idle_poll(narwhal::host::PollFd* polled, narwhal::u64 count,
                                          const narwhal::host::TimeSpec* most);

namespace narwhal::process_home {
namespace {

constexpr usize kMaxWatches = 64;
constinit Watch* watches[kMaxWatches] = {};
constinit usize watch_count = 0;

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
  watch.events |= events;
}

bool poll_events() {
  PollSet set;
  if (set.count == 0) return false;
  const auto ready = host::poll_now({set.polled, set.count});
  return ready.ok() && ready.value() != 0 && set.call_ready();
}

bool wait_for_events(u64 most_ns) {
  PollSet set;
  const host::TimeSpec most{i64(most_ns / kNanosPerSecond), i64(most_ns % kNanosPerSecond)};
  const i64 ready =
      narwhal_idle_poll(set.polled, set.count, most_ns == platform::kNoDeadline ? nullptr : &most);
  return ready > 0 && set.call_ready();
}

}  // namespace narwhal::process_home
