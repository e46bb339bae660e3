// Task: a thread as Linux sees it. Process: a thread group.
//
// What threads may share or not (clone(2)) is behind references: memory, descriptors, working
// directory, signal handlers.
#pragma once

#include "fs/core/vfs.h"
#include "ipc/keys/key.h"
#include "ipc/semaphores.h"
#include "kernel/sched/thread.h"
#include "process/fd_table.h"
#include "process/process.h"
#include "process/signal_state.h"
#include "process/trace_state.h"

namespace narwhal {

// The running task. Only in the context of one (system calls, faults of a program).
inline Task& current_task();

// How an interrupted call goes on through restart_syscall(2), when what is left to do is not in its
// arguments (the rest of a relative time). The meaning of the words is the call's own.
struct RestartBlock {
  Result<i64> (*resume)(Task& task) = nullptr;
  u64 words[6] = {};
};

// vfork(2): the parent waits here until the child has let go of its memory.
class VforkCompletion : public RefCounted {
 public:
  Atomic<bool> done{false};
  WaitQueue queue;
  void complete() {
    done.store(true);
    queue.wake_all();
  }
};

class SeccompFilter;

class Task final : public Thread, public GroupMember {
 public:
  u32 tid() const { return tid_; }
  Process& process() const { return *process_; }
  bool is_leader() const { return tid_ == process_->pid(); }

  // Gone once the task has ended (they are null then); only the task itself changes them, and only
  // it may use these. Others take copies, below.
  AddressSpace& memory() const { return *memory_; }
  FdTable& files() const { return *files_; }
  FsContext& fs() const { return *fs_; }
  const Ref<AddressSpace>& memory_ref() const { return memory_; }
  const Ref<FdTable>& files_ref() const { return files_; }
  const Ref<FsContext>& fs_ref() const { return fs_; }
  void set_files(Ref<FdTable> files) { replace(files_, std::move(files)); }
  void set_fs(Ref<FsContext> fs) { replace(fs_, std::move(fs)); }
  // execve(2): goes over to another address space at once.
  void set_memory(Ref<AddressSpace> memory);

  // Brings what others may look at (a core dump) up to date with the registers: of the current
  // task.
  void save_user_state();
  // PR_SET_TSC, of the current task.
  bool hides_time_stamp() const { return user_.hides_time_stamp; }
  void hide_time_stamp(bool hide);
  // What stops the program by itself is the old program's (execve).
  void clear_debug_registers();

  // On the way out: takes no signals any more.
  bool ending() const { return ending_.load(Order::kAcquire); }
  void begin_ending();
  // Lets go of memory, descriptors and directories, before the task leaves its process.
  void release_resources();

  const Credentials& credentials() const { return *credentials_; }
  const CredentialsRef& credentials_ref() const { return credentials_; }
  void set_credentials(CredentialsRef credentials) {
    replace(credentials_, std::move(credentials));
  }
  // What SEM_UNDO takes back at the end of the last task that has it (semop(2)); null until needed.
  const Ref<sysv::UndoList>& semaphore_undo() const { return semaphore_undo_; }
  void set_semaphore_undo(Ref<sysv::UndoList> undo) { replace(semaphore_undo_, std::move(undo)); }
  // The latest filter of its system calls (process/seccomp.h); null: none.
  const Ref<SeccompFilter>& seccomp_filter() const { return seccomp_filter_; }
  void set_seccomp_filter(Ref<SeccompFilter> filter);
  Ref<SeccompFilter> seccomp_filter_copy() const;
  vfs::Actor actor() const { return {*fs_, *credentials_}; }

  // For other tasks: what it has now, or null when it has ended.
  Ref<AddressSpace> memory_copy() const { return copy_of(memory_); }
  Ref<FdTable> files_copy() const { return copy_of(files_); }
  Ref<FsContext> fs_copy() const { return copy_of(fs_); }
  CredentialsRef credentials_copy() const { return copy_of(credentials_); }
  Ref<sysv::UndoList> semaphore_undo_copy() const { return copy_of(semaphore_undo_); }

  u32 real_uid() const {
    SpinGuard guard(references_lock_);
    return credentials_->uid;
  }

  TraceState trace;     // process/ptrace.h
  TaskSignals signals;  // mask, pending, alternate stack
  // The last exception in the program, for signal frames (sigcontext's trapno, err, cr2).
  u64 trap_number = 0;
  u64 trap_error = 0;
  u64 trap_address = 0;
  RestartBlock restart;

  // set_tid_address(2), set_robust_list(2), rseq(2): looked at when the thread ends.
  UserAddr clear_child_tid{};
  UserAddr robust_list{};
  UserAddr rseq_area{};
  u32 rseq_length = 0;
  u32 rseq_signature = 0;

  // prctl(2), per thread.
  bool no_new_privileges = false;
  bool strict_calls = false;  // SECCOMP_MODE_STRICT
  bool io_flusher = false;
  u8 machine_check_policy = 2;  // PR_MCE_KILL_DEFAULT
  Signal parent_death_signal = Signal::kNone;
  u64 timer_slack_ns = 50'000;
  u64 default_timer_slack_ns = 50'000;  // what the parent had when it made this task
  // sched(7), ioprio_set(2): kept and reported.
  i32 policy = 0;
  i32 real_time_priority = 0;
  struct Deadline {  // SCHED_DEADLINE; nanoseconds
    u64 runtime = 0, deadline = 0, period = 0;
  };
  Deadline deadline;
  bool reset_on_fork = false;
  u16 io_priority = 0;
  u32 memory_policy = 0;  // set_mempolicy(2): kept and told
  // keyrings(7), null until needed: guarded by keys::lock. Where request_key(2) puts what it makes.
  Ref<keys::Key> thread_keyring, session_keyring;
  i32 request_keyring = 0;

  u64 minor_faults = 0;
  // Times that the task had left its CPU when it last went back to the program (rseq(2)).
  u64 switches_seen = 0;
  u64 start_time_ns = 0;

  HashNode tid_node;  // in the table of tasks (process/pid_table.h)

 private:
  friend class Family;
  friend struct TaskBuilder;  // process/task_builder.h: makes tasks
  explicit Task(std::string_view name);
  ~Task() override;

  template <typename T>
  Ref<T> copy_of(const Ref<T>& member) const {
    SpinGuard guard(references_lock_);
    return member;
  }
  template <typename T>
  void replace(Ref<T>& member, Ref<T> value) {
    SpinGuard guard(references_lock_);
    std::swap(member, value);  // what was there goes after the lock
  }

  u32 tid_ = 0;
  Ref<Process> process_;
  mutable SpinLock<LockRank::kTaskReferences> references_lock_;
  Ref<AddressSpace> memory_;
  Ref<FdTable> files_;
  Ref<FsContext> fs_;
  CredentialsRef credentials_;
  Ref<sysv::UndoList> semaphore_undo_;
  Ref<SeccompFilter> seccomp_filter_;
  UserContext user_;
  UserAddr set_child_tid_{};  // where the new task writes its number first (CLONE_CHILD_SETTID)
  Ref<VforkCompletion> vfork_;
  Atomic<bool> ending_{false};
  bool at_rest_ = false;  // while its process is dumped; guarded by thread_list_lock
};

inline Task& current_task() {
  return *static_cast<Task*>(current_thread());
}

inline Process& current_process() {
  return current_task().process();
}

}  // namespace narwhal
