#include "process/family.h"

#include <cstring>

#include "process/ptrace.h"
#include "process/signals.h"

namespace narwhal {

namespace {

constinit void (*program_ended)(i32 wait_status) = nullptr;
constinit ResourceUsage usage_of_ended TA_GUARDED_BY(thread_list_lock);
constexpr u32 kFirstPid = 1;

// clock_t of siginfo: hundredths of a second.
i64 clock_ticks(u64 ns) {
  return i64(ns / 10'000'000);
}

}  // namespace

void set_program_ended_handler(void (*ended)(i32 wait_status)) {
  program_ended = ended;
}

// --- the end

void Family::begin_exit(Process& process, i32 wait_status) {
  if (!process.exiting_.load(Order::kRelaxed)) {
    process.wait_status_ = wait_status;
    process.exiting_.store(true, Order::kRelease);
  }
  process.stopped_.store(false, Order::kRelease);
  for_each_task(process, [](Task& task) {
    task.set_user_work(UserWork::kExit);
    task.interrupt();
  });
  process.continued_.wake_all();
  process.fewer_tasks_.wake_all();
}

void Family::begin_ending(Task& task) {
  Process& process = task.process();
  {
    SpinGuard guard(thread_list_lock);
    if (!process.dumper_ || process.dumper_ == &task) {
      task.begin_ending();
      return;
    }
    task.save_user_state();
    task.at_rest_ = true;
  }
  process.fewer_tasks_.wake_all();
  {
    ScopedWait wait(process.continued_, PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      if (!process.dumping()) break;
      sleep(Interruptible::kNo).ignore();
    }
    cancel_sleep();
  }
  SpinGuard guard(thread_list_lock);
  task.at_rest_ = false;
  task.begin_ending();
}

// --- core dumps

bool Family::all_others_rest(Task& task) {
  bool all = true;
  for_each_task(task.process(), [&](Task& other) {
    // Who began to end before the dump did is not waited for, and not in it.
    if (&other != &task && !other.at_rest_ && !other.ending()) all = false;
  });
  return all;
}

bool Family::begin_dump(Task& task, Signal signal) {
  Process& process = task.process();
  {
    SpinGuard guard(thread_list_lock);
    if (process.exiting_.load(Order::kRelaxed)) return false;
    process.dumper_ = &task;
    process.dumping_.store(true, Order::kRelease);
    begin_exit(process, i32(signal));
  }
  ScopedWait wait(process.fewer_tasks_, PollEvents::kAll);
  for (;;) {
    prepare_to_sleep();
    {
      SpinGuard guard(thread_list_lock);
      if (all_others_rest(task)) break;
    }
    sleep(Interruptible::kNo).ignore();
  }
  cancel_sleep();
  return true;
}

void Family::abandon_dump(Process& process) {
  if (!process.dumper_) return;
  process.wait_status_ = i32(Signal::kKill);
  process.dump_abandoned_.store(true, Order::kRelease);
  wake_thread(*process.dumper_);
}

void Family::finish_dump(Process& process, bool dumped) {
  constexpr i32 kDumped = 0x80;
  {
    SpinGuard guard(thread_list_lock);
    if (dumped && !dump_abandoned(process)) process.wait_status_ |= kDumped;
    process.dumper_ = nullptr;
    process.dumping_.store(false, Order::kRelease);
  }
  process.continued_.wake_all();
}

bool Family::leave(Task& task, i32 status) {
  Process& process = task.process();
  bool last;
  {
    SpinGuard guard(thread_list_lock);
    process.ended_tasks_.add(task);
    usage_of_ended.add(task);
    pid_table::remove(task);
    process.tasks_.remove(task);
    last = process.task_count_.fetch_sub(1) == 1;
    if (process.executing_) process.fewer_tasks_.wake_all();
    // Without exit_group(2) the status of whoever ends last is the process's (since Linux 6.0; it
    // was the leader's before).
    if (!process.exiting_.load(Order::kRelaxed) && last) process.wait_status_ = status;
    if (!last) hand_over_children(process, task);
    ptrace::task_leaves(task, status, last);
    if (last) {
      process.exiting_.store(true, Order::kRelease);
      process.zombie_ = true;
      process.ended_uid_ = task.credentials().uid;
      process.ended_policy_ = task.policy;
      process.ended_priority_ = task.real_time_priority;
      std::memcpy(process.ended_name_, task.name(), sizeof process.ended_name_);
      reparent_children(process);
      ptrace::tracer_ends(process);
      if (process.parent_) tell_if_orphaned(process, process.parent_, &process);
      notify_parent(process);
    }
    process.end_event.wake(kPollReadable);
  }
  if (last && process.pid_ == kFirstPid && program_ended) program_ended(process.wait_status_);
  return last;
}

Result<> Family::become_only_task(Task& task) {
  Process& process = task.process();
  {
    SpinGuard guard(thread_list_lock);
    if (process.exiting_.load(Order::kRelaxed) || process.executing_) return Errno::kRestartNoIntr;
    process.executing_ = &task;
    for_each_task(process, [&](Task& other) {
      if (&other == &task) return;
      other.set_user_work(UserWork::kExit);
      other.interrupt();
    });
  }
  process.continued_.wake_all();
  {
    ScopedWait wait(process.fewer_tasks_, PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      if (process.task_count() == 1 || process.exiting()) break;
      sleep(Interruptible::kNo).ignore();
    }
    cancel_sleep();
  }
  SpinGuard guard(thread_list_lock);
  process.executing_ = nullptr;
  if (process.exiting_.load(Order::kRelaxed)) return Errno::kRestartNoIntr;
  if (!task.is_leader()) {
    // There is room: the entry goes where another was just taken out.
    pid_table::remove(task);
    task.tid_ = process.pid_;
    pid_table::add(task).ignore();
  }
  for_each_child(process, [&](Process& child) { child.parent_tid_ = process.pid_; });
  return {};
}

Result<> Family::reset_handlers(Process& process) {
  // Shared with another process by CLONE_SIGHAND: that one keeps its handlers.
  if (process.handlers_->ref_count() > 1) {
    Ref<SignalHandlers> own = TRY(process.handlers_->copy());
    SpinGuard guard(thread_list_lock);
    std::swap(process.handlers_, own);
    guard.release();
  }
  process.handlers_->reset();
  return {};
}

void Family::note_peak_memory(Process& process, u64 resident_pages) {
  SpinGuard guard(thread_list_lock);
  if (resident_pages > process.ended_tasks_.peak_resident_pages)
    process.ended_tasks_.peak_resident_pages = resident_pages;
}

const ResourceUsage& Family::ended_usage() {
  return usage_of_ended;
}

void Family::notify_parent(Process& process) {
  Process* parent = process.parent_;
  if (!parent) {
    // The first process's end is the program's. Nobody waits for the others that have no parent.
    if (process.pid_ != kFirstPid) forget(process);
    return;
  }
  bool reap = false;
  if (process.exit_signal_ != Signal::kNone) {
    const abi::SignalAction action = parent->handlers().get(process.exit_signal_);
    const i32 status = process.wait_status_;
    const i32 signal = status & 0x7f;
    abi::SignalInfo info{};
    info.number = i32(process.exit_signal_);
    info.code = signal == 0       ? abi::kChildExited
                : (status & 0x80) ? abi::kChildDumped
                                  : abi::kChildKilled;
    info.child.pid = i32(process.pid_);
    info.child.uid = process.ended_uid_;
    info.child.status = signal == 0 ? status >> 8 & 0xff : signal;
    info.child.user_time = clock_ticks(process.ended_tasks_.user_ns);
    info.child.system_time = clock_ticks(process.ended_tasks_.system_ns);
    const bool ignored = action.handler == abi::kSignalIgnore;
    if (process.exit_signal_ == Signal::kChld)
      reap = ignored || (action.flags & abi::kActionNoChildWait);
    // Not even kept for later by who blocks it.
    if (!reap || !ignored) send_signal_locked(*parent, nullptr, info).ignore();
  }
  parent->child_events.wake_all();
  if (reap)
    forget(process);
  else if (process.adopted_)
    limit_adopted_zombies(*parent);
}

// A first process that was written to be one waits for whatever comes; any other program, which
// never does, is not to pay for its descendants' orphans without end.
void Family::limit_adopted_zombies(Process& first) {
  constexpr usize kMost = 32;
  usize count = 0;
  Process* oldest = nullptr;
  for_each_child(first, [&](Process& child) {
    if (!child.adopted_ || !child.zombie_) return;
    ++count;
    if (!oldest) oldest = &child;
  });
  if (count > kMost) forget(*oldest);
}

void Family::notify_parent_of_stop(Process& process, i32 code, i32 status) {
  Process* parent = process.parent_;
  if (!parent) return;
  const abi::SignalAction action = parent->handlers().get(Signal::kChld);
  if (action.handler != abi::kSignalIgnore && !(action.flags & abi::kActionNoChildStop)) {
    abi::SignalInfo info{};
    info.number = i32(Signal::kChld);
    info.code = code;
    info.child.pid = i32(process.pid_);
    info.child.status = status;
    ResourceUsage usage = process.ended_tasks_;
    for_each_task(process, [&](const Task& task) { usage.add(task); });
    info.child.user_time = clock_ticks(usage.user_ns);
    info.child.system_time = clock_ticks(usage.system_ns);
    if (const Task* task = first_task(process)) info.child.uid = task->real_uid();
    send_signal_locked(*parent, nullptr, info).ignore();
  }
  parent->child_events.wake_all();
}

void Family::reparent_children(Process& process) {
  Process* heir = process.parent_;
  while (heir && !heir->child_subreaper.load(Order::kRelaxed) && heir->pid_ != kFirstPid)
    heir = heir->parent_;
  if (!heir && process.pid_ != kFirstPid) heir = pid_table::process(kFirstPid);
  while (Process* child = process.children_.pop_front()) {
    set_parent(*child, heir);
    if (heir) {
      heir->children_.push_back(*child);
      child->parent_tid_ = heir->pid_;
      child->adopted_ = heir->pid_ == kFirstPid;
    }
    // Whatever it was to send to its first parent means nothing to the new one.
    child->exit_signal_ = Signal::kChld;
    tell_if_orphaned(*child, &process, nullptr);
    tell_of_death(*child, process, process.ended_uid_);
    if (child->zombie_) {
      if (heir)
        notify_parent(*child);
      else
        forget(*child);
    }
  }
}

// prctl(2), PR_SET_PDEATHSIG: each thread of the child may have asked.
void Family::tell_of_death(Process& child, const Process& parent, u32 parent_uid) {
  for_each_task(child, [&](Task& task) {
    if (task.parent_death_signal == Signal::kNone) return;
    abi::SignalInfo info{};
    info.number = i32(task.parent_death_signal);
    info.code = abi::kCodeUser;
    info.queued.pid = i32(parent.pid_);
    info.queued.uid = parent_uid;
    send_signal_locked(child, nullptr, info).ignore();
  });
}

// A child's parent is the thread that made it, as far as its death and __WNOTHREAD go; the next
// thread takes its place.
void Family::hand_over_children(Process& process, const Task& task) {
  for_each_child(process, [&](Process& child) TA_NO_ANALYSIS {
    if (child.parent_tid_ != task.tid()) return;
    child.parent_tid_ = first_task(process)->tid();
    tell_of_death(child, process, task.credentials().uid);
  });
}

void Family::forget(Process& process) {
  if (process.parent_) process.parent_->children_.remove(process);
  set_parent(process, nullptr);
  pid_table::remove(process);
  process.end_event.wake(kPollReadable | PollEvents::kHup);
  process.drop_ref();  // the table's
}

// --- stopping

void Family::begin_stop(Process& process, Signal signal) {
  if (process.exiting_.load(Order::kRelaxed)) return;
  if (process.stopped_.exchange(true)) return;
  process.stop_signal_ = i32(signal);
  process.stop_report_ = i32(signal) << 8 | 0x7f;
  for_each_task(process, [](Task& task) {
    task.trace.runs_in_stop = false;
    task.set_user_work(UserWork::kSignal);
    task.interrupt();
  });
  ptrace::job_control(process);
  notify_parent_of_stop(process, abi::kChildStopped, i32(signal));
}

void Family::go_on(Process& process) {
  if (!process.stopped_.exchange(false)) return;
  constexpr i32 kContinued = 0xffff;
  process.stop_report_ = kContinued;
  process.continued_.wake_all();
  notify_parent_of_stop(process, abi::kChildContinued, i32(Signal::kCont));
}

bool Family::group_orphaned(u32 group, const Process* without) {
  bool orphaned = true;
  pid_table::processes().for_each([&](Process& process) TA_NO_ANALYSIS {
    if (process.group_id_ != group || process.zombie_ || &process == without) return;
    const Process* parent = process.parent_;
    if (parent && parent->group_id_ != group && parent->session_id_ == process.session_id_)
      orphaned = false;
  });
  return orphaned;
}

bool Family::group_exists(u32 group) {
  bool found = false;
  pid_table::processes().for_each([&](Process& process) {
    if (process.group_id_ == group) found = true;
  });
  return found;
}

bool Family::group_in_session(u32 group, u32 session) {
  bool found = false;
  pid_table::processes().for_each([&](Process& process) {
    if (process.group_id_ == group && process.session_id_ == session) found = true;
  });
  return found;
}

// A stopped job that nobody can continue any more, since the process that tied it to its session is
// gone (POSIX, _exit(): "orphaned process group"), is told and let go on.
void Family::tell_if_orphaned(const Process& process, const Process* parent,
                              const Process* without) {
  const u32 group = process.group_id_;
  if (parent->group_id_ == group || parent->session_id_ != process.session_id_) return;
  if (!group_orphaned(group, without)) return;
  bool any_stopped = false;
  pid_table::processes().for_each([&](Process& member) {
    if (member.group_id_ == group && member.stopped()) any_stopped = true;
  });
  if (!any_stopped) return;
  pid_table::processes().for_each([&](Process& member) TA_NO_ANALYSIS {
    if (member.group_id_ != group || member.zombie_) return;
    send_signal_locked(member, nullptr, kernel_signal(Signal::kHup)).ignore();
    send_signal_locked(member, nullptr, kernel_signal(Signal::kCont)).ignore();
  });
}

// --- waiting

bool Family::matches(const Process& parent, const Process& child, const WaitRequest& request) {
  using Which = WaitRequest::Which;
  if (request.which == Which::kPid && child.pid_ != request.number) return false;
  if (request.which == Which::kProcess && &child != request.process) return false;
  if (request.which == Which::kGroup &&
      child.group_id_ != (request.number ? request.number : parent.group_id_))
    return false;
  if (request.thread != 0 && child.parent_tid_ != request.thread) return false;
  const bool is_clone = child.exit_signal_ != Signal::kChld;
  return request.clones_too || is_clone == request.clones_only;
}

Result<Family::WaitResult> Family::poll_children(Process& parent, const WaitRequest& request) {
  SpinGuard guard(thread_list_lock);
  bool any = false;
  if (WaitResult traced; ptrace::poll(parent, request, any, traced)) return traced;
  for (Process* child = parent.children_.front(); child; child = parent.children_.next(*child)) {
    if (!matches(parent, *child, request)) continue;
    any = true;
    WaitResult result;
    result.pid = child->pid_;
    result.uid = child->zombie_ ? child->ended_uid_ : first_task(*child)->real_uid();
    result.usage = child->ended_tasks_;
    result.usage.add(child->ended_children_);
    if (child->zombie_) {
      if (!request.exited) continue;
      result.wait_status = child->wait_status_;
      if (!request.keep) {
        parent.ended_children_.add(result.usage);
        forget(*child);
      }
      return result;
    }
    if (child->stop_report_ == 0) continue;
    // Its tracer hears of each task instead.
    if (const Task* leader = first_task(*child); leader->trace.tracer == &parent) continue;
    result.is_stop = (child->stop_report_ & 0xff) == 0x7f;
    result.is_continue = !result.is_stop;
    if (!(result.is_stop ? request.stopped : request.continued)) continue;
    result.wait_status = child->stop_report_;
    if (!request.keep) child->stop_report_ = 0;
    return result;
  }
  if (!any) return Errno::kChild;
  return WaitResult{};
}

}  // namespace narwhal
