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

bool current_left_terminal() {
  const Process* process = calling_process();
  return process && process->left_terminal.load(Order::kRelaxed);
}
void current_leaves_terminal() {
  if (Process* process = calling_process()) process->left_terminal.store(true);
}

u32 current_user() {
  return calling_process() ? current_task().credentials().fsuid : 0;
}
bool current_can(Capability capability) {
  return !calling_process() || current_task().credentials().capable(capability);
}

void signal_one(u32 pid, Signal signal) {
  if (auto process = find_process(pid)) send_signal(*process, kernel_signal(signal)).ignore();
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
  JobControl functions;
  functions.current_process = current_process_number;
  functions.current_group = current_group;
  functions.current_session = current_session;
  functions.current_left_terminal = current_left_terminal;
  functions.current_leaves_terminal = current_leaves_terminal;
  functions.current_user = current_user;
  functions.current_can = current_can;
  functions.signal_process = signal_one;
  functions.signal_group = signal_whole_group;
  functions.current_ignores = current_ignores;
  functions.group_is_orphaned = group_is_orphaned;
  functions.session_of_group = session_of_group;
  set_job_control(functions);
}

}  // namespace narwhal
