// timerfd_create(2), timerfd_settime(2), timerfd_gettime(2).
#include "fs/timerfd/timerfd.h"

#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/handlers.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

constexpr u32 kCancelOnSet = 2;  // TFD_TIMER_CANCEL_ON_SET

Result<Ref<TimerFd>> get_timer(Task& task, Fd fd) {
  auto file = TRY(task.files().get(fd.value));
  if (file->kind() != File::Kind::kTimerFd) return Errno::kInval;
  return static_ref_cast<TimerFd>(std::move(file));
}

bool is_wall_clock(i32 clock) {
  return clock == abi::kClockRealtime || clock == abi::kClockRealtimeAlarm;
}

abi::ITimerSpec to_itimerspec(const TimerFd::Remaining& left) {
  return {to_timespec(left.interval_ns), to_timespec(left.first_ns)};
}

}  // namespace

SysResult sys::timerfd_create(Task& task, i32 clock, OpenFlags flags) {
  if (!has_only(flags, OpenFlags::kNonBlock | OpenFlags::kCloseOnExec)) return Errno::kInval;
  switch (clock) {
    case abi::kClockRealtime:
    case abi::kClockMonotonic:
    case abi::kClockBoottime:
      break;
    case abi::kClockRealtimeAlarm:
    case abi::kClockBoottimeAlarm:
      if (!task.credentials().capable(Capability::kWakeAlarm)) return Errno::kPerm;
      break;
    default:
      return Errno::kInval;
  }
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  const OpenFlags kept = OpenFlags::kReadWrite | (flags & OpenFlags::kNonBlock);
  auto timer = TRY(make_ref<TimerFd>(clock, kept));
  return std::move(fd).commit(std::move(timer), has(flags, OpenFlags::kCloseOnExec));
}

SysResult sys::timerfd_settime(Task& task, Fd fd, HexInt flags, UserIn<abi::ITimerSpec> value,
                               UserOut<abi::ITimerSpec> old) {
  const abi::ITimerSpec given = TRY(value.load());
  if (flags.value & ~(abi::kTimerAbsolute | kCancelOnSet)) return Errno::kInval;
  const u64 interval = TRY(to_nanoseconds(given.interval));
  const u64 first = TRY(to_nanoseconds(given.value));
  auto timer = TRY(get_timer(task, fd));
  const bool absolute = (flags.value & abi::kTimerAbsolute) != 0;
  TimerFd::Setting setting;
  setting.interval_ns = interval;
  setting.flags = flags.value;
  if (absolute && is_wall_clock(timer->clock())) {
    setting.base = TimerFd::Base::kWall;
    setting.cancel_on_step = (flags.value & kCancelOnSet) != 0;
  }
  setting.first_ns = absolute || first == 0 ? first : deadline_after(first);
  bool canceled = false;
  const TimerFd::Remaining before = timer->set(setting, canceled);
  if (canceled) return Errno::kCanceled;
  TRY(old.store_if_wanted(to_itimerspec(before)));
  return i64{0};
}

SysResult sys::timerfd_gettime(Task& task, Fd fd, UserOut<abi::ITimerSpec> out) {
  auto timer = TRY(get_timer(task, fd));
  TRY(out.store(to_itimerspec(timer->get())));
  return i64{0};
}

}  // namespace narwhal
