#include "process/task_builder.h"

#include <optional>

#include "ipc/shared_memory.h"
#include "kernel/abi/resource.h"
#include "kernel/abi/sched.h"
#include "kernel/mm/frame.h"
#include "process/core_settings.h"
#include "process/family.h"
#include "process/file_signal.h"
#include "process/pidfd.h"
#include "process/seccomp.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// An eighth of the memory for the kernel's stacks of tasks (Linux's kernel/fork.c).
u32 largest_task_count() {
  constexpr u64 kLeast = 20, kShare = 8;
  const u64 count = memory_statistics().total_frames * kPageSize / (kShare * kKernelStackSize);
  return u32(count < kLeast ? kLeast : count > kPidLimit ? kPidLimit : count);
}

// Linux's own at boot (include/asm-generic/resource.h).
constexpr u64 kUnlimited = ~u64{0};

void set_first_limits(Process& process) {
  const u64 many_processes = task_limit.load() / 2;
  process.set_limit(abi::kLimitStack, {8 * kMiB, kUnlimited});
  process.set_limit(abi::kLimitCore, {0, kUnlimited});
  process.set_limit(abi::kLimitProcesses, {many_processes, many_processes});
  process.set_limit(abi::kLimitOpenFiles, {1024, 1024 * 1024});
  process.set_limit(abi::kLimitLockedMemory, {8 * kMiB, 8 * kMiB});
  process.set_limit(abi::kLimitPendingSignals, {many_processes, many_processes});
  process.set_limit(abi::kLimitMessageQueues, {819200, 819200});
  process.set_limit(abi::kLimitNice, {0, 0});
  process.set_limit(abi::kLimitRealTimePriority, {0, 0});
}

constexpr u32 kFirstPid = 1;

}  // namespace

// There is one namespace of each kind, and Linux without namespaces says EINVAL too.
Result<> refuse_new_namespaces(const Credentials& who, CloneFlags flags) {
  if (!has(flags, kNamespaces)) return {};
  const bool for_anybody = has(flags, CloneFlags::kNewUser);
  return for_anybody || who.capable(Capability::kSysAdmin) ? Errno::kInval : Errno::kPerm;
}

namespace {

Result<> check_flags(const Process& parent, const Credentials& who, const CloneRequest& request) {
  const CloneFlags flags = request.flags;
  const auto set = [&](CloneFlags flag) { return has(flags, flag); };
  if (set(CloneFlags::kThread) && !set(CloneFlags::kSigHand)) return Errno::kInval;
  if (set(CloneFlags::kSigHand) && !set(CloneFlags::kVm)) return Errno::kInval;
  if (set(CloneFlags::kSigHand) && set(CloneFlags::kClearSigHand)) return Errno::kInval;
  if (set(CloneFlags::kNewNs) && set(CloneFlags::kFs)) return Errno::kInval;
  if (set(CloneFlags::kPidFd) && set(CloneFlags::kDetached)) return Errno::kInval;
  if (set(CloneFlags::kParent) && parent.pid() == kFirstPid) return Errno::kInval;
  TRY(refuse_new_namespaces(who, flags));
  if (set(CloneFlags::kIntoCgroup)) return Errno::kInval;  // there are none
  return {};
}

// The limit on all tasks binds everybody. RLIMIT_NPROC counts the tasks of a user, and does not
// bind who has the right to go beyond it.
Result<> check_process_limit(Task& parent) TA_REQUIRES(thread_list_lock) {
  if (pid_table::tasks().size() >= task_limit.load(Order::kRelaxed)) return Errno::kAgain;
  const Credentials& who = parent.credentials();
  if (who.uid == 0 || who.capable(Capability::kSysResource) || who.capable(Capability::kSysAdmin))
    return {};
  u64 count = 0;
  pid_table::tasks().for_each([&](Task& task) { count += task.real_uid() == who.uid; });
  return count >= parent.process().soft_limit(abi::kLimitProcesses) ? Result<>(Errno::kAgain)
                                                                    : Result<>();
}

}  // namespace

