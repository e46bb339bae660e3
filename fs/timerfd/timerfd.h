// timerfd_create(2): a timer whose expirations are read.
#pragma once

#include "fs/core/anonymous_file.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/timer.h"

namespace narwhal {

class TimerFd final : public AnonymousFile {
 public:
  // `clock`: as the program named it, kept for fdinfo. It says nothing here: each setting says on
  // which clock its times are.
  TimerFd(i32 clock, OpenFlags flags);
  ~TimerFd() override;

  i32 clock() const { return clock_; }
  struct Remaining {
    u64 first_ns;  // until the next expiration; 0: disarmed
    u64 interval_ns;
  };
  // A time on the wall clock moves with its steps; monotonic time has none.
  enum class Base : u8 { kMonotonic, kWall };
  struct Setting {
    Base base = Base::kMonotonic;
    u64 first_ns = 0;  // when, on that clock; 0 disarms
    u64 interval_ns = 0;
    u32 flags = 0;                // as given to timerfd_settime(2), kept for fdinfo
    bool cancel_on_step = false;  // TFD_TIMER_CANCEL_ON_SET
  };
  // Returns what was left of the setting before. `canceled` becomes true when the clock has been
  // stepped since the setting before and nobody has read that (ECANCELED); the new one holds all
  // the same.
  Remaining set(const Setting& setting, bool& canceled);
  Remaining get();

  // ECANCELED after a step of the clock.
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
  struct StepListener : ClockStepListener {
    TimerFd* owner = nullptr;
  };
  static void on_timer(Timer& timer);
  static void on_step(ClockStepListener& listener);
  u64 now() const TA_REQUIRES(lock_);
  // Counts what is due and moves on to the next expiration.
  void advance() TA_REQUIRES(lock_);
  // Not before monotonic time `not_before_ns`.
  void arm(u64 not_before_ns) TA_REQUIRES(lock_);
  Remaining remaining() const TA_REQUIRES(lock_);

  i32 clock_;
  mutable SpinLock<LockRank::kSpinOther> lock_;
  Setting setting_ TA_GUARDED_BY(lock_);  // first_ns: of the next expiration
  u64 expirations_ TA_GUARDED_BY(lock_) = 0;
  bool canceled_ TA_GUARDED_BY(lock_) = false;
  OwnedTimer timer_;
  StepListener step_;
  WaitQueue queue_;
};

}  // namespace narwhal
