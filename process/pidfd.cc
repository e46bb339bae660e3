#include "process/pidfd.h"

#include "kernel/base/format.h"
#include "process/family.h"

namespace narwhal {

PollEvents PidFd::poll() {
  SpinGuard guard(thread_list_lock);
  return Family::zombie(*process_) ? kPollReadable : PollEvents::kNone;
}

void PidFd::describe(TextSink& out) const {
  bool there;
  {
    SpinGuard guard(thread_list_lock);
    there = Family::known(*process_);
  }
  const i32 pid = there ? i32(process_->pid()) : -1;
  // The second line lists the numbers in all name spaces from the reader's inwards.
  out << "Pid:\t" << pid << "\nNSpid:\t" << pid << '\n';
}

}  // namespace narwhal
