// epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants.
#include "fs/epoll/epoll.h"

#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/handlers.h"
#include "syscalls/signal_mask.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

constexpr i32 kAdd = 1, kDelete = 2, kModify = 3;  // EPOLL_CTL_*
// Linux: INT_MAX / sizeof(struct epoll_event).
constexpr i32 kMaxEvents = 0x7fffffff / i32(sizeof(abi::EpollEvent));
// What EPOLLEXCLUSIVE may be combined with (epoll_ctl(2)).
constexpr u32 kExclusiveAllowed =
    u32(PollEvents::kIn | PollEvents::kOut | PollEvents::kErr | PollEvents::kHup |
        PollEvents::kRdNorm | PollEvents::kWrNorm) |
    kEpollWakeUp | kEpollEdge | kEpollExclusive;

SysResult create_epoll(Task& task, bool close_on_exec) {
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto epoll = TRY(make_ref<Epoll>(OpenFlags::kReadWrite));
  return std::move(fd).commit(std::move(epoll), close_on_exec);
}

Result<Hold<Epoll>> get_epoll(Task& task, Fd fd) {
  Hold<File> file = TRY(task.files().use(fd.value));
  if (file->kind() != File::Kind::kEpoll) return Errno::kInval;
  return std::move(file).as<Epoll>();
}

SysResult wait_for_events(Task& task, Fd fd, UserAddr events, i32 limit, u64 deadline_ns) {
  if (limit <= 0 || limit > kMaxEvents) return Errno::kInval;
  if (!user_range_ok(events, usize(limit) * sizeof(abi::EpollEvent))) return Errno::kFault;
  auto epoll = TRY(get_epoll(task, fd));
  auto attempt = [&] { return epoll->collect(events, usize(limit)); };
  auto stored = deadline_ns == 0
                    ? attempt()
                    : block_until_ready(*epoll->poll_queue(), kPollReadable, deadline_ns, attempt);
  if (stored.ok()) return i64(stored.value());
  switch (stored.error()) {
    case Errno::kAgain:
    case Errno::kTimedOut:
      return i64{0};
    case Errno::kRestartSys:
      return Errno::kIntr;  // signal(7): never restarted
    default:
      return stored.error();
  }
}

u64 deadline_of_ms(i32 timeout_ms) {
  if (timeout_ms < 0) return kForever;
  return timeout_ms == 0 ? 0 : deadline_after(u64(timeout_ms) * kNanosPerMilli);
}

}  // namespace

SysResult sys::epoll_create(Task& task, i32 size) {
  if (size <= 0) return Errno::kInval;
  return create_epoll(task, false);
}

SysResult sys::epoll_create1(Task& task, OpenFlags flags) {
  if (!has_only(flags, OpenFlags::kCloseOnExec)) return Errno::kInval;
  return create_epoll(task, has(flags, OpenFlags::kCloseOnExec));
}

SysResult sys::epoll_ctl(Task& task, Fd epoll_fd, i32 operation, Fd fd,
                         UserIn<abi::EpollEvent> event) {
  abi::EpollEvent wanted{};
  if (operation != kDelete) wanted = TRY(event.load());
  auto epoll_file = TRY(task.files().use(epoll_fd.value));
  auto file = TRY(task.files().use(fd.value));
  if (!file->poll_queue()) return Errno::kPerm;
  if (epoll_file.get() == file.get() || epoll_file->kind() != File::Kind::kEpoll) return Errno::kInval;
  if (operation != kDelete && (wanted.events & kEpollExclusive)) {
    if (operation == kModify) return Errno::kInval;
    if (wanted.events & ~kExclusiveAllowed) return Errno::kInval;
  }
  auto& epoll = static_cast<Epoll&>(*epoll_file);
  switch (operation) {
    case kAdd:
      TRY(epoll.add(file.ref(), fd.value, wanted));
      return i64{0};
    case kModify:
      TRY(epoll.modify(*file, fd.value, wanted));
      return i64{0};
    case kDelete:
      TRY(epoll.remove(*file, fd.value));
      return i64{0};
    default:
      return Errno::kInval;
  }
}

SysResult sys::epoll_wait(Task& task, Fd fd, UserAddr events, i32 limit, i32 timeout_ms) {
  return wait_for_events(task, fd, events, limit, deadline_of_ms(timeout_ms));
}

SysResult sys::epoll_pwait(Task& task, Fd fd, UserAddr events, i32 limit, i32 timeout_ms,
                           UserAddr mask, usize mask_size) {
  TemporaryMask temporary(task);
  TRY(temporary.set(mask, mask_size));
  return temporary.done(wait_for_events(task, fd, events, limit, deadline_of_ms(timeout_ms)));
}

SysResult sys::epoll_pwait2(Task& task, Fd fd, UserAddr events, i32 limit, UserAddr timeout,
                            UserAddr mask, usize mask_size) {
  u64 deadline = kForever;
  if (timeout.value != 0) {
    const u64 ns = TRY(to_nanoseconds(TRY(load_user<abi::TimeSpec>(timeout))));
    deadline = ns == 0 ? 0 : deadline_after(ns);
  }
  TemporaryMask temporary(task);
  TRY(temporary.set(mask, mask_size));
  return temporary.done(wait_for_events(task, fd, events, limit, deadline));
}

}  // namespace narwhal
