#include "process/exit.h"

#include "process/family.h"
#include "process/futex.h"
#include "process/signals.h"

namespace narwhal {

void begin_group_exit(Process& process, i32 status) {
  SpinGuard guard(thread_list_lock);
  Family::begin_exit(process, status);
}

void exit_group(i32 status) {
  begin_group_exit(current_process(), status);
  exit_task(status);
}

void exit_task(i32 status) {
  Task& task = current_task();
  // From here on nothing ends a sleep early: signals are for the other tasks.
  Family::begin_ending(task);
  release_robust_futexes(task);
  if (task.clear_child_tid.value != 0 && task.memory_ref()->ref_count() > 1) {
    // Others use the memory still: pthread_join(3) waits for this word.
    if (store_user(task.clear_child_tid, u32{0}).ok())
      futex_wake(task, task.clear_child_tid, 1).ignore();
  }
  task.release_resources();
  discard_all_pending(task);
  if (Family::leave(task, status)) task.process().timers.stop_all();
  exit_thread();
}

}  // namespace narwhal
