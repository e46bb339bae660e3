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

inline constexpr u32 kMaxCpus = 64;
inline constexpr u64 kSlice = 4 * kNanosPerMilli;
inline constexpr u64 kSleepCredit = 3 * kNanosPerMilli;
inline constexpr u64 kWakeupGranularity = kNanosPerMilli;
// How often a busy CPU looks whether the program or the kernel runs.
inline constexpr u64 kAccountingTick = 10 * kNanosPerMilli;

// CPUs that take part in scheduling.
u32 online_cpus();
// Tells another CPU to look at its run queue; set by whoever starts a second CPU.
void set_cpu_notifier(void (*notify)(u32 cpu));

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
  static void request_timer(u64 deadline_ns);
  static void forget_user_registers(Thread& thread);

  // Stacks of 16 KiB with a guard page, with a few kept back per CPU: making and unmapping one
  // costs more than all else in a thread's life. ENOMEM.
  static Result<std::byte*> allocate_stack();
  static void free_stack(std::byte* stack);

  static void announce_sleep(Thread& thread) { thread.state_.store(u8(ThreadState::kSleeping)); }
  static void cancel_sleep(Thread& thread) {
    thread.state_.store(u8(ThreadState::kRunning), Order::kRelaxed);
  }
  static void mark_dead(Thread& thread) {
    thread.state_.store(u8(ThreadState::kDead), Order::kRelease);
  }
  static u64 runtime_of(const Thread& thread);

 private:
  struct LeastRun {
    static bool before(const Thread& a, const Thread& b) {
      return i64(a.virtual_runtime_ - b.virtual_runtime_) < 0;
    }
  };
  using RunQueue = PairingHeap<Thread, &Thread::run_node_, LeastRun>;

  struct alignas(64) Cpu {
    static constexpr u32 kCachedStacks = 8;

    SpinLock<LockRank::kRunQueue> lock;
    RunQueue queue TA_GUARDED_BY(lock);
    u64 least_runtime TA_GUARDED_BY(lock) = 0;  // never goes back
    // The rest belongs to the CPU: touched with interrupts disabled, by nobody else.
    Thread* running = nullptr;  // also read under the lock by wakers
    Thread* idle = nullptr;
    Thread* dead = nullptr;        // left its stack for ever; to be cleaned up by the next thread
    Thread* user_owner = nullptr;  // whose user registers (FPU, FS, GS) the CPU holds
    u64 requested_ns = platform::kNoDeadline;  // the interrupt asked for
    u64 slice_end_ns = 0;
    u64 tick_ns = 0;
    u32 stacks_cached = 0;
    std::byte* stacks[kCachedStacks] = {};
  };
  static Cpu cpus_[kMaxCpus];

  static Cpu& this_cpu() { return cpus_[cpu_local().index]; }
  static void account(Thread& thread, u64 now_ns);
  static void enqueue(Cpu& cpu, Thread& thread) TA_REQUIRES(cpu.lock);
  static void consider_preemption(Cpu& cpu, const Thread& woken) TA_REQUIRES(cpu.lock);
  static void switch_to(Cpu& cpu, Thread& from, Thread& to);
  static void finish_switch();
  static void begin_thread(void* thread);
};

}  // namespace narwhal
