// Threads as the scheduler sees them: something with a kernel stack that can run, wait and be
// woken.
//
// Linux's idea of a thread is process/task.h, which derives from this. The kernel itself is not
// preempted: a thread that runs in the kernel goes on until it sleeps, yields, or returns to user
// mode, where need_resched is looked at.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/flags.h"
#include "kernel/base/list.h"
#include "kernel/base/ref.h"
#include "kernel/platform/context.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/pmap.h"
#include "kernel/sched/kernel_stack.h"
#include "kernel/sched/pairing_heap.h"

namespace narwhal {

// How long a thread runs while another one waits for its CPU.
inline constexpr u64 kSlice = 4 * kNanosPerMilli;
// How often a busy CPU looks whether the program or the kernel runs.
inline constexpr u64 kAccountingTick = 10 * kNanosPerMilli;

enum class ThreadState : u8 {
  kNew,       // never ran
  kRunning,   // on a CPU or on a run queue
  kSleeping,  // announced that it will sleep, or sleeps
  kDead,
};

// Reasons to leave the fast way back to user mode; upcall::on_return_to_user looks at them.
enum class UserWork : u32 {
  kNone = 0,
  kSignal = 1,         // a signal may be deliverable
  kReschedule = 2,     // (kept in CpuLocal::need_resched; listed for completeness)
  kTrace = 4,          // system calls are traced (strace)
  kRestoreMask = 8,    // the signal mask of sigsuspend, ppoll, ... is to be put back
  kExit = 16,          // the whole thread group ends
  kNotifyResume = 32,  // rseq and the like
  kCpuTime = 64,       // a tick of the accounting clock while timers of CPU time are armed
  kTraced = 128,       // another process steers this thread (ptrace(2))
  kFileSignals = 256,  // what happened to a file is to be told (O_ASYNC)
  kSeccomp = 512,      // system calls are filtered (seccomp(2))
};
ENABLE_FLAGS(UserWork);

// Whether more than one CPU takes part in scheduling.
extern bool several_cpus;

class Thread : public RefCounted {
 public:
  // ENOMEM for the stack. The thread does not run before start().
  Result<> allocate_stack();
  // Makes it runnable: entry(argument) runs with interrupts enabled and must not return. The
  // scheduler takes a reference of its own, dropped after the thread has ended.
  void start(void (*entry)(void*), void* argument);

  const char* name() const { return name_; }
  void set_name(std::string_view name);  // cut to 15 characters, as comm is

  void* kernel_stack_top() const { return stack_ + kKernelStackSize; }
  UserRegs& user_regs() const { return platform::user_regs_at(kernel_stack_top()); }

  UserContext* user_context() { return user_context_; }
  // Somebody else is about to change them while the thread sleeps: a CPU that holds them still must
  // load them anew.
  void user_registers_change() { registers_cpu_ = ~u32{0}; }
  Pmap* pmap() const { return pmap_; }

  UserWork user_work() const { return UserWork(user_work_.load(Order::kAcquire)); }
  void set_user_work(UserWork work) {
    user_work_.fetch_or(raw(work));
    if (several_cpus) [[unlikely]]
      call_into_kernel();
  }
  void clear_user_work(UserWork work) { user_work_.fetch_and(~raw(work)); }

  // Makes an interruptible sleep end with EINTR, now or when it begins. The flag stays until
  // cleared by the owner, who keeps it true exactly while a deliverable signal is pending.
  void interrupt();
  void clear_interrupt() { interrupted_.store(false, Order::kRelease); }
  bool interrupted() const { return interrupted_.load(Order::kAcquire); }