Result<Ref<Task>> TaskBuilder::make(std::string_view name) {
  auto task = Ref<Task>::adopt(new (std::nothrow) Task(name));
  if (!task) return Errno::kNoMem;
  TRY(task->allocate_stack());
  task->user_.fpu_area = static_cast<std::byte*>(
      ::operator new(platform::fpu_area_size(), std::align_val_t(64), std::nothrow));
  if (!task->user_.fpu_area) return Errno::kNoMem;
  // Also where a parent's state is saved over it: saving leaves parts of the area untouched that
  // loading checks.
  platform::fpu_area_init(task->user_.fpu_area);
  task->user_context_ = &task->user_;
  task->start_time_ns = platform::monotonic_ns();
  return task;
}

// The first thing that a new task does.
void TaskBuilder::begin(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  // A failure is nobody's fault any more (clone(2) ignores it too).
  if (task.set_child_tid_.value != 0) store_user(task.set_child_tid_, task.tid()).ignore();
  platform::enter_user(task.user_regs());
}

// A process of its own, not yet in the tables.
Result<Ref<Task>> TaskBuilder::make_without_parent(FirstProgram program) {
  auto task = TRY(make(program.name));
  auto process = TRY(make_ref<Process>());
  process->handlers_ = TRY(make_ref<SignalHandlers>());
  process->start_time_ns_ = task->start_time_ns;
  process->executed_ = true;
  set_first_limits(*process);
  process->set_executable(std::move(program.executable), std::move(program.write_denial));
  program.memory->set_limits(process->memory_limits());
  task->process_ = process;
  task->pmap_ = &program.memory->pmap();
  task->memory_ = std::move(program.memory);
  task->files_ = std::move(program.files);
  task->fs_ = std::move(program.fs);
  task->credentials_ = std::move(program.credentials);
  platform::user_regs_init(task->user_regs(), program.entry, program.stack);
  return task;
}

// Makes it known, as the leader of its group and session.
Result<> TaskBuilder::enter_tables_alone(Task& task) {
  Process& process = *task.process_;
  SpinGuard guard(thread_list_lock);
  if (pid_table::tasks().size() >= task_limit.load(Order::kRelaxed)) return Errno::kAgain;
  task.tid_ = TRY(pid_table::take_number());
  TRY(pid_table::add(task));
  process.pid_ = process.group_id_ = process.session_id_ = task.tid_;
  if (auto added = pid_table::add(process); !added.ok()) {
    pid_table::remove(task);
    return added;
  }
  process.add_ref();  // the table's
  process.tasks_.push_back(task);
  process.task_count_.store(1);
  return {};
}

void FirstProgram::take(LoadedProgram& program) {
  name = {program.name.data(), program.name.size()};
  memory = std::move(program.memory);
  executable = std::move(program.executable);
  write_denial = std::move(program.write_denial);
  entry = program.entry;
  stack = program.stack;
}

Result<Ref<Task>> TaskBuilder::start_first(FirstProgram program) {
  task_limit.store(largest_task_count());
  sysv::set_current_pid_source([] { return current_process().pid(); });
  AddressSpace::set_lock_privilege(
      [] { return current_task().credentials().capable(Capability::kIpcLock); });
  file_signals_init();
  auto task = TRY(make_without_parent(std::move(program)));
  TRY(enter_tables_alone(*task));
  task->start(begin, task.get());
  return task;
}

Result<> TaskBuilder::start_helper(FirstProgram program) {
  auto task = TRY(make_without_parent(std::move(program)));
  // If it dies in its turn, that is no news for another helper.
  task->process_->set_limit(abi::kLimitCore, {kNoCorePipe, kNoCorePipe});
  TRY(enter_tables_alone(*task));
  task->start(begin, task.get());
  return {};
}

Result<Ref<Process>> TaskBuilder::make_process(Task& parent, const CloneRequest& request) {
  Process& old = parent.process();
  auto process = TRY(make_ref<Process>());
  const bool share_handlers = has(request.flags, CloneFlags::kSigHand);
  process->handlers_ = share_handlers ? old.handlers_ : TRY(old.handlers_->copy());
  if (has(request.flags, CloneFlags::kClearSigHand)) process->handlers_->reset();
  for (usize i = 0; i < kResourceLimits; ++i) process->set_limit(i, old.limit(i));
  process->set_executable(old.executable(), old.write_denial());
  process->dumpable.store(old.dumpable.load());
  process->core_filter.store(old.core_filter.load());
  process->personality.store(old.personality.load());
  process->oom_score_adjustment.store(old.oom_score_adjustment.load());
  process->oom_score_lowest.store(old.oom_score_lowest.load());
  process->exit_signal_ = request.exit_signal;
  process->start_time_ns_ = platform::monotonic_ns();
  return process;
}

