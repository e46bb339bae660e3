// Actions, masks and the way back from a handler: sigaction(2), sigprocmask(2), sigsuspend(2),
// sigreturn(2), sigaltstack(2).
#include "process/signals.h"
#include "process/task.h"
#include "syscalls/handlers.h"
#include "syscalls/signal_mask.h"

namespace narwhal {
namespace {

// Flags that are kept: a program finds out what a kernel knows by reading its action back.
constexpr u64 kExposeTagBits = 0x800;
constexpr u64 kKnownFlags = abi::kActionNoChildStop | abi::kActionNoChildWait |
                            abi::kActionSigInfo | abi::kActionRestorer | abi::kActionOnStack |
                            abi::kActionRestart | abi::kActionNoDefer | abi::kActionResetHand |
                            kExposeTagBits;

bool ignores(const abi::SignalAction& action, Signal signal) {
  if (action.handler == abi::kSignalIgnore) return true;
  if (action.handler != abi::kSignalDefault) return false;
  const DefaultAction action_taken = default_action(signal);
  return action_taken == DefaultAction::kIgnore || action_taken == DefaultAction::kContinue;
}

// Until a signal wants the task. The call that waits is restarted only if no handler ran.
SysResult wait_for_signal() {
  for (;;) {
    prepare_to_sleep();
    if (sleep().failed(Errno::kIntr)) return Errno::kRestartNoHand;
  }
}

}  // namespace

SysResult sys::rt_sigaction(Task& task, SignalNumber number, UserIn<abi::SignalAction> action,
                            UserOut<abi::SignalAction> old_action, usize mask_size) {
  if (mask_size != sizeof(SignalSet)) return Errno::kInval;
  abi::SignalAction wanted{};
  if (!action.null()) wanted = TRY(action.load());
  if (!is_signal(number.value)) return Errno::kInval;
  const auto signal = Signal(number.value);
  SignalHandlers& handlers = task.process().handlers();
  abi::SignalAction old;
  if (action.null()) {
    old = handlers.get(signal);
  } else {
    if (kUnblockable.has(signal)) return Errno::kInval;
    wanted.flags &= kKnownFlags;
    wanted.mask &= ~kUnblockable.bits;
    old = handlers.exchange(signal, wanted);
    if (ignores(wanted, signal)) discard_pending(task.process(), signal_set(signal));
  }
  TRY(old_action.store_if_wanted(old));
  return i64{0};
}

SysResult sys::rt_sigprocmask(Task& task, i32 how, UserAddr set, UserAddr old_set, usize size) {
  constexpr i32 kBlock = 0, kUnblock = 1, kSet = 2;
  if (size != sizeof(SignalSet)) return Errno::kInval;
  const SignalSet old = task.signals.blocked;
  if (set.value != 0) {
    const SignalSet given = TRY(load_signal_set(set, size));
    switch (how) {
      case kBlock:
        set_blocked(task, old | given);
        break;
      case kUnblock:
        set_blocked(task, old & ~given);
        break;
      case kSet:
        set_blocked(task, given);
        break;
      default:
        return Errno::kInval;
    }
  }
  if (old_set.value != 0) TRY(store_user(old_set, old));
  return i64{0};
}

SysResult sys::rt_sigpending(Task& task, UserAddr set, usize size) {
  // A shorter set is filled as far as it goes.
  if (size > sizeof(SignalSet)) return Errno::kInval;
  const SignalSet pending = pending_signals(task) & task.signals.blocked;
  if (platform::copy_to_user(set, &pending, size) != 0) return Errno::kFault;
  return i64{0};
}

SysResult sys::rt_sigsuspend(Task& task, UserAddr set, usize size) {
  begin_temporary_mask(task, TRY(load_signal_set(set, size)));
  return wait_for_signal();
}

SysResult sys::pause(Task&) {
  return wait_for_signal();
}

SysResult sys::rt_sigreturn(Task& task) {
  UserRegs& regs = task.user_regs();
  // The way back looks whether the program can go on there.
  task.set_user_work(UserWork::kSignal);
  if (!pop_signal_frame(task, regs).ok()) {
    force_signal(task, kernel_signal(Signal::kSegv));
    return i64{0};
  }
  task.set_user_work(UserWork::kSignal);
  return i64(regs.rax);
}

SysResult sys::sigaltstack(Task& task, UserIn<abi::SignalStack> stack,
                           UserOut<abi::SignalStack> old_stack) {
  const u64 stack_pointer = task.user_regs().rsp;
  const abi::SignalStack old = alternate_stack_status(task, stack_pointer);
  if (!stack.null()) TRY(set_alternate_stack(task, TRY(stack.load()), stack_pointer));
  TRY(old_stack.store_if_wanted(old));
  return i64{0};
}

SysResult sys::restart_syscall(Task& task) {
  if (!task.restart.resume) return Errno::kIntr;
  return task.restart.resume(task);
}

}  // namespace narwhal
