// Sending signals, masks, and delivery to the program. See signal(7).
#pragma once

#include "process/task.h"

namespace narwhal {

// --- sending. Any context, interrupts included; takes thread_list_lock and signal_lock.

// What happened, without a sender of its own: si_code SI_KERNEL.
abi::SignalInfo kernel_signal(Signal signal);
// Sent by a program: SI_USER, SI_TKILL.
abi::SignalInfo user_signal(Signal signal, i32 code, const Task& sender);

// To one task, or to the process as a whole: then any task that does not block it takes it. EAGAIN
// when a real-time signal finds RLIMIT_SIGPENDING reached.
Result<> send_signal(Task& task, const abi::SignalInfo& info);
Result<> send_signal(Process& process, const abi::SignalInfo& info);
// The same by those who hold thread_list_lock; `task` null: to the process.
Result<> send_signal_locked(Process& process, Task* task, const abi::SignalInfo& info);
// SIGPIPE, SIGXFSZ and the like: the current call of this task caused it.
void raise_signal(Task& task, Signal signal);
// A fault that the program can't go on from: if it is blocked or ignored, the default action is
// taken.
void force_signal(Task& task, const abi::SignalInfo& info);
// To every process of a group; how many there were. For terminals.
usize signal_group(u32 group, Signal signal);

// --- masks and queues

void set_blocked(Task& task, SignalSet blocked);
// sigsuspend(2), ppoll(2) ...: another mask for the length of one call. The old one comes back when
// a handler has run, or with end_temporary_mask().
void begin_temporary_mask(Task& task, SignalSet mask);
void end_temporary_mask(Task& task);
// Pending for the task or its process, blocked or not.
SignalSet pending_signals(const Task& task);
// The entry with this number, from 0, of the task's queue or the one that its process's tasks share;
// nothing is taken. False: there are not so many.
bool peek_signal(Task& task, bool shared, u64 index, abi::SignalInfo& out);
// Takes the next pending signal of `mask` off the queues, synchronous ones first, then by number.
bool dequeue_signal(Task& task, SignalSet mask, abi::SignalInfo& out);
// Drops what is pending of `set` in the whole process (an action became "ignore").
void discard_pending(Process& process, SignalSet set);
void discard_all_pending(Task& task);
void discard_all_pending(Process& process);
// Recomputes whether a deliverable signal is pending.
void recalculate_pending(Task& task);

// --- delivery, on the way to the program

enum class DefaultAction : u8 { kTerminate, kCore, kIgnore, kStop, kContinue };
DefaultAction default_action(Signal signal);
std::string_view signal_name(Signal signal);  // "SIGTERM", "SIGRT_3"

// Runs actions of pending signals: makes the frames of handlers, stops, or marks the process to
// end. Restarts or ends an interrupted system call, and ends a temporary mask. In the context of the
// task, on its way to the program; may sleep.
void deliver_signals(Task& task, UserRegs& regs);
// Pushes a handler's frame; EFAULT when the stack can't take it.
Result<> push_signal_frame(Task& task, UserRegs& regs, const abi::SignalInfo& info,
                           const abi::SignalAction& action, SignalSet mask_to_restore);
// rt_sigreturn(2); EFAULT for a frame that can't be read.
Result<> pop_signal_frame(Task& task, UserRegs& regs);
// The most that a frame takes of the stack. (AT_MINSIGSTKSZ says more: Linux counts 32-bit frames.)
usize signal_frame_size();
// Whether `stack_pointer` is on the alternate stack.
bool on_alternate_stack(const Task& task, u64 stack_pointer);
// sigaltstack(2): EPERM while on it, EINVAL, ENOMEM when too small.
Result<> set_alternate_stack(Task& task, const abi::SignalStack& stack, u64 stack_pointer);
abi::SignalStack alternate_stack_status(const Task& task, u64 stack_pointer);

}  // namespace narwhal
