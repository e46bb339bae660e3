// Whom setpriority(2) and ioprio_set(2) mean: a thread, the processes of a group, or those of a
// user.
#pragma once

#include "process/pid_table.h"

namespace narwhal {

enum class PriorityTarget : u8 { kThread, kGroup, kUser };

// Calls visit(task) for each under thread_list_lock; returns how many there were. `who` 0: the
// caller, its group, its user.
template <typename Visit>
u32 for_each_target(Task& caller, PriorityTarget target, u32 who, Visit visit) {
  u32 count = 0;
  SpinGuard guard(thread_list_lock);
  if (target == PriorityTarget::kThread) {
    Task* task = who == 0 ? &caller : pid_table::task(who);
    if (!task) return 0;
    visit(*task);
    return 1;
  }
  if (who == 0)
    who = target == PriorityTarget::kGroup ? caller.process().group_id() : caller.credentials().uid;
  pid_table::tasks().for_each([&](Task& task) {
    const u32 number =
        target == PriorityTarget::kGroup ? task.process().group_id() : task.credentials().uid;
    if (number != who) return;
    visit(task);
    ++count;
  });
  return count;
}

}  // namespace narwhal
