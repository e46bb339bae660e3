#include "fs/timerfd/timerfd.h"

#include "kernel/base/format.h"

namespace narwhal {

TimerFd::~TimerFd() {
  timer_.cancel();
}

void TimerFd::advance(u64 now_ns) {
  if (now_ns < deadline_ns_) return;
  if (interval_ns_ == 0) {
    ++expirations_;
    deadline_ns_ = platform::kNoDeadline;
    return;
  }
  const u64 periods = (now_ns - deadline_ns_) / interval_ns_ + 1;
  expirations_ += periods;
  deadline_ns_ += periods * interval_ns_;
}

void TimerFd::on_timer(Timer& timer) {
  TimerFd& self = static_cast<OwnedTimer&>(timer).owner;
  u64 next;
  {
    SpinGuard guard(self.lock_);
    self.advance(platform::monotonic_ns());
    next = self.deadline_ns_;
  }
  if (next != platform::kNoDeadline) timer.arm(next);
  self.queue_.wake(kPollReadable);
}

void TimerFd::set(u64 deadline_ns, u64 interval_ns, u32 settime_flags) {
  timer_.cancel();
  {
    SpinGuard guard(lock_);
    deadline_ns_ = deadline_ns;
    interval_ns_ = interval_ns;
    settime_flags_ = settime_flags;
    expirations_ = 0;
  }
  if (deadline_ns != platform::kNoDeadline) timer_.arm(deadline_ns);
}

TimerFd::Setting TimerFd::get() {
  const u64 now = platform::monotonic_ns();
  SpinGuard guard(lock_);
  advance(now);
  const u64 remaining = deadline_ns_ == platform::kNoDeadline ? 0 : deadline_ns_ - now;
  return {remaining, interval_ns_};
}

Result<usize> TimerFd::read(IoBuffer& to) {
  if (to.remaining() < sizeof(u64)) return Errno::kInval;
  u64 count;
  {
    SpinGuard guard(lock_);
    advance(platform::monotonic_ns());
    if (expirations_ == 0) return Errno::kAgain;
    count = expirations_;
    expirations_ = 0;
  }
  return to.write(&count, sizeof count);
}

PollEvents TimerFd::poll() {
  SpinGuard guard(lock_);
  return expirations_ != 0 ? kPollReadable : PollEvents::kNone;
}

void TimerFd::describe(TextSink& out) const {
  SpinGuard guard(lock_);
  out << "clockid: " << clock_ << "\nticks: " << expirations_ << "\nsettime flags: 0"
      << octal(settime_flags_) << "\nit_interval: (" << interval_ns_ / kNanosPerSecond << ", "
      << interval_ns_ % kNanosPerSecond << ")\n";
}

}  // namespace narwhal
