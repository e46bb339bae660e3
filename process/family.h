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
  // Takes the ending task out of its group. True when it was the last: then the process is a zombie
  // and its parent has been told. `status` is the process's unless the group already has one.
  static bool leave(Task& task, i32 status);

  // --- stopping (job control)
  static void begin_stop(Process& process, Signal signal) TA_REQUIRES(thread_list_lock);
  static void go_on(Process& process) TA_REQUIRES(thread_list_lock);
  static WaitQueue& continued(Process& process) { return process.continued_; }

  // --- state, for those who may look
  static Process* parent(Process& process) TA_REQUIRES(thread_list_lock) { return process.parent_; }
  static bool zombie(const Process& process) { return process.zombie_; }
  static bool executed(const Process& process) { return process.executed_; }
  static i32 wait_status(const Process& process) { return process.wait_status_; }
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

  // --- waiting
  struct WaitRequest {
    i32 which;  // as wait4(2): > 0 a pid, 0 the caller's group, -1 any child, < -1 a group
    bool exited, stopped, continued;
    bool keep;                     // WNOWAIT
    bool clones_too, clones_only;  // __WALL, __WCLONE
  };
  struct WaitResult {
    u32 pid = 0;  // 0: nothing yet
    u32 uid = 0;
    i32 wait_status = 0;
    bool is_stop = false, is_continue = false;
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
  static void forget(Process& process) TA_REQUIRES(thread_list_lock);
  static bool matches(const Process& parent, const Process& child, const WaitRequest& request);
};

}  // namespace narwhal
