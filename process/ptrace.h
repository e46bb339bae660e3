// One process that watches and steers others, ptrace(2).
//
// A traced task stops in the kernel, at places that its tracer chose: before it takes a signal,
// around its system calls, at events of its life. While it is stopped the tracer may look at its
// registers and memory, and change them. Tasks that nobody traces pay for none of it: one bit of
// their work word says whether they are (UserWork::kTraced).
#pragma once

#include "process/family.h"

namespace narwhal::ptrace {

// PTRACE_EVENT_*
enum class Event : u8 {
  kNone = 0,
  kFork = 1,
  kVfork = 2,
  kClone = 3,
  kExec = 4,
  kVforkDone = 5,
  kExit = 6,
  kSeccomp = 7,
  kStop = 128,
};
// PTRACE_O_*
inline constexpr u32 kMarkCalls = 1;  // TRACESYSGOOD
inline constexpr u32 kKillAtEnd = 1 << 20;
inline constexpr u32 kSuspendSeccomp = 1 << 21;
inline constexpr u32 kAllOptions = 0xff | kKillAtEnd | kSuspendSeccomp;

inline bool traced(const Task& task) {
  return has(task.user_work(), UserWork::kTraced);
}

// --- what the traced task calls, in its own context

// Around a system call. Entry may have changed the registers, the number too.
void syscall_entry(Task& task, UserRegs& regs);
void syscall_exit(Task& task, UserRegs& regs);
// Before a signal is taken. False: the tracer keeps it. `info` may be another's then.
bool signal_stop(Task& task, abi::SignalInfo& info);
// Its process is stopped. False when nobody traces it any more, or it was sent on.
bool group_stop(Task& task);
// PTRACE_INTERRUPT was called for, or one that was seized is to tell of its process's stop or going
// on.
void interrupt_stop(Task& task);
// Something that the tracer may have asked to hear of (an option).
void event(Task& task, Event event, u64 message);
// After execve(2).
void executed(Task& task, u32 old_tid);

// Whether its tracer wants to hear of calls that a filter leaves to it, and whether it has filters
// set aside (PTRACE_O_TRACESECCOMP, PTRACE_O_SUSPEND_SECCOMP).
bool wants_seccomp(const Task& task);
bool suspends_seccomp(const Task& task);

// --- from the life of tasks

// The event that a new task is to its parent's tracer, if that wants to hear of it.
Event event_of_clone(const Task& parent, bool vfork, bool signals_child, bool untraced);
// A new task, before it runs: it has the same tracer.
void adopt(Task& parent, Task& child) TA_REQUIRES(thread_list_lock);
// A task leaves its process; `last` makes that a zombie.
void task_leaves(Task& task, i32 status, bool last) TA_REQUIRES(thread_list_lock);
// The process begins to stop, or gets SIGCONT.
void job_control(Process& process) TA_REQUIRES(thread_list_lock);
// A tracer ends: those that it traced are let go, or killed when it wanted that.
void tracer_ends(Process& process) TA_REQUIRES(thread_list_lock);

// --- for wait4(2): what there is to tell about tasks that `tracer` traces. True: `result` is it.
bool poll(Process& tracer, const Family::WaitRequest& request, bool& any,
          Family::WaitResult& result) TA_REQUIRES(thread_list_lock);

// --- for the tracer

// PTRACE_TRACEME, ATTACH, SEIZE. EPERM.
Result<> attach(Process& tracer, Task& task, bool seize, u32 options) TA_REQUIRES(thread_list_lock);
// Sends a stopped task on.
struct Resume {
  i32 signal = 0;
  bool calls = false, step = false, detach = false;
};
void resume(Task& task, const Resume& how) TA_REQUIRES(thread_list_lock);
// EIO when it is not in a stop that can be listened in.
Result<> listen(Task& task) TA_REQUIRES(thread_list_lock);
void interrupt(Task& task) TA_REQUIRES(thread_list_lock);

}  // namespace narwhal::ptrace
