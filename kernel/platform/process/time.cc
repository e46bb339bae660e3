#include "kernel/platform/process/time.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/base/log.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/gathering.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/processors.h"
#include "kernel/platform/upcalls.h"

extern const char kernel_text_start[], kernel_text_end[];
extern const char kernel_rodata_start[], kernel_rodata_end[];

namespace narwhal {
namespace process_home {
namespace {

// Without `mult` it is no clock, and the host is asked each time.
constinit platform::LatchedTscClock tsc;
constinit u64 host_ns_at_boot = 0;
constinit i64 wall_clock_at_boot = 0;
// Each seat of a CPU has a timer of the host's. What that is set to is in `Seat::armed`: it may
// fire too early, after a deadline that was moved, or when the CPU is elsewhere; then it is set
// again where that is needed. So a deadline that moves back and forth costs no call, nor do most
// hand-overs.
struct Wanted {
  u64 deadline = platform::kNoDeadline;   // of upcall::on_timer()
  u64 watch = platform::kNoDeadline;      // when to look whether somebody waits for events
  u64 give_back = platform::kNoDeadline;  // when to give back memory, if the CPU is idle then
};
constinit Wanted wanted_of[kMostCpus];

constinit u64 idled_ns = 0;

Wanted& wanted() {
  return wanted_of[cpu_local().index];
}

// The host's clocks and the time-stamp counter as close together as they can be read.
platform::ReferenceTime sample() {
  platform::ReferenceTime best{};
  u64 least = ~u64{0};
  for (int i = 0; i < 4; ++i) {
    const u64 before = x86::read_tsc_ordered();
    const u64 ns = host::monotonic_ns();
    const u64 after = x86::read_tsc_ordered();
    const i64 wall_ns = host::wall_clock_ns();
    const u64 end = x86::read_tsc_ordered();
    if (end - before >= least) continue;
    least = end - before;
    best = {before + (after - before) / 2, ns, wall_ns, 0};
  }
  best.read_at = x86::read_tsc_ordered();
  return best;
}

// Ticks a millisecond.
u64 measure(const platform::ReferenceTime& first) {
  constexpr u64 kLong = kNanosPerMilli;
  platform::ReferenceTime last;
  do {
    last = sample();
  } while (last.ns - first.ns < kLong);
  return (last.tsc - first.tsc) * kNanosPerMilli / (last.ns - first.ns);
}

// As a time from now: our clock and the host's drift apart, and an absolute time of the host's
// would come earlier and earlier, or later and later, by ours.
void arm(u64 at) {
  const u64 now = platform::monotonic_ns();
  Seat& mine = seat();
  mine.armed = at;
  host::set_timer(timer_of(cpu_local().index), at > now ? at - now : 1);
}

void measure_tsc() {
  const platform::ReferenceTime first = sample();
  u64 khz = boot_state.tsc_khz;
  if (khz == 0) khz = measure(first);
  platform::TscClock clock{};
  clock.set_rate(khz, kNanosPerMilli);
  clock.base_tsc = first.tsc;
  tsc.set(clock);
}

// Whether the counter goes on at one pace, whatever the processor does (CPUID Fn8000_0007h). The
// command knows more (its check of the host's clock).
bool has_constant_tsc() {
  constexpr u32 kPowerManagement = 0x80000007, kInvariant = 1 << 8;
  return x86::cpuid(0x80000000).eax >= kPowerManagement &&
         (x86::cpuid(kPowerManagement).edx & kInvariant);
}

}  // namespace

void time_init() {
  if (boot_state.tsc_khz == 0 && !has_constant_tsc()) boot_state.uses_host_clock = true;
  if (boot_state.uses_host_clock)
    host_ns_at_boot = host::monotonic_ns();
  else
    measure_tsc();
  wall_clock_at_boot = host::wall_clock_ns() - i64(platform::monotonic_ns());
  const auto made = host::make_timer(kTimerSignal, host::thread_id());
  if (!made.ok() || made.value() != timer_of(0)) panic("the host gives no timer");
  seat().armed = platform::kNoDeadline;
}

namespace {

void forget(const char* start, const char* end) {
  host::forget_mapped(reinterpret_cast<u64>(start), u64(end - start)).ignore();
}

// The host has mapped what starting up read and ran, and neighbours of it: most of the archive, the
// loader, the tables by which system calls are rewritten; of the program the symbols that its
// linker looked through, and more. It counts as resident and is hardly looked at again. What is,
// the host maps again. (A debugger's breakpoints are pages of this process's own; they would go.)
void forget_start() {
  here().start_is_forgotten = true;
  host::forget_mapped(boot_state.window_base + kMemoryStart, boot_state.memory_size).ignore();
  forget(kernel_rodata_start, kernel_rodata_end);
  if (boot_state.is_debuggable) return;
  forget(kernel_text_start, kernel_text_end);
  // Much to map again would cost the program more than it saves.
  constexpr u64 kLittle = 64 * kMiB / kPageSize;
  if (memory_statistics().anonymous_frames > kLittle) return;
  host::forget_mapped(kUserMin.value, boot_state.window_base - kUserMin.value).ignore();
  host::forget_mapped(window_end(), kUserEnd.value - window_end()).ignore();
}

// Not before a second of idling has noticed it: most of what programs free they soon want again.
u64 when_to_give_back(u64 now) {
  constexpr u64 kPatience = kNanosPerSecond;
  u64& when = wanted().give_back;
  if (here().start_is_forgotten && !has_memory_to_give_back())
    when = platform::kNoDeadline;
  else if (when == platform::kNoDeadline)
    when = now + kPatience;
  return when;
}

bool punch_hole(PhysAddr start, u64 size) {
  return host::punch_hole(boot_state.memory_fd, file_offset(start.value), size).ok();
}

}  // namespace

void timer_interrupt(bool user_mode) {
  Wanted& mine = wanted();
  const u64 now = platform::monotonic_ns();
  if (now >= mine.watch) {
    mine.watch = platform::kNoDeadline;
    let_somebody_watch();
  }
  if (now < mine.deadline) {
    rearm_timer();
    return;
  }
  mine.deadline = platform::kNoDeadline;
  rearm_timer();
  part_when_quiet(now);
  look_at_tick(user_mode);
  upcall::on_timer(user_mode);
}

void watch_soon() {
  constexpr u64 kDelay = kNanosPerMilli;
  if (wanted().watch != platform::kNoDeadline || !somebody_should_watch()) return;
  wanted().watch = platform::monotonic_ns() + kDelay;
  rearm_timer();
}

void rearm_timer() {
  const Wanted& mine = wanted();
  const u64 first = mine.deadline < mine.watch ? mine.deadline : mine.watch;
  if (first < seat().armed) arm(first);
}

u64 idle_ns() {
  return idled_ns;
}

}  // namespace process_home

u64 platform::monotonic_ns() {
  using namespace process_home;
  const TscClock clock = tsc.get();
  if (clock.mult == 0) return host::monotonic_ns() - host_ns_at_boot;
  return clock.ns_at(x86::read_tsc());
}

i64 platform::boot_wall_clock_ns() {
  return process_home::wall_clock_at_boot;
}

platform::TscClock platform::tsc_clock() {
  return process_home::tsc.get();
}
void platform::set_tsc_clock(const TscClock& clock) {
  process_home::tsc.set(clock);
}
bool platform::read_reference_time(ReferenceTime& time) {
  time = process_home::sample();
  return true;
}

void platform::set_timer(u64 deadline_ns) {
  using namespace process_home;
  wanted().deadline = deadline_ns;
  rearm_timer();
}

// Asleep, the deadline is the host call's own; the timer need not be set. Memory that has been free
// for a while goes back to the host, piece by piece.
void platform::wait_for_interrupt() {
  using namespace process_home;
  Wanted& mine = wanted();
  mine.watch = kNoDeadline;  // by this CPU
  while (cpu_local().interrupts_pending == 0) {
    const u64 now = monotonic_ns();
    if (mine.deadline <= now) {
      cpu_local().interrupts_pending |= kTimerPending;
      break;
    }
    const u64 give_back = when_to_give_back(now);
    bool has_news;
    if (give_back <= now) {
      if (!here().start_is_forgotten) forget_start();
      give_back_free_memory(punch_hole);
      has_news = poll_events();
    } else {
      const u64 until = mine.deadline < give_back ? mine.deadline : give_back;
      has_news = wait_for_events(until == kNoDeadline ? kNoDeadline : until - now);
      idled_ns += monotonic_ns() - now;
    }
    if (has_news) {
      if (many_cpus()) watch_soon();
      return;
    }
  }
  run_interrupts(false);
  if (many_cpus()) watch_soon();
}

}  // namespace narwhal
