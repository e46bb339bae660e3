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

// Of one task. Guarded by the process's signal lock except where noted.
struct TaskSignals {
  SignalSet blocked;        // written only by the task itself
  SignalSet saved_blocked;  // what sigsuspend(2) and its kin put aside
  SignalQueue pending;      // thread-directed
  abi::SignalStack alternate_stack{0, 2 /* SS_DISABLE */, 0, 0};
};

}  // namespace narwhal
