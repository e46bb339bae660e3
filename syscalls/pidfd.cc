// pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).
#include "process/pidfd.h"

#include "kernel/abi/resource.h"
#include "process/access.h"
#include "process/family.h"
#include "process/proc/process_of.h"
#include "process/signals.h"
#include "syscalls/handlers.h"
#include "syscalls/pidfd_argument.h"
#include "syscalls/signal_info.h"
#include "syscalls/signal_target.h"

namespace narwhal {

Result<Ref<PidFd>> load_pidfd(Task& task, Fd fd) {
  auto file = TRY(task.files().get(fd.value));
  if (file->kind() != File::Kind::kPidFd) return Errno::kBadF;
  return Ref<PidFd>(static_cast<PidFd*>(file.get()));
}

SysResult sys::pidfd_open(Task& task, Pid pid, OpenFlags flags) {
  // PIDFD_THREAD has the number of O_EXCL.
  if (!has_only(flags, OpenFlags::kNonBlock | OpenFlags::kExclusive)) return Errno::kInval;
  if (pid.value <= 0) return Errno::kInval;
  auto process = find_process(u32(pid.value));
  auto thread = process ? Ref<Task>() : find_task(u32(pid.value));
  if (!process && !thread) return Errno::kSrch;
  // The number of a thread that leads no process is EINVAL, unless threads are asked for.
  if (thread && !has(flags, OpenFlags::kExclusive)) return Errno::kInval;
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto file = thread ? TRY(make_ref<PidFd>(std::move(thread), flags))
                     : TRY(make_ref<PidFd>(std::move(process), flags));
  return std::move(fd).commit(std::move(file), true);
}

namespace {

enum SendScope : u32 { kThread = 1, kThreadGroup = 2, kProcessGroup = 4 };

// What a signal may be sent by: a pidfd, or a directory of /proc, as in the days before
// pidfd_open(2).
struct Target {
  Ref<Process> process;
  Ref<PidFd> pidfd;  // null: a directory

  bool of_thread() const { return pidfd && pidfd->of_thread(); }
  Ref<Task> thread() const { return pidfd ? pidfd->thread() : find_task(process->pid()); }
  bool ended() const {
    if (pidfd && pidfd->of_member()) return !pidfd->thread();
    SpinGuard guard(thread_list_lock);
    return !Family::known(*process);
  }
};

Result<Target> load_target(Task& task, Fd fd) {
  const auto file = TRY(task.files().get(fd.value));
  if (file->kind() != File::Kind::kPidFd) return Target{TRY(proc_process_of(*file)), nullptr};
  auto pidfd = Ref<PidFd>(static_cast<PidFd*>(file.get()));
  return Target{Ref<Process>(&pidfd->process()), pidfd};
}

// The group that the process leads.
Result<> send_to_led_group(Task& task, const Target& target, i32 signal,
                           const abi::SignalInfo& info) {
  if (target.pidfd && target.pidfd->of_member()) return Errno::kSrch;
  return send_to_group(task, target.process->pid(), signal, info);
}

}  // namespace

SysResult sys::pidfd_send_signal(Task& task, Fd fd, SignalNumber signal, UserAddr address,
                                 HexInt flags) {
  constexpr u32 kScopes = kThread | kThreadGroup | kProcessGroup;
  if ((flags.value & ~kScopes) || (flags.value & (flags.value - 1))) return Errno::kInval;
  const Target target = TRY(load_target(task, fd));
  const u32 scope = flags.value != 0 ? flags.value : target.of_thread() ? kThread : kThreadGroup;
  abi::SignalInfo info =
      user_signal(Signal(signal.value), scope == kThread ? abi::kCodeTkill : abi::kCodeUser, task);
  if (address.value != 0) {
    info = TRY(load_signal_info(address));
    if (info.number != signal.value) return Errno::kInval;
    const bool itself = scope != kProcessGroup && target.thread().get() == &task;
    if (feigned(info) && !itself) return Errno::kPerm;
  }
  if (target.ended()) return Errno::kSrch;
  if (scope == kProcessGroup) {
    TRY(send_to_led_group(task, target, signal.value, info));
  } else if (scope == kThreadGroup) {
    TRY(send_checked(task, *target.process, signal.value, info));
  } else if (const Ref<Task> thread = target.thread()) {
    TRY(send_checked(task, *thread, signal.value, info));
  }
  return i64{0};
}

SysResult sys::pidfd_getfd(Task& task, Fd pidfd, Fd fd, HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  const auto target = TRY(load_pidfd(task, pidfd));
  const auto other = target->task();
  if (!other) return Errno::kSrch;
  if (!may_inspect(task, *other)) return Errno::kPerm;
  const auto files = other->files_copy();
  if (!files) return Errno::kSrch;
  auto file = TRY(files->get_any(fd.value));
  auto own = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  return std::move(own).commit(std::move(file), true);
}

}  // namespace narwhal
