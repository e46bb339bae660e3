// One timer of timer_create(2); only process/posix_timers.cc and interval_timers.cc look inside.
#pragma once

#include "process/clock_id.h"
#include "process/posix_timers.h"

namespace narwhal {

class PosixTimer : NonCopyable {
 public:
  PosixTimer(ProcessTimers& o, i32 number, i32 clock, u32 thread, const TimerNotification& n);
  // Unlinked before; no lock is held.
  ~PosixTimer();

  // All that follows under the owner's lock.

  TimerSetting get() const;
  void set(bool absolute, u64 value_ns, u64 interval_ns);
  bool on_cpu_time() const { return kind == ClockKind::kCpu; }
  // Time on the clock that expires_ns belongs to.
  u64 now() const;
  // Counts what is due and tells the program.
  void expire(u64 now_ns);
  i32 last_overrun() const;
  void unlink() { linked = false; }

  PosixTimer* next = nullptr;
  const i32 id;
  const u32 cpu_thread;  // of a thread's CPU time: which; 0: the process's
  u64 expires_ns = 0;    // 0: disarmed

 private:
  struct KernelTimer : Timer {
    explicit KernelTimer(PosixTimer& o) : Timer(on_timer), owner(o) {}
    PosixTimer& owner;
  };
  struct StepListener : ClockStepListener {
    PosixTimer* owner = nullptr;
  };
  static void on_timer(Timer& timer);
  static void on_step(ClockStepListener& listener);
  // `not_before`: monotonic.
  void arm(u64 not_before_ns);
  void notify(u64 expirations);

  ProcessTimers& owner_;
  const ClockKind kind;
  CpuClock::Measure measure_ = CpuClock::Measure::kExact;
  const TimerNotification notification_;
  // An absolute time of the wall clock (or TAI) follows its steps; a time span does not.
  bool follows_wall_ = false;
  bool linked = true;
  u64 interval_ns_ = 0;
  i32 overrun_ = 0;           // of the signal sent last
  i32 previous_overrun_ = 0;  // of the one before that
  KernelTimer timer_;
  StepListener step_;
};

}  // namespace narwhal
