// Numbers of tasks, processes, process groups and sessions, and what they stand for.
#pragma once

#include "process/task.h"

namespace narwhal {

// Guards the tables and all of process/family.h. Taken before a process's signal lock.
extern SpinLock<LockRank::kThreadList> thread_list_lock;

// How many tasks there may be at once, whoever they belong to (/proc/sys/kernel/threads-max).
extern Atomic<u32> task_limit;

inline constexpr u32 kPidLimit = 4'194'304;
extern Atomic<u32> pid_limit;  // /proc/sys/kernel/pid_max, at most kPidLimit

// Null when there is none. A process is found until its parent has waited for it, a task until it
// ends.
Ref<Task> find_task(u32 tid);
Ref<Process> find_process(u32 pid);
// The task that stands for a process: its leader, or any other once that has ended.
Ref<Task> find_task_of(Process& process);
u32 last_pid();
// /proc/sys/kernel/ns_last_pid: the next number is looked for behind this one.
void set_last_pid(u32 number);
u64 tasks_made();  // since boot

namespace pid_table {

// Under thread_list_lock. ENOMEM, EAGAIN when no number is free, EEXIST when `wanted` is not.
Result<u32> take_number(u32 wanted = 0) TA_REQUIRES(thread_list_lock);
Result<> add(Task& task) TA_REQUIRES(thread_list_lock);
Result<> add(Process& process) TA_REQUIRES(thread_list_lock);
void remove(Task& task) TA_REQUIRES(thread_list_lock);
void remove(Process& process) TA_REQUIRES(thread_list_lock);
Task* task(u32 tid) TA_REQUIRES(thread_list_lock);
Process* process(u32 pid) TA_REQUIRES(thread_list_lock);

struct TaskTraits {
  static u64 hash(const Task& task) { return mix_hash(task.tid()); }
};
struct ProcessTraits {
  static u64 hash(const Process& process) { return mix_hash(process.pid()); }
};
using Tasks = HashTable<Task, &Task::tid_node, TaskTraits>;
using Processes = HashTable<Process, &Process::pid_node, ProcessTraits>;
const Tasks& tasks() TA_REQUIRES(thread_list_lock);
const Processes& processes() TA_REQUIRES(thread_list_lock);

}  // namespace pid_table
}  // namespace narwhal
