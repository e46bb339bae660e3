// The signal mask that ppoll(2), pselect(2), epoll_pwait(2) and sigsuspend(2) put in place while
// they wait.
#pragma once

#include "process/signals.h"
#include "process/task.h"

namespace narwhal {

// Loads a mask argument: EINVAL for a size other than 8, EFAULT.
inline Result<SignalSet> load_signal_set(UserAddr set, usize size) {
  if (size != sizeof(SignalSet)) return Errno::kInval;
  SignalSet loaded = TRY(load_user<SignalSet>(set));
  loaded.remove(Signal::kKill);
  loaded.remove(Signal::kStop);
  return loaded;
}

// Puts the mask at `set` (null: none) in place until the call is over. When a signal ended the wait
// the old mask comes back after its handler ran, otherwise at once: call done() with the call's
// result.
class TemporaryMask : NonCopyable {
 public:
  explicit TemporaryMask(Task& task) : task_(task) {}
  Result<> set(UserAddr mask, usize size) {
    if (mask.value == 0) return {};
    SignalSet wanted = TRY(load_signal_set(mask, size));
    begin_temporary_mask(task_, wanted);
    active_ = true;
    return {};
  }
  template <typename T>
  Result<T> done(Result<T> result) {
    const bool interrupted = result.failed(Errno::kRestartNoHand) || result.failed(Errno::kIntr);
    if (active_ && !interrupted) end_temporary_mask(task_);
    return result;
  }

 private:
  Task& task_;
  bool active_ = false;
};

}  // namespace narwhal
