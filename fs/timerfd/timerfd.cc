#include "fs/timerfd/timerfd.h"

#include "kernel/base/format.h"

namespace narwhal {
namespace {

// A program that asks for expirations closer together than this gets their number all the same,
// and still gets to run between the interrupts.
constexpr u64 kLeastGap = 50 * kNanosPerMicro;

}  // namespace

TimerFd::TimerFd(i32 clock, OpenFlags flags)
    : AnonymousFile(flags, "anon_inode:[timerfd]", 0600), clock_(clock), timer_(on_timer, *this) {
  step_.owner = this;
  step_.stepped = on_step;
  add_clock_listener(step_);
}

TimerFd::~TimerFd() {
  remove_clock_listener(step_);
  timer_.cancel();
}

u64 TimerFd::now() const {
  if (setting_.base == Base::kMonotonic) return platform::monotonic_ns();
  const i64 wall = wall_clock_ns();
  return wall > 0 ? u64(wall) : 0;
}

void TimerFd::advance() {
  const u64 time = now();
  if (setting_.first_ns == 0 || time < setting_.first_ns) return;
  if (setting_.interval_ns == 0) {
    ++expirations_;
    setting_.first_ns = 0;
    return;
  }
  const u64 periods = (time - setting_.first_ns) / setting_.interval_ns + 1;
  expirations_ += periods;
  setting_.first_ns += periods * setting_.interval_ns;
}

void TimerFd::arm(u64 not_before_ns) {
  if (setting_.first_ns == 0) {
    timer_.arm(platform::kNoDeadline);
    return;
  }
  const u64 deadline = setting_.base == Base::kMonotonic
                           ? setting_.first_ns
                           : monotonic_from_wall_clock(i64(setting_.first_ns));
  timer_.arm(deadline > not_before_ns ? deadline : not_before_ns);
}

void TimerFd::on_timer(Timer& timer) {
  TimerFd& self = static_cast<OwnedTimer&>(timer).owner;
  {
    SpinGuard guard(self.lock_);
    self.advance();
    if (self.setting_.first_ns != 0) self.arm(platform::monotonic_ns() + kLeastGap);
  }
  self.queue_.wake(kPollReadable);
}

void TimerFd::on_step(ClockStepListener& listener) {
  TimerFd& self = *static_cast<StepListener&>(listener).owner;
  {
    SpinGuard guard(self.lock_);
    if (self.setting_.base != Base::kWall) return;
    self.arm(0);
    if (!self.setting_.cancel_on_step) return;
    self.canceled_ = true;
  }
  self.queue_.wake(kPollReadable);
}

TimerFd::Remaining TimerFd::remaining() const {
  if (setting_.first_ns == 0) return {0, setting_.interval_ns};
  const u64 time = now();
  // What is due but could not be counted yet, for the clock moved on since, is as good as due.
  return {setting_.first_ns > time ? setting_.first_ns - time : 1, setting_.interval_ns};
}

TimerFd::Remaining TimerFd::set(const Setting& setting, bool& canceled) {
  SpinGuard guard(lock_);
  advance();
  const Remaining before = remaining();
  canceled = canceled_ && setting.cancel_on_step && setting.first_ns != 0;
  setting_ = setting;
  expirations_ = 0;
  canceled_ = false;
  arm(0);
  return before;
}

TimerFd::Remaining TimerFd::get() {
  SpinGuard guard(lock_);
  advance();
  return remaining();
}

Result<usize> TimerFd::read(IoBuffer& to) {
  if (to.remaining() < sizeof(u64)) return Errno::kInval;
  u64 count;
  {
    SpinGuard guard(lock_);
    if (canceled_) {
      canceled_ = false;
      expirations_ = 0;
      return Errno::kCanceled;
    }
    advance();
    if (expirations_ == 0) return Errno::kAgain;
    count = expirations_;
    expirations_ = 0;
  }
  return to.write(&count, sizeof count);
}

PollEvents TimerFd::poll() {
  SpinGuard guard(lock_);
  return expirations_ != 0 || canceled_ ? kPollReadable : PollEvents::kNone;
}

void TimerFd::describe(TextSink& out) const {
  SpinGuard guard(lock_);
  const Remaining left = remaining();
  out << "clockid: " << clock_ << "\nticks: " << expirations_ << "\nsettime flags: 0"
      << octal(setting_.flags) << "\nit_value: (" << left.first_ns / kNanosPerSecond << ", "
      << left.first_ns % kNanosPerSecond << ")\nit_interval: ("
      << left.interval_ns / kNanosPerSecond << ", " << left.interval_ns % kNanosPerSecond << ")\n";
}

}  // namespace narwhal
