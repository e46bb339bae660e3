// nanosleep(2), clock_nanosleep(2).
#include "kernel/sched/cpus.h"
#include "process/clock_id.h"
#include "syscalls/handlers.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

// Wakes a thread at each step of the wall clock, to look at its clock again.
struct StepWaker : ClockStepListener {
  explicit StepWaker(Thread& t) : thread(t) {
    stepped = [](ClockStepListener& listener) {
      wake_thread(static_cast<StepWaker&>(listener).thread);
    };
    add_clock_listener(*this);
  }
  ~StepWaker() { remove_clock_listener(*this); }
  Thread& thread;
};

// Until the monotonic time that `deadline` gives each time it is asked. EINTR.
template <typename Deadline>
Result<> sleep_while_before(Deadline deadline) {
  for (;;) {
    prepare_to_sleep();
    const u64 until = deadline();
    if (platform::monotonic_ns() >= until) {
      cancel_sleep();
      return {};
    }
    if (auto slept = sleep_until(until); slept.failed(Errno::kIntr)) return Errno::kIntr;
  }
}

Result<> sleep_until_monotonic(u64 deadline_ns) {
  return sleep_while_before([=] { return deadline_ns; });
}

Result<> sleep_until_wall(ClockKind kind, u64 ns) {
  StepWaker waker(*current_thread());
  return sleep_while_before([=] { return monotonic_when(kind, ns); });
}

// CPU time passes at most as fast as all CPUs together let it. So sleep that long, and look again.
Result<> sleep_until_cpu_time(const CpuClock& clock, u64 ns) {
  constexpr u64 kLeast = kNanosPerMilli;
  for (;;) {
    const u64 now = clock.now_ns();
    if (now >= ns) return {};
    const u64 at_least = (ns - now) / online_cpus();
    TRY(sleep_until_monotonic(deadline_after(at_least > kLeast ? at_least : kLeast)));
  }
}

Result<> store_remaining(UserAddr out, u64 ns) {
  if (out.value == 0) return {};
  return store_user(out, to_timespec(ns));
}

// --- relative sleeps go on, after a signal without a handler, until the time first meant. Words of
// the restart block: deadline, where the rest of the time goes, clock.

SysResult finish_relative(Task& task, Result<> slept, u64 remaining, SysResult (*resume)(Task&)) {
  if (slept.ok()) return i64{0};
  if (!slept.failed(Errno::kIntr)) return slept.error();
  if (remaining == 0) return i64{0};
  TRY(store_remaining(UserAddr(task.restart.words[1]), remaining));
  task.restart.resume = resume;
  return Errno::kRestartBlock;
}

SysResult resume_monotonic(Task& task) {
  const u64 deadline = task.restart.words[0];
  auto slept = sleep_until_monotonic(deadline);
  return finish_relative(task, slept, remaining_until(deadline), resume_monotonic);
}

SysResult resume_cpu_time(Task& task) {
  const u64 deadline = task.restart.words[0];
  const auto clock = TRY(find_cpu_clock(task, i32(task.restart.words[2])));
  auto slept = sleep_until_cpu_time(clock, deadline);
  const u64 now = clock.now_ns();
  return finish_relative(task, slept, deadline > now ? deadline - now : 0, resume_cpu_time);
}

SysResult sleep_relative(Task& task, u64 ns, UserAddr remaining) {
  task.restart.words[0] = deadline_after(ns);
  task.restart.words[1] = remaining.value;
  return resume_monotonic(task);
}

SysResult sleep_for_cpu_time(Task& task, i32 clock, bool absolute, u64 ns, UserAddr remaining) {
  const auto found = TRY(find_cpu_clock(task, clock));
  // A thread that sleeps never sees its own CPU time pass.
  if (found.task && found.task.get() == &task) return Errno::kInval;
  if (absolute) {
    auto slept = sleep_until_cpu_time(found, ns);
    if (slept.failed(Errno::kIntr)) return Errno::kRestartNoHand;
    return i64{0};
  }
  const u64 now = found.now_ns();
  task.restart.words[0] = ns < kForever - now ? now + ns : kForever;
  task.restart.words[1] = remaining.value;
  task.restart.words[2] = u64(clock);
  return resume_cpu_time(task);
}

// EOPNOTSUPP: a clock that can be read, but not waited for.
bool can_sleep_on(i32 clock) {
  switch (clock_kind(clock)) {
    case ClockKind::kMonotonic:
      return clock == abi::kClockMonotonic || clock == abi::kClockBoottime;
    case ClockKind::kWall:
      return clock == abi::kClockRealtime;
    case ClockKind::kTai:
      return true;
    case ClockKind::kCpu:
      return clock != abi::kClockThreadCpu;
    default:
      return false;
  }
}

}  // namespace

SysResult sys::nanosleep(Task& task, UserIn<abi::TimeSpec> time, UserAddr remaining) {
  return sleep_relative(task, TRY(to_nanoseconds(TRY(time.load()))), remaining);
}

SysResult sys::clock_nanosleep(Task& task, i32 clock, HexInt flags, UserIn<abi::TimeSpec> time,
                               UserAddr remaining) {
  const ClockKind kind = clock_kind(clock);
  if (kind == ClockKind::kInvalid) return Errno::kInval;
  if (!can_sleep_on(clock)) return Errno::kOpNotSupp;
  const u64 ns = TRY(to_nanoseconds(TRY(time.load())));
  const bool absolute = (flags.value & abi::kTimerAbsolute) != 0;
  if (kind == ClockKind::kCpu) return sleep_for_cpu_time(task, clock, absolute, ns, remaining);
  if (!absolute) return sleep_relative(task, ns, remaining);
  auto slept =
      kind == ClockKind::kMonotonic ? sleep_until_monotonic(ns) : sleep_until_wall(kind, ns);
  if (slept.failed(Errno::kIntr)) return Errno::kRestartNoHand;
  return i64{0};
}

}  // namespace narwhal