// Memory, descriptors, directories: shared or copied as the flags say.
Result<> TaskBuilder::share(Task& parent, Task& child, const CloneRequest& request) {
  const auto set = [&](CloneFlags flag) { return has(request.flags, flag); };
  child.memory_ = set(CloneFlags::kVm) ? parent.memory_ : TRY(parent.memory_->clone());
  child.pmap_ = &child.memory_->pmap();
  child.files_ = set(CloneFlags::kFiles) ? parent.files_ : TRY(parent.files_->copy());
  child.fs_ = set(CloneFlags::kFs) ? parent.fs_ : TRY(parent.fs_->copy());
  child.credentials_ = parent.credentials_;
  if (set(CloneFlags::kSysVSem)) {
    if (!parent.semaphore_undo_) parent.set_semaphore_undo(TRY(make_ref<sysv::UndoList>()));
    child.semaphore_undo_ = parent.semaphore_undo_;
  }

  child.signals.blocked = parent.signals.blocked;
  // A new thread starts without an alternate stack; so does what shares memory, unless by vfork(2).
  if (!set(CloneFlags::kVm) || set(CloneFlags::kVfork))
    child.signals.alternate_stack = parent.signals.alternate_stack;
  if (!set(CloneFlags::kVm)) {
    child.rseq_area = parent.rseq_area;
    child.rseq_length = parent.rseq_length;
    child.rseq_signature = parent.rseq_signature;
  }
  child.no_new_privileges = parent.no_new_privileges;
  child.io_flusher = parent.io_flusher;
  child.user_.hides_time_stamp = parent.user_.hides_time_stamp;
  child.machine_check_policy = parent.machine_check_policy;
  child.timer_slack_ns = child.default_timer_slack_ns = parent.timer_slack_ns;
  child.strict_calls = parent.strict_calls;
  child.set_seccomp_filter(parent.seccomp_filter());
  if (has(parent.user_work(), UserWork::kSeccomp)) child.set_user_work(UserWork::kSeccomp);
  child.io_priority = parent.io_priority;
  child.memory_policy = parent.memory_policy;
  child.request_keyring = parent.request_keyring;
  if (parent.session_keyring) {
    Guard guard(keys::lock);
    child.session_keyring = parent.session_keyring;
  }
  child.nice = parent.nice;
  child.set_allowed_cpus(parent.allowed_cpus());
  if (!parent.reset_on_fork) {
    child.policy = parent.policy;
    child.real_time_priority = parent.real_time_priority;
    child.deadline = parent.deadline;
  } else if (parent.real_time_priority != 0 || parent.policy == abi::kPolicyDeadline) {
    child.nice = 0;
  } else {
    child.policy = parent.policy;
    if (child.nice < 0) child.nice = 0;
  }
  if (has(parent.user_work(), UserWork::kTrace)) child.set_user_work(UserWork::kTrace);

  // The parent runs, so its registers are in the CPU.
  platform::fpu_save(child.user_.fpu_area);
  child.user_.fs_base = set(CloneFlags::kSetTls) ? request.tls : platform::fs_base();
  child.user_.gs_base = platform::gs_base();
  UserRegs& regs = child.user_regs();
  regs = parent.user_regs();
  regs.rax = 0;
  regs.orig_rax = ~u64{0};
  if (request.stack.value != 0) regs.rsp = request.stack.value;
  return {};
}

