// Sending: from whoever makes a signal to the queue, and to the task that will take it.
#include "process/signals.h"

#include "process/exit.h"
#include "process/family.h"
#include "process/ptrace.h"
#include "process/signal_queue.h"
#include "process/signal_wakeup.h"

namespace narwhal {

namespace {

constexpr SignalSet kStopSignals =
    signal_set(Signal::kStop, Signal::kTstp, Signal::kTtin, Signal::kTtou);

// Drops what is pending of `set` from every queue of the process.
void drop_everywhere(Process& process, SignalSet set) TA_REQUIRES(thread_list_lock) {
  SpinGuard guard(process.signal_lock);
  signal_queue::drop(process, process.pending_signals, set);
  Family::for_each_task(process, [&](Task& task) TA_NO_ANALYSIS {
    signal_queue::drop(process, task.signals.pending, set);
  });
}

// A stop and a continuation cancel each other before they can be delivered, even when they are
// blocked or ignored.
void apply_job_control(Process& process, Signal signal) TA_REQUIRES(thread_list_lock) {
  if (kStopSignals.has(signal)) drop_everywhere(process, signal_set(Signal::kCont));
  if (signal == Signal::kCont) {
    drop_everywhere(process, kStopSignals);
    Family::go_on(process);
    ptrace::job_control(process);
  }
}

bool ignored(Signal signal, u64 handler) {
  if (handler == abi::kSignalIgnore) return !kUnblockable.has(signal);
  if (handler != abi::kSignalDefault) return false;
  const DefaultAction action = default_action(signal);
  return action == DefaultAction::kIgnore || action == DefaultAction::kContinue;
}

bool wants(const Task& task, Signal signal) {
  if (task.ending() || task.signals.blocked.has(signal)) return false;
  return signal == Signal::kKill || !task.process().stopped();
}

// Who takes it: the one it was sent to; of a process's tasks rather one that has nothing to do with
// signals yet. Null: all of them block it, and it stays pending.
Task* choose(Process& process, Task& target, bool directed, Signal signal)
    TA_REQUIRES(thread_list_lock) {
  if (wants(target, signal) && (directed || !target.interrupted())) return &target;
  if (directed) return nullptr;
  Task* chosen = nullptr;
  Family::for_each_task(process, [&](Task& task) {
    if (!wants(task, signal)) return;
    if (!chosen || (chosen->interrupted() && !task.interrupted())) chosen = &task;
  });
  return chosen;
}

}  // namespace

abi::SignalInfo kernel_signal(Signal signal) {
  abi::SignalInfo info{};
  info.number = i32(signal);
  info.code = abi::kCodeKernel;
  return info;
}

abi::SignalInfo user_signal(Signal signal, i32 code, const Task& sender) {
  abi::SignalInfo info{};
  info.number = i32(signal);
  info.code = code;
  info.queued.pid = i32(sender.process().pid());
  info.queued.uid = sender.credentials().uid;
  return info;
}

// The caller holds thread_list_lock.
Result<> send_signal_locked(Process& process, Task* task,
                            const abi::SignalInfo& info) TA_NO_ANALYSIS {
  const auto signal = Signal(info.number);
  // Who ends takes none any more.
  if (process.exiting()) {
    if (signal == Signal::kKill) Family::abandon_dump(process);
    return {};
  }
  Task* target = task ? task : pid_table::task(process.pid());
  if (!target) target = Family::first_task(process);
  if (!target) return {};
  apply_job_control(process, signal);

  const u64 handler = process.handlers().get(signal).handler;
  Task* chosen = nullptr;
  {
    SpinGuard guard(process.signal_lock);
    if (task && task->ending()) return {};
    // A blocked signal is kept even if it is ignored: the action may change until it is unblocked.
    // A tracer hears of ignored ones, too.
    if (!target->signals.blocked.has(signal) && ignored(signal, handler) &&
        (!target->trace.tracer || signal == Signal::kKill))
      return {};
    TRY(signal_queue::put(process, task ? task->signals.pending : process.pending_signals, info));
    process.signal_arrival.wake(kPollReadable);
    chosen = choose(process, *target, task != nullptr, signal);
    if (chosen) notify_of_signal(*chosen);
  }
  // What ends the process anyway ends it now, whatever its other tasks are doing. Signals that dump
  // core are left to the task that takes them.
  if (chosen &&
      (signal == Signal::kKill || (handler == abi::kSignalDefault && !chosen->trace.tracer &&
                                   default_action(signal) == DefaultAction::kTerminate)))
    Family::begin_exit(process, killed_status(signal, false));
  return {};
}

Result<> send_signal(Task& task, const abi::SignalInfo& info) {
  SpinGuard guard(thread_list_lock);
  return send_signal_locked(task.process(), &task, info);
}

Result<> send_signal(Process& process, const abi::SignalInfo& info) {
  SpinGuard guard(thread_list_lock);
  return send_signal_locked(process, nullptr, info);
}

void raise_signal(Task& task, Signal signal) {
  send_signal(task, user_signal(signal, abi::kCodeUser, task)).ignore();
}

void force_signal(Task& task, const abi::SignalInfo& info) {
  const auto signal = Signal(info.number);
  abi::SignalAction action = task.process().handlers().get(signal);
  const bool blocked = task.signals.blocked.has(signal);
  if (blocked || action.handler == abi::kSignalIgnore) {
    action.handler = abi::kSignalDefault;
    task.process().handlers().exchange(signal, action);
    if (blocked) set_blocked(task, task.signals.blocked & ~signal_set(signal));
  }
  send_signal(task, info).ignore();
}

usize signal_group(u32 group, Signal signal) {
  usize count = 0;
  SpinGuard guard(thread_list_lock);
  pid_table::processes().for_each([&](Process& process) TA_NO_ANALYSIS {
    if (process.group_id() != group) return;
    ++count;
    send_signal_locked(process, nullptr, kernel_signal(signal)).ignore();
  });
  return count;
}

// --- what is dropped unseen

void discard_pending(Process& process, SignalSet set) {
  SpinGuard guard(thread_list_lock);
  drop_everywhere(process, set);
}

void discard_all_pending(Task& task) {
  Process& process = task.process();
  SignalSet left;
  {
    SpinGuard guard(process.signal_lock);
    signal_queue::drop(process, task.signals.pending, ~SignalSet{});
    left = process.pending_signals.set & ~task.signals.blocked;
  }
  // It may have been the one who was woken for what the process as a whole got.
  hand_over_signals(process, task, left);
}

void discard_all_pending(Process& process) {
  SpinGuard guard(process.signal_lock);
  signal_queue::drop(process, process.pending_signals, ~SignalSet{});
}

}  // namespace narwhal
