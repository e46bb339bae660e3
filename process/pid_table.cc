#include "process/pid_table.h"

#include "process/family.h"

namespace narwhal {

constinit SpinLock<LockRank::kThreadList> thread_list_lock;

constinit Atomic<u32> task_limit{kPidLimit};
constinit Atomic<u32> pid_limit{kPidLimit};

namespace {

constinit pid_table::Tasks task_table TA_GUARDED_BY(thread_list_lock);
constinit pid_table::Processes process_table TA_GUARDED_BY(thread_list_lock);
constinit u32 last_number TA_GUARDED_BY(thread_list_lock) = 0;
constinit u64 tasks_added TA_GUARDED_BY(thread_list_lock) = 0;
// Numbers ahead may be taken: all have been given once, or somebody chose one (clone3(2)).
constinit bool some_are_taken TA_GUARDED_BY(thread_list_lock) = false;

// A number stays taken while a group or session bears it (setpgid(2)).
bool group_bears(u32 number) TA_REQUIRES(thread_list_lock) {
  bool found = false;
  process_table.for_each([&](Process& process) {
    if (process.group_id() == number || process.session_id() == number) found = true;
  });
  return found;
}

bool is_free(u32 number) TA_REQUIRES(thread_list_lock) {
  return !pid_table::task(number) && !pid_table::process(number) && !group_bears(number);
}

}  // namespace

Result<u32> pid_table::take_number(u32 wanted) {
  if (wanted != 0) {
    if (!is_free(wanted)) return Errno::kExist;
    some_are_taken = true;
    return wanted;
  }
  constexpr u32 kFirstAfterWrap = 300;  // as Linux: low numbers are not used again
  for (u32 tries = 0; tries < kPidLimit; ++tries) {
    if (++last_number >= pid_limit.load(Order::kRelaxed)) {
      last_number = kFirstAfterWrap;
      some_are_taken = true;
    }
    if (!some_are_taken || is_free(last_number)) return last_number;
  }
  return Errno::kAgain;
}

Result<> pid_table::add(Task& task) {
  TRY(task_table.insert(task));
  ++tasks_added;
  return {};
}
Result<> pid_table::add(Process& process) {
  return process_table.insert(process);
}
void pid_table::remove(Task& task) {
  task_table.remove(task);
}
void pid_table::remove(Process& process) {
  process_table.remove(process);
}
Task* pid_table::task(u32 tid) {
  return task_table.find(mix_hash(tid), [=](const Task& task) { return task.tid() == tid; });
}
Process* pid_table::process(u32 pid) {
  return process_table.find(mix_hash(pid),
                            [=](const Process& process) { return process.pid() == pid; });
}
const pid_table::Tasks& pid_table::tasks() {
  return task_table;
}
const pid_table::Processes& pid_table::processes() {
  return process_table;
}

Ref<Task> find_task(u32 tid) {
  SpinGuard guard(thread_list_lock);
  return Ref<Task>(pid_table::task(tid));
}
Ref<Process> find_process(u32 pid) {
  SpinGuard guard(thread_list_lock);
  return Ref<Process>(pid_table::process(pid));
}
Ref<Task> find_task_of(Process& process) {
  SpinGuard guard(thread_list_lock);
  if (Task* leader = pid_table::task(process.pid())) return Ref<Task>(leader);
  return Ref<Task>(Family::first_task(process));
}
u64 tasks_made() {
  SpinGuard guard(thread_list_lock);
  return tasks_added;
}
void set_last_pid(u32 number) {
  SpinGuard guard(thread_list_lock);
  if (number < last_number) some_are_taken = true;
  last_number = number;
}
u32 last_pid() {
  SpinGuard guard(thread_list_lock);
  return last_number;
}

}  // namespace narwhal