Result<> TaskBuilder::enter_tables(Task& parent, Task& child, bool new_process,
                                   const CloneRequest& request, ptrace::Event event) {
  const CloneFlags flags = request.flags;
  Process& process = *child.process_;
  SpinGuard guard(thread_list_lock);
  // A group that ends, or shrinks to one task for execve(2), takes nobody in: the call is repeated,
  // and never gets there.
  if (parent.process().exiting() || has(parent.user_work(), UserWork::kExit))
    return Errno::kRestartNoIntr;
  TRY(check_process_limit(parent));
  child.tid_ = TRY(pid_table::take_number(request.tid));
  TRY(pid_table::add(child));
  if (new_process) {
    process.pid_ = child.tid_;
    process.group_id_ = parent.process().group_id_;
    process.session_id_ = parent.process().session_id_;
    process.left_terminal.store(parent.process().left_terminal.load());
    if (auto added = pid_table::add(process); !added.ok()) {
      pid_table::remove(child);
      return added.error();
    }
    process.add_ref();  // the table's
    Process* family_parent =
        has(flags, CloneFlags::kParent) ? parent.process().parent_ : &parent.process();
    if (has(flags, CloneFlags::kParent) && family_parent)
      process.exit_signal_ = parent.process().exit_signal_;
    Family::set_parent(process, family_parent);
    process.parent_tid_ =
        has(flags, CloneFlags::kParent) ? parent.process().parent_tid_ : parent.tid();
    if (family_parent) family_parent->children_.push_back(process);
  }
  process.tasks_.push_back(child);
  process.task_count_.fetch_add(1);
  if (event != ptrace::Event::kNone || (has(flags, CloneFlags::kPtrace) && ptrace::traced(parent)))
    ptrace::adopt(parent, child);
  child.watch_cpu_time(process.timers.watches_cpu_time());
  if (process.stopped()) child.set_user_work(UserWork::kSignal);
  return {};
}

Result<u32> TaskBuilder::clone(Task& parent, const CloneRequest& request) {
  const auto set = [&](CloneFlags flag) { return has(request.flags, flag); };
  TRY(check_flags(parent.process(), parent.credentials(), request));
  // The time that was promised to one task is not promised to two.
  if (parent.policy == abi::kPolicyDeadline && !parent.reset_on_fork) return Errno::kAgain;
  if (set(CloneFlags::kSetTls) && request.tls >= kUserEnd.value) return Errno::kPerm;
  const bool new_process = !set(CloneFlags::kThread);
  auto child = TRY(make(parent.name()));
  child->process_ = new_process ? TRY(make_process(parent, request)) : parent.process_;
  TRY(share(parent, *child, request));
  if (set(CloneFlags::kChildClearTid)) child->clear_child_tid = request.child_tid;
  if (set(CloneFlags::kChildSetTid)) child->set_child_tid_ = request.child_tid;
  Ref<VforkCompletion> vfork;
  if (set(CloneFlags::kVfork)) {
    vfork = TRY(make_ref<VforkCompletion>());
    child->vfork_ = vfork;
  }
  Ref<PidFd> pidfd;
  std::optional<FdTable::Reservation> pidfd_number;
  if (set(CloneFlags::kPidFd)) {
    // After the tables of descriptors have parted: the child does not get it.
    pidfd = new_process ? TRY(make_ref<PidFd>(child->process_, OpenFlags::kReadWrite))
                        : TRY(make_ref<PidFd>(child, OpenFlags::kReadWrite));
    pidfd_number.emplace(
        TRY(parent.files().reserve(parent.process().soft_limit(abi::kLimitOpenFiles))));
    TRY(store_user(request.pidfd, i32(pidfd_number->number())));
  }
  const auto event = ptrace::event_of_clone(parent, set(CloneFlags::kVfork),
                                            request.exit_signal == Signal::kChld && new_process,
                                            set(CloneFlags::kUntraced));
  TRY(enter_tables(parent, *child, new_process, request, event));
  if (pidfd) std::move(*pidfd_number).commit(std::move(pidfd), true);
  const u32 tid = child->tid();
  if (set(CloneFlags::kParentSetTid)) store_user(request.parent_tid, tid).ignore();
  child->start(begin, child.get());
  child = nullptr;
  if (event != ptrace::Event::kNone) ptrace::event(parent, event, tid);
  if (vfork) {
    ScopedWait wait(vfork->queue, PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      if (vfork->done.load() || has(parent.user_work(), UserWork::kExit)) break;
      sleep(Interruptible::kNo).ignore();
    }
    cancel_sleep();
    ptrace::event(parent, ptrace::Event::kVforkDone, tid);
  }
  return tid;
}

}  // namespace narwhal
