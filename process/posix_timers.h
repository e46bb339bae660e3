// Timers of a process that send signals: setitimer(2), alarm(2), timer_create(2), RLIMIT_CPU.
//
// Timers of real time hang on the kernel's timers, whose callbacks send the signal. Timers of CPU
// time are looked at when the accounting tick finds one of the threads running, so they are as fine
// as kAccountingTick.
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/base/ref.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/timer.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

class Process;
class Task;
class PosixTimer;

// What is left and what comes after, in ns; remaining_ns == 0: disarmed.
struct TimerSetting {
  u64 remaining_ns = 0;
  u64 interval_ns = 0;
};

// timer_create(2): who is told, and how.
struct TimerNotification {
  bool silent = false;  // SIGEV_NONE
  Signal signal = Signal::kAlrm;
  u32 thread = 0;  // SIGEV_THREAD_ID; 0: the process
  u64 value = 0;
  bool value_is_id = false;  // no sigevent was given
};

class ProcessTimers : NonCopyable {
 public:
  explicit ProcessTimers(Process& process) : process_(process), real_(on_real_timer, *this) {}
  ~ProcessTimers();

  // --- setitimer(2). Both return the setting before.
  enum class Interval : u8 { kReal, kVirtual, kProf };
  TimerSetting interval(Interval which);
  TimerSetting set_interval(Interval which, const TimerSetting& setting);

  // --- timer_create(2). `clock` has been checked, clock_id.h. Numbers count up from 0. EAGAIN.
  Result<i32> create(i32 clock, u32 clock_thread, const TimerNotification& notification);
  // All EINVAL when there is no such timer.
  Result<> remove(i32 id);
  Result<TimerSetting> get(i32 id);
  // The first expiration at `value_ns` of the clock if absolute, else so much later; 0 disarms.
  Result<TimerSetting> set(i32 id, bool absolute, u64 value_ns, u64 interval_ns);
  // Expirations beyond the one that the last signal stands for.
  Result<i32> overrun(i32 id);

  void remove_posix_timers();  // execve(2) keeps only interval timers
  void stop_all();             // the last task has ended

  // --- CPU time
  // The tick found this task of the process running (UserWork::kCpuTime).
  void check_cpu_time(Task& task);
  // Whether tasks must ask for that; a new task does so at its birth, under thread_list_lock.
  bool watches_cpu_time() const;
  // After RLIMIT_CPU has changed.
  void update_watch();

 private:
  friend class PosixTimer;
  struct OwnedTimer : Timer {
    OwnedTimer(void (*callback)(Timer&), ProcessTimers& o) : Timer(callback), owner(o) {}
    ProcessTimers& owner;
  };
  struct CpuInterval {
    u64 expires_ns = 0;
    u64 interval_ns = 0;
  };
  static constexpr usize kCpuIntervals = 2;  // kVirtual, kProf

  static void on_real_timer(Timer& timer);
  u64 cpu_time(usize which) const;
  void check_interval(CpuInterval& timer, u64 now_ns, Signal signal) TA_REQUIRES(lock_);
  void check_limit();
  PosixTimer* find(i32 id) TA_REQUIRES(lock_);
  void update_watch_locked() TA_REQUIRES(lock_);

  Process& process_;
  // Taken before thread_list_lock and a process's signal lock.
  SpinLock<LockRank::kSpinOther> lock_;
  OwnedTimer real_;
  u64 real_expires_ns_ TA_GUARDED_BY(lock_) = 0;
  u64 real_interval_ns_ TA_GUARDED_BY(lock_) = 0;
  CpuInterval cpu_[kCpuIntervals] TA_GUARDED_BY(lock_);
  PosixTimer* first_ TA_GUARDED_BY(lock_) = nullptr;
  i32 next_id_ TA_GUARDED_BY(lock_) = 0;
  u32 count_ TA_GUARDED_BY(lock_) = 0;
  Atomic<bool> cpu_armed_{false};
};

// How far apart two expirations of one timer are at least that interrupt the machine: a program
// that asks for less gets the rest as overruns, and still gets to run.
inline constexpr u64 kLeastTimerGap = 50 * kNanosPerMicro;

// Moves `expires_ns` past `now_ns`; how many expirations that were. 0: not due yet. One shot ends
// at 0.
constexpr u64 advance_timer(u64& expires_ns, u64 interval_ns, u64 now_ns) {
  if (expires_ns == 0 || now_ns < expires_ns) return 0;
  if (interval_ns == 0) {
    expires_ns = 0;
    return 1;
  }
  const u64 periods = (now_ns - expires_ns) / interval_ns + 1;
  expires_ns += periods * interval_ns;
  return periods;
}

}  // namespace narwhal
