#include "process/terminals.h"

#include "fs/tty/job_control.h"
#include "process/family.h"
#include "process/signals.h"

namespace narwhal {
namespace {

// Terminals have threads of their own, which belong to no process.
Process* calling_process() {
  Thread* thread = current_thread();
  return thread->user_context() ? &static_cast<Task*>(thread)->process() : nullptr;
}

u32 current_process_number() {
  const Process* process = calling_process();
  return process ? process->pid() : 0;
}
u32 current_group() {
  const Process* process = calling_process();
  return process ? process->group_id() : 0;
}
u32 current_session() {
  const Process* process = calling_process();
  return process ? process->session_id() : 0;
}

void signal_whole_group(u32 group, Signal signal) {
  signal_group(group, signal);
}

bool current_ignores(Signal signal) {
  const Process* process = calling_process();
  if (!process) return false;
  return current_task().signals.blocked.has(signal) ||
         process->handlers().get(signal).handler == abi::kSignalIgnore;
}

bool group_is_orphaned(u32 group) {
  SpinGuard guard(thread_list_lock);
  return Family::group_orphaned(group);
}

u32 session_of_group(u32 group) {
  SpinGuard guard(thread_list_lock);
  u32 session = 0;
  pid_table::processes().for_each([&](Process& process) {
    if (process.group_id() == group) session = process.session_id();
  });
  return session;
}

}  // namespace

void process_terminals_init() {
  set_job_control({current_process_number, current_group, current_session, signal_whole_group,
                   current_ignores, group_is_orphaned, session_of_group});
}

}  // namespace narwhal
