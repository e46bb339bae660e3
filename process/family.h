// Who belongs to whom: the tasks of a process, the children of a parent; how processes end and are
// waited for. The only code that touches those members of Process.
#pragma once

#include "process/pid_table.h"

namespace narwhal {

// Called, in the context of its last task, when the first process has ended: the program is over.
// The status is as wait4(2) stores it.
void set_program_ended_handler(void (*ended)(i32 wait_status));

class Family {
 public:
  // --- tasks of a process
  static Task* first_task(Process& process) TA_REQUIRES(thread_list_lock) {
    return static_cast<Task*>(process.tasks_.front());
  }
  template <typename Visit>
  static void for_each_task(Process& process, Visit visit) TA_REQUIRES(thread_list_lock) {
    for (GroupMember* member = process.tasks_.front(); member;
         member = process.tasks_.next(*member))
      visit(static_cast<Task&>(*member));
  }
  template <typename Visit>
  static void for_each_child(Process& process, Visit visit) TA_REQUIRES(thread_list_lock) {
    for (Process* child = process.children_.front(); child; child = process.children_.next(*child))
      visit(*child);
  }

  // --- the end
  // The whole group is to end with this status; the first such call counts. Every task is told, and
  // ends on its way back to the program.
  static void begin_exit(Process& process, i32 wait_status) TA_REQUIRES(thread_list_lock);
  // The first step of the current task's end: from here on it takes no signals. While its process
  // is being dumped it comes to rest here, its registers saved, until the dump is finished.
  static void begin_ending(Task& task);
  // Takes the ending task out of its group. True when it was the last: then the process is a zombie
  // and its parent has been told. `status` is the process's unless the group already has one.
  static bool leave(Task& task, i32 status);

  // --- core dumps (process/core_dump.h)
  // The whole group is to end by this signal, and the current task will dump it: returns when all
  // other tasks have come to rest. False: the group ends already.
  static bool begin_dump(Task& task, Signal signal);
  static void finish_dump(Process& process, bool dumped);
  // SIGKILL ends a dump that somebody else keeps from going on, and is then what killed the process.
  static void abandon_dump(Process& process) TA_REQUIRES(thread_list_lock);
  static bool dump_abandoned(const Process& process) {
    return process.dump_abandoned_.load(Order::kAcquire);
  }
  static bool at_rest(const Task& task) { return task.at_rest_; }

  // execve(2): tells all other tasks of the current one's process to end, waits until they have,
  // and makes the current one the leader, with the process's number. kRestartNoIntr when the whole
  // group ends, or another task is at the same before.
  static Result<> become_only_task(Task& task);
  // After that, when nothing can fail any more: handlers are the process's own, what was caught
  // gets its default action. ENOMEM.
  static Result<> reset_handlers(Process& process);
  static void set_executed(Process& process) { process.executed_ = true; }
  // What getrusage(2) says of memory that is given up.
  static void note_peak_memory(Process& process, u64 resident_pages);

  // Of all tasks that ever ended.
  static const ResourceUsage& ended_usage() TA_REQUIRES(thread_list_lock);

  // --- stopping (job control)
  static void begin_stop(Process& process, Signal signal) TA_REQUIRES(thread_list_lock);
  static void go_on(Process& process) TA_REQUIRES(thread_list_lock);
  // Of a stopped process: what stopped it.
  static i32 stop_signal(const Process& process) { return process.stop_signal_; }
  static WaitQueue& continued(Process& process) { return process.continued_; }

  // --- state, for those who may look
  static void set_parent(Process& process, Process* parent) TA_REQUIRES(thread_list_lock) {
    process.parent_ = parent;
    process.parent_pid_.store(parent ? parent->pid_ : 0, Order::kRelaxed);
  }
  static Process* parent(Process& process) TA_REQUIRES(thread_list_lock) { return process.parent_; }
  static bool zombie(const Process& process) { return process.zombie_; }
  // Nobody has waited for it yet.
  static bool known(const Process& process) TA_REQUIRES(thread_list_lock) {
    return pid_table::process(process.pid_) == &process;
  }
  static bool executed(const Process& process) { return process.executed_; }
  static i32 wait_status(const Process& process) { return process.wait_status_; }
  static Signal exit_signal(const Process& process) { return process.exit_signal_; }
  // Of a zombie, for /proc: real user and name of its last task.
  static u32 ended_uid(const Process& process) { return process.ended_uid_; }
  // What sched_getscheduler(2) and sched_getparam(2) say of it.
  static i32 ended_policy(const Process& process) { return process.ended_policy_; }
  static i32 ended_priority(const Process& process) { return process.ended_priority_; }
  static std::string_view ended_name(const Process& process) { return process.ended_name_; }
  static void set_group(Process& process, u32 group) TA_REQUIRES(thread_list_lock) {
    process.group_id_ = group;
  }
  static void set_session(Process& process, u32 session) TA_REQUIRES(thread_list_lock) {
    process.session_id_ = session;
  }
  // No member of the group has a parent in the same session but outside the group (POSIX): nobody
  // could continue it.
  static bool group_orphaned(u32 group, const Process* without = nullptr)
      TA_REQUIRES(thread_list_lock);
  static bool group_exists(u32 group) TA_REQUIRES(thread_list_lock);
  static bool group_in_session(u32 group, u32 session) TA_REQUIRES(thread_list_lock);

  // --- waiting
  struct WaitRequest {
    enum class Which : u8 { kAny, kPid, kGroup, kProcess };
    Which which = Which::kAny;
    u32 number = 0;  // of the process or group; 0: the caller's group
    const Process* process = nullptr;
    u32 thread = 0;  // only children of this one of the caller's threads; 0: of any
    bool exited = false, stopped = false, continued = false;
    bool keep = false;                             // WNOWAIT
    bool clones_too = false, clones_only = false;  // __WALL, __WCLONE
  };
  struct WaitResult {
    u32 pid = 0;  // 0: nothing yet
    u32 uid = 0;
    i32 wait_status = 0;
    bool is_stop = false, is_continue = false;
    bool is_trap = false;  // a stop for its tracer
    ResourceUsage usage;
  };
  // ECHILD when no child could ever match. Never sleeps.
  static Result<WaitResult> poll_children(Process& parent, const WaitRequest& request);

 private:
  friend struct TaskBuilder;
  static void notify_parent(Process& process) TA_REQUIRES(thread_list_lock);
  static void notify_parent_of_stop(Process& process, i32 code, i32 status)
      TA_REQUIRES(thread_list_lock);
  static void reparent_children(Process& process) TA_REQUIRES(thread_list_lock);
  static void tell_if_orphaned(const Process& process, const Process* parent,
                               const Process* without) TA_REQUIRES(thread_list_lock);
  static void limit_adopted_zombies(Process& first) TA_REQUIRES(thread_list_lock);
  static void tell_of_death(Process& child, const Process& parent, u32 parent_uid)
      TA_REQUIRES(thread_list_lock);
  static void hand_over_children(Process& process, const Task& task) TA_REQUIRES(thread_list_lock);
  static void forget(Process& process) TA_REQUIRES(thread_list_lock);
  static bool all_others_rest(Task& task) TA_REQUIRES(thread_list_lock);
  static bool matches(const Process& parent, const Process& child, const WaitRequest& request);
};

}  // namespace narwhal
