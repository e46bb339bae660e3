// From the queue to the program: what each pending signal does to the task that takes it.
#include "kernel/platform/user.h"
#include "process/core_dump.h"
#include "process/exit.h"
#include "process/family.h"
#include "process/ptrace.h"
#include "process/rseq.h"
#include "process/signals.h"

namespace narwhal {

namespace {

struct Delivery {
  abi::SignalInfo info;
  abi::SignalAction action;
};
enum class Taken : u8 {
  kNothing,  // none is pending, or the process ends or stops
  kDone,     // one, which needs nothing more
  kHandler,  // one that the program wants to handle
  kCore,     // one that ends the process, and leaves a core file
  kTraced,   // one that the tracer is to see first
};

// Sent on by its tracer, a task runs although its process is stopped.
bool must_stay(const Task& task) {
  return task.process().stopped() && !task.trace.runs_in_stop;
}

Taken act_on(Task& task, Delivery& out) TA_REQUIRES(thread_list_lock) {
  Process& process = task.process();
  const auto signal = Signal(out.info.number);
  out.action = process.handlers().get(signal);
  if (kUnblockable.has(signal)) out.action.handler = abi::kSignalDefault;
  if (out.action.handler == abi::kSignalIgnore) return Taken::kDone;
  if (out.action.handler != abi::kSignalDefault) {
    if (out.action.flags & abi::kActionResetHand) {
      abi::SignalAction reset = out.action;
      reset.handler = abi::kSignalDefault;
      process.handlers().exchange(signal, reset);
    }
    return Taken::kHandler;
  }
  switch (default_action(signal)) {
    case DefaultAction::kIgnore:
    case DefaultAction::kContinue:  // it went on when the signal was sent
      break;
    case DefaultAction::kStop:
      // Nobody could continue an orphaned group (POSIX).
      if (signal == Signal::kStop || !Family::group_orphaned(process.group_id()))
        Family::begin_stop(process, signal);
      break;
    case DefaultAction::kCore:
      return Taken::kCore;
    case DefaultAction::kTerminate:
      Family::begin_exit(process, killed_status(signal, false));
      break;
  }
  return Taken::kDone;
}

// The whole choice is made under the lock that continuations and ends need: a SIGCONT comes either
// before a stop signal was taken, and drops it, or after the stop has begun, and ends it.
Taken take_next(Task& task, Delivery& out) {
  Process& process = task.process();
  SpinGuard guard(thread_list_lock);
  if (process.exiting() || must_stay(task)) return Taken::kNothing;
  if (!dequeue_signal(task, ~task.signals.blocked, out.info)) return Taken::kNothing;
  if (ptrace::traced(task) && out.info.number != i32(Signal::kKill)) return Taken::kTraced;
  return act_on(task, out);
}

// What the tracer lets through. It may have put another signal in its place, one that is blocked.
Taken take_traced(Task& task, Delivery& out) {
  if (!ptrace::signal_stop(task, out.info)) return Taken::kDone;
  SpinGuard guard(thread_list_lock);
  if (task.process().exiting()) return Taken::kNothing;
  if (task.signals.blocked.has(Signal(out.info.number))) {
    send_signal_locked(task.process(), &task, out.info).ignore();
    return Taken::kDone;
  }
  return act_on(task, out);
}

void wait_while_stopped(Task& task) {
  Process& process = task.process();
  if (!must_stay(task)) return;
  if (ptrace::traced(task) && ptrace::group_stop(task)) return;
  ScopedWait wait(Family::continued(process), PollEvents::kAll);
  task.trace.in_stop.store(true);
  for (;;) {
    prepare_to_sleep();
    if (!process.stopped() || ptrace::traced(task) || has(task.user_work(), UserWork::kExit)) break;
    sleep(Interruptible::kNo).ignore();
  }
  cancel_sleep();
  task.trace.in_stop.store(false);
}

// --- interrupted system calls (signal(7))

constexpr u64 kRestartSyscall = 219;
constexpr u64 kSyscallLength = 2;  // bytes of the `syscall` instruction

bool from_syscall(const UserRegs& regs) {
  return regs.orig_rax != ~u64{0};
}

bool failed_with(const UserRegs& regs, Errno error) {
  return from_syscall(regs) && i64(regs.rax) == -i64(error);
}

void restart(UserRegs& regs, u64 number) {
  regs.rax = number;
  regs.rip -= kSyscallLength;
}

void restart_without_handler(UserRegs& regs) {
  if (failed_with(regs, Errno::kRestartSys) || failed_with(regs, Errno::kRestartNoHand) ||
      failed_with(regs, Errno::kRestartNoIntr))
    restart(regs, regs.orig_rax);
  else if (failed_with(regs, Errno::kRestartBlock))
    restart(regs, kRestartSyscall);
}

void restart_with_handler(UserRegs& regs, u64 action_flags) {
  const bool again =
      failed_with(regs, Errno::kRestartNoIntr) ||
      (failed_with(regs, Errno::kRestartSys) && (action_flags & abi::kActionRestart));
  if (again)
    restart(regs, regs.orig_rax);
  else if (failed_with(regs, Errno::kRestartSys) || failed_with(regs, Errno::kRestartNoHand) ||
           failed_with(regs, Errno::kRestartBlock))
    regs.rax = u64(-i64(Errno::kIntr));
}

// --- handlers

// The frame could not be made: the handler would not know where to go back to.
void fail_delivery(Task& task, Signal signal) {
  SignalHandlers& handlers = task.process().handlers();
  if (signal == Signal::kSegv) {
    abi::SignalAction action = handlers.get(Signal::kSegv);
    action.handler = abi::kSignalDefault;
    handlers.exchange(Signal::kSegv, action);
  }
  force_signal(task, kernel_signal(Signal::kSegv));
}

void run_handler(Task& task, UserRegs& regs, const Delivery& delivery) {
  const auto signal = Signal(delivery.info.number);
  const abi::SignalAction& action = delivery.action;
  restart_with_handler(regs, action.flags);
  // A section that can be restarted is left before the frame remembers where the program was.
  rseq_resume(task, regs);
  const bool temporary = has(task.user_work(), UserWork::kRestoreMask);
  const SignalSet mask = temporary ? task.signals.saved_blocked : task.signals.blocked;
  if (!push_signal_frame(task, regs, delivery.info, action, mask).ok()) {
    fail_delivery(task, signal);
    return;
  }
  // The frame brings the old mask back from now on.
  task.clear_user_work(UserWork::kRestoreMask);
  SignalSet blocked = task.signals.blocked | SignalSet{action.mask};
  if (!(action.flags & abi::kActionNoDefer)) blocked.add(signal);
  set_blocked(task, blocked);
  if (task.signals.alternate_stack.flags & abi::kStackAutoDisarm)
    task.signals.alternate_stack = {0, abi::kStackDisable, 0, 0};
}

}  // namespace

void deliver_signals(Task& task, UserRegs& regs) {
  bool handled = false;
  for (;;) {
    // Stops come before signals.
    do {
      if (ptrace::traced(task)) ptrace::interrupt_stop(task);
      wait_while_stopped(task);
    } while (task.trace.must_tell() && !has(task.user_work(), UserWork::kExit));
    Delivery delivery;
    Taken taken = take_next(task, delivery);
    if (taken == Taken::kTraced) taken = take_traced(task, delivery);
    if (taken == Taken::kHandler) {
      run_handler(task, regs, delivery);
      handled = true;
    }
    if (taken == Taken::kCore) end_with_core(task, delivery.info);
    if (taken == Taken::kNothing && !(must_stay(task) && !task.process().exiting())) break;
  }
  recalculate_pending(task);
  if (handled || has(task.user_work(), UserWork::kExit)) return;
  restart_without_handler(regs);
  end_temporary_mask(task);
}

}  // namespace narwhal
