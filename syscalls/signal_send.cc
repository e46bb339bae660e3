// Sending and fetching: kill(2), tgkill(2), sigqueue(3), sigtimedwait(2), signalfd(2).
#include "kernel/abi/resource.h"
#include "process/pid_table.h"
#include "process/signalfd.h"
#include "process/signals.h"
#include "syscalls/handlers.h"
#include "syscalls/signal_info.h"
#include "syscalls/signal_mask.h"
#include "syscalls/signal_target.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

SysResult as_result(const Result<>& sent) {
  if (!sent.ok()) return sent.error();
  return i64{0};
}

// To one thread. `pid` 0: of whatever process.
SysResult send_to_thread(Task& sender, i32 pid, i32 tid, i32 signal, const abi::SignalInfo& info) {
  const Ref<Task> target = find_task(u32(tid));
  if (!target || (pid > 0 && target->process().pid() != u32(pid))) return Errno::kSrch;
  return as_result(send_checked(sender, *target, signal, info));
}

Result<abi::SignalInfo> load_info(UserAddr address, i32 signal) {
  abi::SignalInfo info = TRY(load_signal_info(address));
  info.number = signal;
  return info;
}

SysResult make_signalfd(Task& task, Fd old, UserAddr set, usize size, OpenFlags flags) {
  const SignalSet mask = TRY(load_signal_set(set, size));
  if (!has_only(flags, OpenFlags::kNonBlock | OpenFlags::kCloseOnExec)) return Errno::kInval;
  if (old.value != -1) {
    auto file = TRY(task.files().get(old.value));
    if (file->kind() != File::Kind::kSignalFd) return Errno::kInval;
    static_cast<SignalFd&>(*file).set_mask(mask);
    return old.value;
  }
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto file = TRY(make_ref<SignalFd>(mask, OpenFlags::kReadWrite | (flags & OpenFlags::kNonBlock)));
  return std::move(fd).commit(std::move(file), has(flags, OpenFlags::kCloseOnExec));
}

}  // namespace

SysResult sys::kill(Task& task, Pid pid, SignalNumber signal) {
  const abi::SignalInfo info = user_signal(Signal(signal.value), abi::kCodeUser, task);
  if (pid.value > 0) {
    const Ref<Process> target = find_signal_target(u32(pid.value));
    if (!target) return Errno::kSrch;
    return as_result(send_checked(task, *target, signal.value, info));
  }
  if (pid.value == -1) return as_result(send_to_all(task, signal.value, info));
  const u32 group = pid.value == 0 ? task.process().group_id() : 0u - u32(pid.value);
  return as_result(send_to_group(task, group, signal.value, info));
}

SysResult sys::tkill(Task& task, Pid tid, SignalNumber signal) {
  if (tid.value <= 0) return Errno::kInval;
  return send_to_thread(task, 0, tid.value, signal.value,
                        user_signal(Signal(signal.value), abi::kCodeTkill, task));
}

SysResult sys::tgkill(Task& task, Pid pid, Pid tid, SignalNumber signal) {
  if (pid.value <= 0 || tid.value <= 0) return Errno::kInval;
  return send_to_thread(task, pid.value, tid.value, signal.value,
                        user_signal(Signal(signal.value), abi::kCodeTkill, task));
}

SysResult sys::rt_sigqueueinfo(Task& task, Pid pid, SignalNumber signal, UserAddr address) {
  const abi::SignalInfo info = TRY(load_info(address, signal.value));
  if (feigned(info) && i32(task.tid()) != pid.value) return Errno::kPerm;
  const Ref<Process> target = pid.value > 0 ? find_signal_target(u32(pid.value)) : Ref<Process>();
  if (!target) return Errno::kSrch;
  return as_result(send_checked(task, *target, signal.value, info));
}

SysResult sys::rt_tgsigqueueinfo(Task& task, Pid pid, Pid tid, SignalNumber signal,
                                 UserAddr address) {
  const abi::SignalInfo info = TRY(load_info(address, signal.value));
  if (pid.value <= 0 || tid.value <= 0) return Errno::kInval;
  if (feigned(info) && i32(task.tid()) != tid.value) return Errno::kPerm;
  return send_to_thread(task, pid.value, tid.value, signal.value, info);
}

SysResult sys::rt_sigtimedwait(Task& task, UserAddr set, UserAddr info_address, UserAddr timeout,
                               usize size) {
  const SignalSet wanted = TRY(load_signal_set(set, size));
  u64 deadline = kForever;
  if (timeout.value != 0) {
    const u64 ns = TRY(to_nanoseconds(TRY(load_user<abi::TimeSpec>(timeout))));
    deadline = ns == 0 ? 0 : deadline_after(ns);
  }
  abi::SignalInfo info;
  const auto attempt = [&]() -> Result<> {
    if (!dequeue_signal(task, wanted, info)) return Errno::kAgain;
    return {};
  };
  Result<> fetched = deadline == 0 ? attempt()
                                   : block_until_ready(task.process().signal_arrival, kPollReadable,
                                                       deadline, attempt);
  if (fetched.failed(Errno::kTimedOut)) return Errno::kAgain;
  // Another signal came; signal(7): never restarted.
  if (fetched.failed(Errno::kRestartSys)) return Errno::kIntr;
  TRY(fetched);
  if (info_address.value != 0 && platform::copy_to_user(info_address, &info, sizeof info) != 0)
    return Errno::kFault;
  return info.number;
}

SysResult sys::signalfd(Task& task, Fd fd, UserAddr set, usize size) {
  return make_signalfd(task, fd, set, size, OpenFlags::kReadOnly);
}

SysResult sys::signalfd4(Task& task, Fd fd, UserAddr set, usize size, OpenFlags flags) {
  return make_signalfd(task, fd, set, size, flags);
}

}  // namespace narwhal
