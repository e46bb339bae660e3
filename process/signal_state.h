// Signals as a task and a process hold them: pending queues, masks, actions. See signal(7).
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/base/list.h"
#include "kernel/base/ref.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

// A pending signal; real-time signals queue, the others are kept once.
struct PendingSignal {
  ListNode node;
  abi::SignalInfo info{};
};

struct SignalQueue {
  SignalSet set;  // which signals have an entry (or came without one for want of memory)
  List<PendingSignal, &PendingSignal::node> entries;
};

// What to do on each signal; shared by the threads of a process, and by processes made with
// CLONE_SIGHAND.
class SignalHandlers : public RefCounted {
 public:
  Result<Ref<SignalHandlers>> copy();
  abi::SignalAction get(Signal signal);
  // Returns the action before.
  abi::SignalAction exchange(Signal signal, const abi::SignalAction& action);
  // execve(2), CLONE_CLEAR_SIGHAND: caught signals get their default action, ignored ones stay
  // ignored.
  void reset();

 private:
  SpinLock<LockRank::kSignalActions> lock_;
  abi::SignalAction actions_[65] TA_GUARDED_BY(lock_) = {};
};

// Of one task. Guarded by Process::signal_lock except where noted.
struct TaskSignals {
  SignalSet blocked;        // written only by the task itself
  SignalSet saved_blocked;  // what sigsuspend(2) and its kin put aside
  SignalQueue pending;      // thread-directed
  // Of the task alone.
  abi::SignalStack alternate_stack{0, 2 /* SS_DISABLE */, 0, 0};
};

}  // namespace narwhal
