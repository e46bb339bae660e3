// The end of an open file description.
#include "fs/core/file_lock.h"
#include "fs/core/inode.h"
#include "kernel/sched/thread.h"

namespace narwhal {

void File::add_observer(FileObserver& observer) {
  SpinGuard guard(observers_lock_);
  observers_.push_back(observer);
}

void File::remove_observer(FileObserver& observer) {
  SpinGuard guard(observers_lock_);
  if (observer.observer_node.linked()) observer.observer_node.unlink();
}

void File::last_ref_dropped() {
  for (;;) {
    FileObserver* observer;
    bool held;
    {
      SpinGuard guard(observers_lock_);
      observer = observers_.front();
      if (!observer) break;
      held = observer->hold();
    }
    if (held)
      observer->file_closing(*this);
    else
      yield();  // another one ends the observer now
  }
  delete async_signals_.exchange(nullptr);
  if (Inode* locked = inode()) release_description_locks(*locked, this);
  delete this;
}

}  // namespace narwhal
