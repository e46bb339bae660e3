#include "process/ptrace.h"

#include "process/signal_wakeup.h"
#include "process/signals.h"

namespace narwhal::ptrace {
namespace {

constexpr u64 kTrapFlag = 0x100;
constexpr i32 kTrap = i32(Signal::kTrap);
constexpr i32 kCodeTrapped = 4, kCodeStopped = 5;  // CLD_*
constexpr u8 kNoCall = 0, kCallEntry = 1, kCallExit = 2;

bool wants(const Task& task, Event event) {
  return task.trace.options >> u32(event) & 1;
}

void tell_tracer(Process& tracer, Task& task, i32 code, i32 status) TA_REQUIRES(thread_list_lock) {
  abi::SignalInfo info{};
  info.number = i32(Signal::kChld);
  info.code = code;
  info.child.pid = i32(task.tid());
  info.child.uid = task.real_uid();
  info.child.status = status;
  const abi::SignalAction action = tracer.handlers().get(Signal::kChld);
  if (action.handler != abi::kSignalIgnore && !(action.flags & abi::kActionNoChildStop))
    send_signal_locked(tracer, nullptr, info).ignore();
  tracer.child_events.wake_all();
}

abi::SignalInfo trap_info(const Task& task, i32 code) {
  abi::SignalInfo info{};
  info.number = kTrap;
  info.code = code;
  info.queued.pid = i32(task.process().pid());
  return info;
}

struct Stop {
  i32 status;  // what wait4(2) shows above the 0x7f
  abi::SignalInfo info;
  u8 call = kNoCall;
  bool group = false;
  bool taking = false;  // a signal
};

// Of one that was seized: it says whether its process is stopped.
Stop event_stop(Task& task) {
  const bool stopped = task.process().stopped();
  const i32 signal = stopped ? Family::stop_signal(task.process()) : kTrap;
  const i32 status = signal | i32(Event::kStop) << 8;
  Stop out{status, trap_info(task, status), kNoCall, stopped};
  out.info.number = signal;
  return out;
}

// Returns when the tracer has sent the task on, or is gone, or the task is to end. False when it
// did not stop.
bool stop(Task& task, const Stop& what) {
  TraceState& trace = task.trace;
  UserRegs& regs = task.user_regs();
  if (trace.step.load()) regs.rflags &= ~kTrapFlag;
  task.save_user_state();
  {
    SpinGuard guard(thread_list_lock);
    if (!trace.tracer || has(task.user_work(), UserWork::kExit)) return false;
    trace.taking = what.taking ? what.info.number : 0;
    trace.status = what.status << 8 | 0x7f;
    trace.info = what.info;
    trace.call = what.call;
    trace.group_stop = what.group;
    trace.reported = trace.listening = false;
    trace.resume_signal = 0;
    // What asked for a stop has one.
    trace.interrupt.store(false);
    if (what.status >> 8 == i32(Event::kStop)) trace.notified.store(false);
    trace.calls.store(false);
    trace.step.store(false);
    trace.stopped.store(true);
    tell_tracer(*trace.tracer, task, what.group ? kCodeStopped : kCodeTrapped, what.status & 0x7f);
  }
  {
    // An end of the process is told by the second.
    ScopedWait wait(trace.queue, PollEvents::kAll);
    ScopedWait end(Family::continued(task.process()), PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      if (!trace.stopped.load() || has(task.user_work(), UserWork::kExit)) break;
      if (trace.listening && trace.notified.load()) break;
      sleep(Interruptible::kNo).ignore();
    }
    cancel_sleep();
  }
  bool listened = false;
  {
    SpinGuard guard(thread_list_lock);
    listened = trace.listening && trace.stopped.load();
    trace.stopped.store(false);
    trace.listening = false;
    trace.call = kNoCall;
  }
  // What the tracer changed is loaded when the task comes back to the CPU; it slept, so it did.
  if (trace.step.load()) regs.rflags |= kTrapFlag;
  if (listened && !has(task.user_work(), UserWork::kExit)) return stop(task, event_stop(task));
  return true;
}

// A signal that the tracer gave at a stop where none was being taken.
void send_given(Task& task) {
  const i32 signal = task.trace.resume_signal;
  if (signal != 0) send_signal(task, user_signal(Signal(signal), abi::kCodeUser, task)).ignore();
}

void let_go(Task& task) TA_REQUIRES(thread_list_lock) {
  TraceState& trace = task.trace;
  if (!trace.tracer) return;
  trace.node.unlink();
  trace.tracer = nullptr;
  trace.options = 0;
  trace.seized = false;
  trace.calls.store(false);
  trace.step.store(false);
  trace.interrupt.store(false);
  trace.notified.store(false);
  trace.runs_in_stop = false;
  task.clear_user_work(UserWork::kTraced);
}

}  // namespace

bool wants_seccomp(const Task& task) {
  return task.trace.options & 1u << u32(Event::kSeccomp);
}
bool suspends_seccomp(const Task& task) {
  return task.trace.options & kSuspendSeccomp;
}

// --- the traced task's side

void syscall_entry(Task& task, UserRegs& regs) {
  regs.rax = u64(-i64(Errno::kNoSys));  // what a call that is skipped returns
  if (!task.trace.calls.load()) return;
  const i32 status = kTrap | (task.trace.options & kMarkCalls ? 0x80 : 0);
  task.trace.message = 1;  // PTRACE_EVENTMSG_SYSCALL_ENTRY
  if (stop(task, {status, trap_info(task, status), kCallEntry})) send_given(task);
}

void syscall_exit(Task& task, UserRegs& regs) {
  TraceState& trace = task.trace;
  const bool stepped = trace.step.load();
  if (trace.calls.load()) {
    const i32 status = kTrap | (trace.options & kMarkCalls ? 0x80 : 0);
    trace.message = 2;
    if (stop(task, {status, trap_info(task, status), kCallExit})) send_given(task);
  } else if (stepped) {
    // The instruction is over; the flag would only be looked at after the next.
    regs.rflags &= ~kTrapFlag;
    abi::SignalInfo info{};
    info.number = kTrap;
    info.code = abi::kTrapTrace;
    info.fault.address = regs.rip;
    force_signal(task, info);
  }
}

bool signal_stop(Task& task, abi::SignalInfo& info) {
  TraceState& trace = task.trace;
  if (!stop(task, {info.number, info, kNoCall, false, true})) return true;
  if (has(task.user_work(), UserWork::kExit)) return false;
  const i32 signal = trace.resume_signal;
  if (signal == 0) return false;
  if (signal == trace.info.number) {
    info = trace.info;  // PTRACE_SETSIGINFO may have changed it
  } else {
    info = abi::SignalInfo{};
    info.number = signal;
    info.code = abi::kCodeUser;
  }
  return true;
}

bool group_stop(Task& task) {
  TraceState& trace = task.trace;
  if (trace.runs_in_stop) return false;
  Stop what{};
  if (trace.seized) {
    what = event_stop(task);
  } else {
    what.status = what.info.number = Family::stop_signal(task.process());
    what.group = true;
  }
  if (!stop(task, what)) return false;
  if (task.process().stopped() && traced(task)) trace.runs_in_stop = true;
  return true;
}

void interrupt_stop(Task& task) {
  const TraceState& trace = task.trace;
  if (!trace.must_tell()) return;
  // The stop with its process is next, and tells it.
  if (task.process().stopped() && !trace.runs_in_stop) return;
  stop(task, event_stop(task));
}

void event(Task& task, Event event, u64 message) {
  if (!traced(task) || !wants(task, event)) return;
  task.trace.message = message;
  const i32 status = kTrap | i32(event) << 8;
  stop(task, {status, trap_info(task, status)});
}

void executed(Task& task, u32 old_tid) {
  task.clear_debug_registers();
  if (!traced(task)) return;
  if (wants(task, Event::kExec)) return event(task, Event::kExec, old_tid);
  // What debuggers of old wait for: as if the program had sent it to itself.
  if (!task.trace.seized)
    send_signal(task, user_signal(Signal::kTrap, abi::kCodeUser, task)).ignore();
}

// --- the life of tasks

Event event_of_clone(const Task& parent, bool vfork, bool signals_child, bool untraced) {
  if (!traced(parent) || untraced) return Event::kNone;
  const Event event = vfork ? Event::kVfork : signals_child ? Event::kFork : Event::kClone;
  return wants(parent, event) ? event : Event::kNone;
}

void adopt(Task& parent, Task& child) {
  TraceState& trace = parent.trace;
  if (!trace.tracer) return;
  attach(*trace.tracer, child, trace.seized, trace.options).ignore();
  if (trace.seized)
    child.trace.interrupt.store(true);
  else
    send_signal_locked(child.process(), &child, kernel_signal(Signal::kStop)).ignore();
  child.set_user_work(UserWork::kSignal);
}

void task_leaves(Task& task, i32 status, bool last) {
  Process& process = task.process();
  Process* tracer = task.trace.tracer;
  if (tracer && !task.is_leader()) {
    tracer->trace_ends.push_back({task.tid(), task.real_uid(), status}).ignore();
    tracer->child_events.wake_all();
  }
  // The first task stands for the process, which ends with its last.
  if (tracer && task.is_leader()) process.leader_tracer = tracer;
  let_go(task);
  if (!last || !process.leader_tracer) return;
  tracer = std::exchange(process.leader_tracer, nullptr);
  if (tracer == Family::parent(process)) return;  // who waits for it as for a child
  tracer->trace_ends.push_back({process.pid(), task.real_uid(), Family::wait_status(process)})
      .ignore();
  tell_tracer(*tracer, task, abi::kChildExited, 0);
}

void tracer_ends(Process& process) {
  while (TraceState* trace = process.tracees.front()) {
    Task* const task = trace->task;
    const bool kill = task->trace.options & kKillAtEnd;
    const bool stopped = task->trace.stopped.load();
    if (stopped) resume(*task, {.signal = trace->taking, .detach = true});
    let_go(*task);
    if (kill) send_signal_locked(task->process(), nullptr, kernel_signal(Signal::kKill)).ignore();
  }
  pid_table::processes().for_each([&](Process& other) {
    if (other.leader_tracer == &process) other.leader_tracer = nullptr;
  });
}

// --- waiting

namespace {

bool asked_for(const Process& tracer, const Process* process, u32 tid,
               const Family::WaitRequest& request) {
  using Which = Family::WaitRequest::Which;
  switch (request.which) {
    case Which::kAny:
      return true;
    case Which::kPid:
      return tid == request.number;
    case Which::kProcess:
      return process == request.process && process->pid() == tid;
    case Which::kGroup:
      return process &&
             process->group_id() == (request.number ? request.number : tracer.group_id());
  }
  return false;
}

}  // namespace

bool poll(Process& tracer, const Family::WaitRequest& request, bool& any,
          Family::WaitResult& result) {
  for (usize i = 0; i < tracer.trace_ends.size(); ++i) {
    const TraceEnd& end = tracer.trace_ends[i];
    if (!asked_for(tracer, nullptr, end.tid, request)) continue;
    any = true;
    if (!request.exited) continue;
    result.pid = end.tid;
    result.uid = end.uid;
    result.wait_status = end.status;
    if (!request.keep) {
      for (usize j = i + 1; j < tracer.trace_ends.size(); ++j)
        tracer.trace_ends[j - 1] = tracer.trace_ends[j];
      tracer.trace_ends.resize(tracer.trace_ends.size() - 1).ignore();
    }
    return true;
  }
  for (TraceState& trace : tracer.tracees) {
    Task* const task = trace.task;
    if (!asked_for(tracer, &task->process(), task->tid(), request)) continue;
    any = true;
    // Traced tasks are waited for whether or not WUNTRACED was given.
    if (!trace.stopped.load() || trace.reported || trace.listening) continue;
    result.pid = task->tid();
    result.uid = task->real_uid();
    result.wait_status = trace.status;
    result.is_stop = result.is_trap = true;
    result.usage.add(*task);
    if (!request.keep) trace.reported = true;
    return true;
  }
  return false;
}

// --- the tracer's side

Result<> attach(Process& tracer, Task& task, bool seize, u32 options) {
  if (task.trace.tracer || task.ending()) return Errno::kPerm;
  TraceState& trace = task.trace;
  trace.tracer = &tracer;
  trace.seized = seize;
  trace.options = options;
  trace.reported = trace.listening = trace.runs_in_stop = false;
  trace.message = 0;
  trace.task = &task;
  tracer.tracees.push_back(trace);
  task.set_user_work(UserWork::kTraced);
  // One whose process is stopped goes over to a stop of the tracer's.
  if (task.process().stopped()) Family::continued(task.process()).wake_all();
  return {};
}

void resume(Task& task, const Resume& how) {
  TraceState& trace = task.trace;
  trace.resume_signal = how.signal;
  trace.calls.store(how.calls);
  trace.step.store(how.step);
  if (how.detach) let_go(task);
  trace.stopped.store(false);
  trace.queue.wake_all();
}

namespace {

void notify(Task& task) TA_REQUIRES(thread_list_lock) {
  task.trace.notified.store(true);
  if (task.trace.listening) task.trace.queue.wake_all();
  notify_of_signal(task);
}

}  // namespace

Result<> listen(Task& task) {
  TraceState& trace = task.trace;
  if (!trace.seized || trace.status >> 16 != i32(Event::kStop)) return Errno::kIo;
  trace.listening = true;
  // What happened since the stop is to be told.
  if (trace.notified.load()) trace.queue.wake_all();
  return {};
}

void interrupt(Task& task) {
  task.trace.interrupt.store(true);
  if (task.trace.listening) return notify(task);
  notify_of_signal(task);
}

void job_control(Process& process) {
  Family::for_each_task(process, [](Task& task) TA_NO_ANALYSIS {
    if (task.trace.tracer && task.trace.seized) notify(task);
  });
}

}  // namespace narwhal::ptrace
