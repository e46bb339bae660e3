// The scheduler's own parts, for the files of this folder; others use thread.h.
//
// One run queue for each CPU, ordered by virtual runtime: time spent running, weighted by nice.
// The thread that had least runs next. A thread that slept comes back at most kSleepCredit behind
// the others, so that it runs soon without having saved up time. A woken thread preempts the
// running one when it is behind by more than kWakeupGranularity.
#pragma once

#include "kernel/platform/machine.h"
#include "kernel/sched/thread.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

struct CpuTimes;

inline constexpr u64 kSleepCredit = 3 * kNanosPerMilli;
inline constexpr u32 kTicksToRotate = 8;
inline constexpr u64 kSpreadDelay = 200 * kNanosPerMicro;
inline constexpr u64 kWakeupGranularity = kNanosPerMilli;

class Scheduler {
 public:
  enum class Leaving : u8 { kSleeping, kPreempted, kYielding, kExiting };

  // Gives the CPU to the thread that has had least of it, which may be the caller. Interrupts
  // are disabled by the caller and stay so.
  static void schedule(Leaving leaving);
  static bool wake(Thread& thread);
  static void start(Thread& thread, void (*entry)(void*), void* argument);
  static void init();
  [[noreturn]] static void run_idle();
  // The CPU's part of upcall::on_timer(): accounting, slices, the next interrupt.
  static void tick(bool user_mode, u64 next_timer_ns);
  // Ends the thread that runs.
  [[noreturn]] static void exit();

  static void announce_sleep(Thread& thread) { thread.state_.store(u8(ThreadState::kSleeping)); }
  static void cancel_sleep(Thread& thread) {
    thread.state_.store(u8(ThreadState::kRunning), Order::kRelaxed);
  }
  static u64 runtime_of(const Thread& thread);
  static void call_into_kernel(Thread& thread);
  static void set_allowed_cpus(Thread& thread, u64 cpus);
  static u32 online_cpus() { return cpus_online_; }
  static CpuTimes times_of(u32 cpu);
  static bool runs_where_it_may_not(const Thread& thread) {
    return cpus_[thread.cpu_].running == &thread && !may_run(thread, thread.cpu_);
  }

 private:
  struct LeastRun {
    static bool before(const Thread& a, const Thread& b) {
      return i64(a.virtual_runtime_ - b.virtual_runtime_) < 0;
    }
  };
  using RunQueue = PairingHeap<Thread, &Thread::run_node_, LeastRun>;

  struct alignas(64) Cpu {
    SpinLock<LockRank::kRunQueue> lock;
    RunQueue queue TA_GUARDED_BY(lock);
    u64 least_runtime TA_GUARDED_BY(lock) = 0;  // never goes back
    Atomic<u32> queued{0};  // how many there are on the queue; changed under the lock
    // The rest belongs to the CPU: touched with interrupts disabled, by nobody else.
    Thread* running = nullptr;  // also read under the lock by wakers
    Thread* idle = nullptr;     // null: this CPU takes no part
    CpuLocal* local = nullptr;
    Thread* dead = nullptr;        // left its stack for ever; to be cleaned up by the next thread
    Thread* user_owner = nullptr;  // whose user registers (FPU, FS, GS) the CPU holds
    u64 slice_end_ns = 0;
    u64 tick_ns = 0;
    u32 ticks = 0;  // interrupts of the timer
    u64 began_ns = 0;
    u64 user_ticks = 0, system_ticks = 0;  // that found it busy
  };
  static Cpu cpus_[kMaxCpus];
  static u32 cpus_online_;  // that take part

  static Cpu& this_cpu() { return cpus_[cpu_local().index]; }
  static void account(Thread& thread, u64 now_ns);
  static void enqueue(Cpu& cpu, Thread& thread) TA_REQUIRES(cpu.lock);
  static void dequeue(Cpu& cpu, Thread& thread) TA_REQUIRES(cpu.lock);
  static void place(Cpu& cpu, Thread& thread) TA_REQUIRES(cpu.lock);
  static void place_here(Cpu& cpu, Thread& thread) TA_REQUIRES(cpu.lock);
  static void consider_preemption(Cpu& cpu, const Thread& woken) TA_REQUIRES(cpu.lock);
  static void switch_to(Cpu& cpu, Thread& from, Thread& to);
  static void finish_switch();
  static void begin_thread(void* thread);

  // Several CPUs (balance.cc).
  // From the second CPU on.
  static void become_several();
  // Registers of a thread that leaves are saved at once, since it may go on on another CPU.
  static void switch_user_registers(Cpu& cpu, Thread& from, Thread& to);
  static bool is_idle(const Cpu& cpu) {
    return cpu.running == cpu.idle && cpu.queued.load(Order::kRelaxed) == 0;
  }
  static bool may_run(const Thread& thread, u32 cpu) { return thread.allowed_cpus_ >> cpu & 1; }
  // The CPU that a thread which is about to become runnable should run on.
  static u32 choose_cpu(const Thread& thread);
  // Says that the thread belongs to a CPU now.
  static void belong_to(Thread& thread, u32 cpu);
  // Offers what waits for this CPU to those that are idle: at a tick, and asking for one.
  static void spread(Cpu& cpu);
  static void spread_later();
  // Makes a CPU go through schedule() soon.
  static void ask_to_reschedule(u32 cpu);
  // Takes a thread out of the account of a CPU that it leaves, and adds it to that of another.
  static void leave_account(Cpu& from, Thread& thread) TA_REQUIRES(from.lock);
  static void join_account(Cpu& to, Thread& thread) TA_REQUIRES(to.lock);
  // Makes a thread that is on no queue wait for the CPU that suits it.
  static void place_elsewhere(Thread& thread);
  // schedule() begins: takes a thread over if this CPU has none; says whether the one that runs may
  // not go on here, and belongs on the queue of another CPU.
  static bool look_at_others(Cpu& cpu, Leaving leaving);
  // Takes a waiting thread over from another CPU that has at least `surplus` of them more.
  static void pull(Cpu& cpu, u32 surplus);
};

}  // namespace narwhal