  // CPU time used so far, in nanoseconds. The sum is exact; how it is shared between program and
  // kernel is sampled at kAccountingTick. None of the three ever goes back.
  u64 cpu_time_ns() const;
  u64 user_time_ns() const;
  u64 system_time_ns() const;
  u64 voluntary_switches() const { return voluntary_switches_; }
  u64 involuntary_switches() const { return involuntary_switches_; }
  // Asks for UserWork::kCpuTime at each tick that finds the thread running.
  void watch_cpu_time(bool watch) { watch_cpu_time_.store(watch, Order::kRelaxed); }

  ThreadState state() const { return ThreadState(state_.load(Order::kAcquire)); }
  u32 cpu() const { return cpu_; }  // where it runs or ran last
  // Bit n for CPU n, of those that the program chose (sched_setaffinity(2)); of CPUs that are not
  // there as well. At least one of them must be there.
  u64 allowed_cpus() const { return allowed_cpus_; }
  // Where the thread is elsewhere it moves: the caller before it is back in the program, another
  // one before the call returns. May sleep.
  void set_allowed_cpus(u64 cpus);

  // -20 (most) to 19 (least), setpriority(2). Takes effect as time is accounted.
  i8 nice = 0;
#ifdef NARWHAL_DEBUG
  u64 held_mutex_ranks = 0;  // bit n for the mutex rank n above the first one
#endif

 protected:
  explicit Thread(std::string_view name) { set_name(name); }
  ~Thread() override;

  UserContext* user_context_ = nullptr;  // set by threads that have a user side
  // Address space to run in; kernel threads run in any. A thread that changes its own calls
  // activate() too.
  Pmap* pmap_ = nullptr;

 private:
  friend class Scheduler;

  // If it runs a program on another CPU, makes it come into the kernel and look at its user work.
  void call_into_kernel();

  HeapNode run_node_;
  KernelContext context_;
  std::byte* stack_ = nullptr;
  Atomic<u32> user_work_{0};
  Atomic<u8> state_{u8(ThreadState::kNew)};
  Atomic<bool> interrupted_{false};
  Atomic<bool> watch_cpu_time_{false};
  // On its CPU or in its run queue; guarded by that queue's lock, as is cpu_. A thread that
  // announced its sleep is still active until it has left the CPU.
  bool active_ = false;
  u32 cpu_ = 0;
  u32 registers_cpu_ = ~u32{0};  // the CPU that its user registers were loaded into last
  u64 allowed_cpus_ = ~u64{0};
  char name_[16] = {};
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  u64 virtual_runtime_ = 0;  // scheduler's measure of fairness, ns weighted by nice
  u64 slice_start_ns_ = 0;
  Atomic<u64> runtime_ns_{0};
  u64 system_ticks_ = 0;
  u64 user_ticks_ = 0;
  // What was reported last, so that the shares never go back as samples come in.
  mutable u64 reported_user_ns_ = 0;
  mutable u64 reported_system_ns_ = 0;
  u64 voluntary_switches_ = 0;
  u64 involuntary_switches_ = 0;
};

// A thread of the kernel's own. ENOMEM. When `entry` returns the thread ends.
Result<Ref<Thread>> start_kernel_thread(std::string_view name, void (*entry)(void*),
                                        void* argument);

// Makes a sleeping thread runnable; false when it did not sleep. Any context. Spurious calls are
// harmless.
bool wake_thread(Thread& thread);
// Gives the CPU away if another thread wants it; the caller stays runnable (sched_yield(2)).
void yield();
// Goes through the scheduler if need_resched is set. Called on the way back to user mode.
void reschedule_if_needed();
// Ends the current thread. Its stack is given back, and the scheduler's reference dropped, by
// whatever thread runs next; so what the destructor does there must be light (no sleeping locks).
[[noreturn]] void exit_thread();
// Adopts the boot stack as this CPU's idle thread and starts scheduling; never returns.
[[noreturn]] void run_scheduler();
// Gives the boot stack a Thread, so that current_thread() answers; before any lock is taken. The
// boot thread can't truly sleep: its sleeps end at once unless another thread can run.
void scheduler_init();

}  // namespace narwhal
