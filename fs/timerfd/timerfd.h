// timerfd_create(2): a timer whose expirations are read.
#pragma once

#include "fs/core/anonymous_file.h"
#include "kernel/sched/timer.h"

namespace narwhal {

class TimerFd final : public AnonymousFile {
 public:
  // Times below are in ns of the monotonic clock. `wall_clock`: the deadline was given in
  // wall-clock time, and a step of that clock moves it (TFD_TIMER_CANCEL_ON_SET makes reads fail
  // with ECANCELED then).
  TimerFd(i32 clock, OpenFlags flags)
      : AnonymousFile(flags, "anon_inode:[timerfd]", 0600),
        clock_(clock),
        timer_(on_timer, *this) {}
  ~TimerFd() override;

  i32 clock() const { return clock_; }
  struct Setting {
    u64 remaining_ns;  // until the next expiration; 0: disarmed
    u64 interval_ns;
  };
  // deadline_ns: monotonic; kNoDeadline disarms.
  void set(u64 deadline_ns, u64 interval_ns, u32 settime_flags);
  Setting get();

  Result<usize> read(IoBuffer& to) override;
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &queue_; }
  void describe(TextSink& out) const override;
  Kind kind() const override { return Kind::kTimerFd; }

 private:
  struct OwnedTimer : Timer {
    OwnedTimer(void (*callback)(Timer&), TimerFd& o) : Timer(callback), owner(o) {}
    TimerFd& owner;
  };
  static void on_timer(Timer& timer);
  // Counts what is due and moves the deadline past `now`.
  void advance(u64 now_ns) TA_REQUIRES(lock_);

  i32 clock_;
  mutable SpinLock<LockRank::kSpinOther> lock_;
  u64 deadline_ns_ TA_GUARDED_BY(lock_) = platform::kNoDeadline;
  u64 interval_ns_ TA_GUARDED_BY(lock_) = 0;
  u64 expirations_ TA_GUARDED_BY(lock_) = 0;
  u32 settime_flags_ TA_GUARDED_BY(lock_) = 0;
  OwnedTimer timer_;
  WaitQueue queue_;
};

}  // namespace narwhal
