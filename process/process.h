// Process: a thread group, with what all its threads share beyond what clone(2) lets them choose.
//
// It lives from clone(2) until its parent has waited for it; its tasks come and go.
#pragma once

#include "fs/core/dentry.h"
#include "fs/core/path.h"
#include "ipc/keys/key.h"
#include "kernel/abi/resource.h"
#include "kernel/base/hash_table.h"
#include "kernel/mm/address_space.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/thread.h"
#include "process/posix_timers.h"
#include "process/signal_state.h"
#include "process/trace_state.h"

namespace narwhal {

class Process;
class Task;

// getrlimit(2): index by RLIMIT_*.
struct ResourceLimit {
  u64 soft = ~u64{0};
  u64 hard = ~u64{0};
};
inline constexpr usize kResourceLimits = 16;

// CPU time and events of threads, living or ended, or of children.
struct ResourceUsage {
  u64 user_ns = 0;
  u64 system_ns = 0;
  u64 voluntary_switches = 0;
  u64 involuntary_switches = 0;
  u64 minor_faults = 0;
  u64 peak_resident_pages = 0;

  void add(const ResourceUsage& other);
  abi::ResourceUsage to_abi() const;
  void add(const Task& task);
};

// What links a task into its process.
struct GroupMember {
  ListNode group_node;
};

class Process final : public RefCounted {
 public:
  Process();
  u32 pid() const { return pid_; }
  u32 parent_pid() const { return parent_pid_.load(Order::kRelaxed); }
  u32 group_id() const { return group_id_; }  // process group
  u32 session_id() const { return session_id_; }

  ResourceLimit limit(usize resource) const {
    return {limits_[resource].soft.load(Order::kRelaxed),
            limits_[resource].hard.load(Order::kRelaxed)};
  }
  AddressSpace::Limits memory_limits() const;
  u64 soft_limit(usize resource) const { return limits_[resource].soft.load(Order::kRelaxed); }
  void set_limit(usize resource, const ResourceLimit& limit);

  // The program's file, for /proc/PID/exe; its command line and environment are in its memory.
  // The denial keeps it from being written while it runs.
  Path executable() const;
  Ref<RefCounted> write_denial() const;
  void set_executable(Path path, Ref<RefCounted> write_denial);

  ResourceUsage usage() const;           // of all threads, ended ones included
  ResourceUsage children_usage() const;  // of children that were waited for
  u64 cpu_time_ns() const;
  u64 start_time_ns() const { return start_time_ns_; }

  u32 task_count() const { return task_count_.load(Order::kRelaxed); }
  // The group is ending: exit_group(2) or a deadly signal.
  bool exiting() const { return exiting_.load(Order::kAcquire); }
  bool stopped() const { return stopped_.load(Order::kAcquire); }
  // One of its tasks writes a core file, the others rest.
  bool dumping() const { return dumping_.load(Order::kAcquire); }

  // --- signals (process/signals.h)
  mutable SpinLock<LockRank::kSignalQueue> signal_lock;
  SignalQueue pending_signals TA_GUARDED_BY(signal_lock);
  Atomic<u32> queued_signals{0};  // entries in memory, against RLIMIT_SIGPENDING
  // Woken with kPollReadable whenever a signal becomes pending: signalfd(2), sigtimedwait(2).
  WaitQueue signal_arrival;
  SignalHandlers& handlers() const { return *handlers_; }

  // --- timers that send signals, and RLIMIT_CPU
  ProcessTimers timers{*this};

  // --- settings that programs may change freely: prctl(2), personality(2), membarrier(2)
  Atomic<u32> dumpable{1};
  Atomic<bool> child_subreaper{false};
  // TIOCNOTTY without leading the session; setsid(2) forgets it.
  Atomic<bool> left_terminal{false};
  Atomic<u32> personality{0};
  Ref<keys::Key> process_keyring;  // keyrings(7), null until needed: guarded by keys::lock
  Atomic<u32> core_filter{0x33};  // /proc/PID/coredump_filter, Linux's default
  // /proc/PID/oom_score_adj, and the lowest value that it may have without privileges.
  Atomic<i32> oom_score_adjustment{0};
  Atomic<i32> oom_score_lowest{0};
  // MEMBARRIER_CMD_REGISTER_* seen; execve(2) forgets them.
  Atomic<u32> membarrier_registrations{0};

  // --- tracing others (process/ptrace.h); guarded by thread_list_lock. Tasks that this process
  // traces; what ended of them; who traces the first task, once that has ended before others.
  List<TraceState, &TraceState::node> tracees;
  Vector<TraceEnd> trace_ends;
  Process* leader_tracer = nullptr;

  // Woken when a child ends, stops or goes on: wait4(2).
  WaitQueue child_events;
  // Woken when the process or one of its tasks has ended, and when it was waited for:
  // pidfd_open(2).
  WaitQueue end_event;

  // Links, for the lists of process/pid_table.h and wait.h.
  HashNode pid_node;
  ListNode sibling_node;

 private:
  friend class Family;  // process/family.h: what follows is its business
  friend struct TaskBuilder;
  ~Process() override;

  struct AtomicLimit {
    Atomic<u64> soft{~u64{0}};
    Atomic<u64> hard{~u64{0}};
  };
  AtomicLimit limits_[kResourceLimits];
  Ref<SignalHandlers> handlers_;
  mutable Mutex<LockRank::kProcess> mutex_;
  Path executable_ TA_GUARDED_BY(mutex_);
  Ref<RefCounted> write_denial_ TA_GUARDED_BY(mutex_);
  u64 start_time_ns_ = 0;
  Atomic<u32> task_count_{0};
  Atomic<bool> exiting_{false};
  Atomic<bool> stopped_{false};
  Atomic<bool> dumping_{false};
  Atomic<bool> dump_abandoned_{false};

  // Guarded by thread_list_lock (process/family.h).
  u32 pid_ = 0;
  u32 group_id_ = 0;
  u32 session_id_ = 0;
  Process* parent_ = nullptr;
  Atomic<u32> parent_pid_{0};  // of parent_; read without the lock
  u32 parent_tid_ = 0;         // the thread of the parent that made it, or the one after
  bool adopted_ = false;       // by the first process
  List<Process, &Process::sibling_node> children_;
  List<GroupMember, &GroupMember::group_node> tasks_;
  bool executed_ = false;      // execve(2) happened since fork(2): setpgid(2) refuses then
  Task* dumper_ = nullptr;     // writes the core file
  Task* executing_ = nullptr;  // waits in execve(2) for all other tasks to end
  WaitQueue fewer_tasks_;      // woken when a task has left, while one is executing
  bool zombie_ = false;        // all tasks have ended; wait_status_ is final
  Signal exit_signal_ = Signal::kChld;
  char ended_name_[16] = {};  // of the last task
  u32 ended_uid_ = 0;         // real user of the last task
  i32 ended_policy_ = 0, ended_priority_ = 0;  // what sched(7) says of the last task
  i32 wait_status_ = 0;       // as wait4(2) stores it
  i32 stop_signal_ = 0;       // of the last stop
  i32 stop_report_ = 0;       // wait status of a stop or continuation nobody waited for; 0: none
  ResourceUsage ended_tasks_;
  ResourceUsage ended_children_;
  WaitQueue continued_;  // stopped tasks wait here
};

}  // namespace narwhal
