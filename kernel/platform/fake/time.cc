#include <deque>
#include <map>
#include <utility>

#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/fake/state.h"
#include "kernel/platform/upcalls.h"

namespace narwhal {

CpuLocal fake_cpu_local;

namespace {

struct Line {
  platform::InterruptHandler handler;
  void* argument;
};

struct Clock {
  u64 now = kNanosPerSecond;
  u64 step = 0;
  u64 deadline = platform::kNoDeadline;
  i64 wall_clock_at_boot = 1'700'000'000 * i64(kNanosPerSecond);
  bool enabled = true;
  std::deque<std::function<void()>> pending;
  std::map<u32, Line> lines;
  std::vector<Line> messages;
};

Clock& clock() {
  static Clock& clock = *new Clock;
  return clock;
}

bool timer_due() {
  return clock().deadline != platform::kNoDeadline && clock().now >= clock().deadline;
}

}  // namespace

namespace fake {

bool interrupt_pending() {
  return !clock().pending.empty() || timer_due();
}

void deliver_interrupts() {
  while (clock().enabled && interrupt_pending()) {
    clock().enabled = false;
    ++fake_cpu_local.interrupt_depth;
    if (timer_due()) {
      clock().deadline = platform::kNoDeadline;
      upcall::on_timer(false);
    } else {
      auto handler = std::move(clock().pending.front());
      clock().pending.pop_front();
      handler();
    }
    --fake_cpu_local.interrupt_depth;
    clock().enabled = true;
  }
}

void set_time(u64 ns) {
  ASSERT(ns >= clock().now);
  // Timers on the way go off at their own time.
  while (clock().enabled && clock().deadline <= ns) {
    if (clock().deadline > clock().now) clock().now = clock().deadline;
    deliver_interrupts();
  }
  if (ns > clock().now) clock().now = ns;
  deliver_interrupts();
}
void advance_time(u64 ns) {
  set_time(clock().now + ns);
}
void set_clock_step(u64 ns) {
  clock().step = ns;
}
u64 timer_deadline() {
  return clock().deadline;
}
void set_boot_wall_clock(i64 ns) {
  clock().wall_clock_at_boot = ns;
}

void post_interrupt(std::function<void()> handler) {
  clock().pending.push_back(std::move(handler));
  deliver_interrupts();
}
void raise_irq(u32 line) {
  const auto found = clock().lines.find(line);
  ASSERT(found != clock().lines.end());
  const Line registered = found->second;
  post_interrupt([registered] { registered.handler(registered.argument); });
}
void raise_message(u32 data) {
  ASSERT(data < clock().messages.size());
  const Line registered = clock().messages[data];
  post_interrupt([registered] { registered.handler(registered.argument); });
}

}  // namespace fake

namespace platform {

u64 monotonic_ns() {
  clock().now += clock().step;
  return clock().now;
}
i64 boot_wall_clock_ns() {
  return clock().wall_clock_at_boot;
}
TscClock tsc_clock() {
  return {};
}
void set_tsc_clock(const TscClock&) {}
bool read_reference_time(ReferenceTime&) {
  return false;
}
void set_timer(u64 deadline_ns) {
  clock().deadline = deadline_ns;
  fake::deliver_interrupts();
}

bool interrupts_save_disable() {
  return std::exchange(clock().enabled, false);
}
void interrupts_restore(bool were_enabled) {
  clock().enabled = were_enabled;
  fake::deliver_interrupts();
}
bool interrupts_enabled() {
  return clock().enabled;
}

void wait_for_interrupt() {
  ASSERT(!clock().enabled);
  if (!fake::interrupt_pending()) {
    if (clock().deadline == kNoDeadline) fake::leave_run(fake::RunEnd::kIdle);
    clock().now = clock().deadline;
  }
  clock().enabled = true;
  fake::deliver_interrupts();
  clock().enabled = false;
}

Result<> register_irq(u32 line, bool, bool, InterruptHandler handler, void* argument) {
  if (clock().lines.contains(line)) return Errno::kInval;
  clock().lines[line] = {handler, argument};
  return {};
}
Result<MessageInterrupt> register_message_irq(InterruptHandler handler, void* argument) {
  clock().messages.push_back({handler, argument});
  return MessageInterrupt{0xfee00000, u32(clock().messages.size() - 1)};
}

}  // namespace platform
}  // namespace narwhal
