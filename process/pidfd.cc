#include "process/pidfd.h"

#include "kernel/base/format.h"
#include "process/family.h"

namespace narwhal {

Ref<Task> PidFd::thread() const {
  const u32 tid = thread_ ? thread_->tid() : process_->pid();
  Ref<Task> found = find_task(tid);
  // Another may have the number by now.
  if (found && &found->process() != process_.get()) return nullptr;
  if (thread_ && found.get() != thread_.get()) return nullptr;
  return found;
}

Ref<Task> PidFd::task() const {
  return of_thread() ? thread() : find_task_of(*process_);
}

PollEvents PidFd::poll() {
  constexpr PollEvents kGone = kPollReadable | PollEvents::kHup;
  SpinGuard guard(thread_list_lock);
  if (thread_) return pid_table::task(thread_->tid()) == thread_.get() ? PollEvents::kNone : kGone;
  if (!Family::known(*process_)) return kGone;
  if (Family::zombie(*process_)) return kPollReadable;
  // A leader may end before the others.
  if (of_thread() && !pid_table::task(process_->pid())) return kPollReadable;
  return PollEvents::kNone;
}

void PidFd::describe(TextSink& out) const {
  i32 pid;
  {
    SpinGuard guard(thread_list_lock);
    if (thread_)
      pid = pid_table::task(thread_->tid()) == thread_.get() ? i32(thread_->tid()) : -1;
    else
      pid = Family::known(*process_) ? i32(process_->pid()) : -1;
  }
  // The second line lists the numbers in all name spaces from the reader's inwards.
  out << "Pid:\t" << pid << "\nNSpid:\t" << pid << '\n';
}

}  // namespace narwhal
