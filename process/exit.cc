#include "process/exit.h"

#include "fs/tty/terminal.h"
#include "process/absent.h"
#include "process/accounting.h"
#include "process/family.h"
#include "process/futex.h"
#include "process/ptrace.h"
#include "process/signals.h"

namespace narwhal {
namespace {

// The session loses its terminal with its leader.
void release_terminal(const Process& process) {
  if (process.session_id() == process.pid()) Terminal::session_leader_ended(process.pid());
}

}  // namespace

void begin_group_exit(Process& process, i32 status) {
  SpinGuard guard(thread_list_lock);
  Family::begin_exit(process, status);
}

void exit_group(i32 status) {
  constexpr i32 kUnknownCommand = 127;
  if (status == kUnknownCommand << 8) note_unknown_command();
  ptrace::event(current_task(), ptrace::Event::kExit, u64(u32(status)));
  begin_group_exit(current_process(), status);
  exit_task(status);
}

void exit_task(i32 status) {
  Task& task = current_task();
  if (!task.process().exiting()) ptrace::event(task, ptrace::Event::kExit, u64(u32(status)));
  accounting::End end{status, 0};
  if (accounting::is_on()) [[unlikely]]
    end.memory_pages = task.memory().statistics().total;
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
  // Before the parent hears of the end. Of two tasks that end at once, perhaps neither is alone
  // here; then the last one sees to it.
  const bool alone = task.process().task_count() == 1;
  if (alone) release_terminal(task.process());
  if (alone && accounting::is_on()) {
    if (task.process().exiting()) end.wait_status = Family::wait_status(task.process());
    accounting::write(task, end);
  }
  if (Family::leave(task, status)) {
    release_terminal(task.process());
    if (!alone && accounting::is_on()) {
      end.wait_status = Family::wait_status(task.process());
      accounting::write(task, end);
    }
    task.process().timers.stop_all();
  }
  exit_thread();
}

}  // namespace narwhal
