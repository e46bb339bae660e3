// Masks, and what they let through.
#include "process/family.h"
#include "process/signal_queue.h"
#include "process/signal_wakeup.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// Thread::interrupted() is to be true exactly while there is a reason to go back to the program.
void recalculate_locked(Process& process, Task& task) TA_REQUIRES(process.signal_lock) {
  const SignalSet pending = task.signals.pending.set | process.pending_signals.set;
  task.clear_interrupt();
  task.clear_user_work(UserWork::kSignal);
  if (task.ending()) return;
  // Cleared first, looked at then: an end or a stop that begins in between is seen here, or sets
  // both again itself.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (!(pending & ~task.signals.blocked).empty() || process.exiting() || process.stopped() ||
      has(task.user_work(), UserWork::kExit) || task.trace.must_tell())
    notify_of_signal(task);
}

}  // namespace

void hand_over_signals(Process& process, const Task& task, SignalSet signals) {
  if (signals.empty() || process.task_count() <= 1) return;
  SpinGuard family(thread_list_lock);
  SpinGuard guard(process.signal_lock);
  SignalSet left = signals & process.pending_signals.set;
  Family::for_each_task(process, [&](Task& other) {
    const SignalSet taken = left & ~other.signals.blocked;
    if (&other == &task || other.ending() || taken.empty()) return;
    left = left & ~taken;
    notify_of_signal(other);
  });
}

void recalculate_pending(Task& task) {
  Process& process = task.process();
  SpinGuard guard(process.signal_lock);
  recalculate_locked(process, task);
}

void set_blocked(Task& task, SignalSet blocked) {
  blocked = blocked & ~kUnblockable;
  if (blocked == task.signals.blocked) return;
  Process& process = task.process();
  SignalSet given_up;
  {
    SpinGuard guard(process.signal_lock);
    given_up = blocked & ~task.signals.blocked & process.pending_signals.set;
    task.signals.blocked = blocked;
    recalculate_locked(process, task);
  }
  hand_over_signals(process, task, given_up);
}

void begin_temporary_mask(Task& task, SignalSet mask) {
  task.signals.saved_blocked = task.signals.blocked;
  task.set_user_work(UserWork::kRestoreMask);
  set_blocked(task, mask);
}

void end_temporary_mask(Task& task) {
  if (!has(task.user_work(), UserWork::kRestoreMask)) return;
  task.clear_user_work(UserWork::kRestoreMask);
  set_blocked(task, task.signals.saved_blocked);
}

bool peek_signal(Task& task, bool shared, u64 index, abi::SignalInfo& out) TA_NO_ANALYSIS {
  Process& process = task.process();
  SpinGuard guard(process.signal_lock);
  SignalQueue& queue = shared ? process.pending_signals : task.signals.pending;
  for (const PendingSignal& each : queue.entries) {
    if (index-- != 0) continue;
    out = each.info;
    return true;
  }
  return false;
}

SignalSet pending_signals(const Task& task) {
  Process& process = task.process();
  SpinGuard guard(process.signal_lock);
  return task.signals.pending.set | process.pending_signals.set;
}

bool dequeue_signal(Task& task, SignalSet mask, abi::SignalInfo& out) {
  Process& process = task.process();
  SpinGuard guard(process.signal_lock);
  const bool taken = signal_queue::take(process, task.signals.pending, mask, out) ||
                     signal_queue::take(process, process.pending_signals, mask, out);
  recalculate_locked(process, task);
  return taken;
}

}  // namespace narwhal
