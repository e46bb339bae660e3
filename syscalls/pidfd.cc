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
  if (!has_only(flags, OpenFlags::kNonBlock)) return Errno::kInval;
  if (pid.value <= 0) return Errno::kInval;
  auto process = find_process(u32(pid.value));
  // The number of a thread that leads no process is EINVAL.
  if (!process) return find_task(u32(pid.value)) ? Errno::kInval : Errno::kSrch;
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto file = TRY(make_ref<PidFd>(std::move(process), flags));
  return std::move(fd).commit(std::move(file), true);
}

SysResult sys::pidfd_send_signal(Task& task, Fd fd, SignalNumber signal, UserAddr address,
                                 HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  // A directory of /proc does as well, as in the days before pidfd_open(2).
  const auto file = TRY(task.files().get(fd.value));
  const auto process = file->kind() == File::Kind::kPidFd
                           ? Ref<Process>(&static_cast<PidFd&>(*file).process())
                           : TRY(proc_process_of(*file));
  Process& target = *process;
  abi::SignalInfo info = user_signal(Signal(signal.value), abi::kCodeUser, task);
  if (address.value != 0) {
    info = TRY(load_signal_info(address));
    if (info.number != signal.value) return Errno::kInval;
    if (feigned(info) && !(task.is_leader() && &target == &task.process())) return Errno::kPerm;
  }
  {
    SpinGuard guard(thread_list_lock);
    if (!Family::known(target)) return Errno::kSrch;
  }
  TRY(send_checked(task, target, signal.value, info));
  return i64{0};
}

SysResult sys::pidfd_getfd(Task& task, Fd pidfd, Fd fd, HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  const auto target = TRY(load_pidfd(task, pidfd));
  const auto other = find_task_of(target->process());
  if (!other) return Errno::kSrch;
  if (!may_inspect(task, *other)) return Errno::kPerm;
  const auto files = other->files_copy();
  if (!files) return Errno::kSrch;
  auto file = TRY(files->get_any(fd.value));
  auto own = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  return std::move(own).commit(std::move(file), true);
}

}  // namespace narwhal
