// Numbers of processes, process groups and sessions: getpid(2), setpgid(2), setsid(2) and the like.
#include "process/family.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// The process that a number means, which may be that of any of its tasks; 0: the caller's. ESRCH.
Result<Process*> find_by_task(Task& task, Pid pid) TA_REQUIRES(thread_list_lock) {
  if (pid.value == 0) return &task.process();
  if (Task* found = pid_table::task(u32(pid.value))) return &found->process();
  if (Process* zombie = pid_table::process(u32(pid.value))) return zombie;
  return Errno::kSrch;
}

bool leads_session(const Process& process) {
  return process.session_id() == process.pid();
}

}  // namespace

SysResult sys::getpid(Task& task) {
  return i64(task.process().pid());
}

SysResult sys::getppid(Task& task) {
  return i64(task.process().parent_pid());
}

SysResult sys::getpgrp(Task& task) {
  return i64(task.process().group_id());
}

SysResult sys::getpgid(Task& task, Pid pid) {
  SpinGuard guard(thread_list_lock);
  return i64(TRY(find_by_task(task, pid))->group_id());
}

SysResult sys::getsid(Task& task, Pid pid) {
  SpinGuard guard(thread_list_lock);
  return i64(TRY(find_by_task(task, pid))->session_id());
}

SysResult sys::setpgid(Task& task, Pid pid, Pid group) {
  Process& self = task.process();
  const i32 which = pid.value != 0 ? pid.value : i32(self.pid());
  const i32 target = group.value != 0 ? group.value : which;
  if (target < 0) return Errno::kInval;
  SpinGuard guard(thread_list_lock);
  Process* process = pid_table::process(u32(which));
  // The number of a thread that leads no process is EINVAL, not ESRCH.
  if (!process) return pid_table::task(u32(which)) ? Errno::kInval : Errno::kSrch;
  if (Family::parent(*process) == &self) {
    if (process->session_id() != self.session_id()) return Errno::kPerm;
    if (Family::executed(*process)) return Errno::kAcces;
  } else if (process != &self) {
    return Errno::kSrch;
  }
  if (leads_session(*process)) return Errno::kPerm;
  if (target != which && !Family::group_in_session(u32(target), self.session_id()))
    return Errno::kPerm;
  Family::set_group(*process, u32(target));
  return i64{0};
}

SysResult sys::setsid(Task& task) {
  Process& process = task.process();
  SpinGuard guard(thread_list_lock);
  if (leads_session(process) || Family::group_exists(process.pid())) return Errno::kPerm;
  Family::set_session(process, process.pid());
  Family::set_group(process, process.pid());
  process.left_terminal.store(false);
  return i64(process.session_id());
}

}  // namespace narwhal
