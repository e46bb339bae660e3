#include "kernel/sched/scheduler.h"

#include "kernel/platform/upcalls.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/kernel_stack.h"
#include "kernel/sched/timer.h"

namespace narwhal {

namespace {

// Each step of nice is a quarter more or less of the CPU against a thread of the next step
// (sched(7)): 1024 stands for nice 0.
constexpr u32 kWeightOfZero = 1024;
struct Weights {
  u32 of[40];
};
constexpr Weights make_weights() {
  Weights weights{};
  u64 lighter = u64{kWeightOfZero} << 20;
  u64 heavier = lighter;
  weights.of[20] = kWeightOfZero;
  for (int step = 1; step <= 20; ++step) {
    heavier = heavier / 4 * 5;
    lighter = lighter / 5 * 4;
    weights.of[20 - step] = u32(heavier >> 20);
    if (step < 20) weights.of[20 + step] = u32(lighter >> 20);
  }
  return weights;
}
constexpr Weights kWeights = make_weights();

u64 weighted(u64 ran_ns, i8 nice) {
  if (nice == 0) [[likely]]
    return ran_ns;
  return ran_ns * kWeightOfZero / kWeights.of[nice + 20];
}

constexpr u64 larger(u64 a, u64 b) {
  return a > b ? a : b;
}

// The boot stack's thread, which becomes the idle thread.
class IdleThread final : public Thread {
 public:
  IdleThread() : Thread("idle") {}
};
alignas(IdleThread) constinit std::byte idle_storage[kMaxCpus][sizeof(IdleThread)] = {};

}  // namespace

constinit Scheduler::Cpu Scheduler::cpus_[kMaxCpus];
constinit u32 Scheduler::cpus_online_ = 0;

constinit bool several_cpus = false;

// --- time

void Scheduler::account(Thread& thread, u64 now_ns) {
  const u64 ran = now_ns - thread.slice_start_ns_;
  thread.slice_start_ns_ = now_ns;
  // Only the CPU that runs the thread writes it.
  thread.runtime_ns_.store(thread.runtime_ns_.load(Order::kRelaxed) + ran, Order::kRelaxed);
  thread.virtual_runtime_ += weighted(ran, thread.nice);
}

u64 Scheduler::runtime_of(const Thread& thread) {
  InterruptGuard no_interrupts;
  u64 runtime = thread.runtime_ns_.load(Order::kRelaxed);
  if (cpus_[thread.cpu_].running == &thread) {
    const u64 now = platform::monotonic_ns();
    if (now > thread.slice_start_ns_) runtime += now - thread.slice_start_ns_;
  }
  return runtime;
}

void Scheduler::tick(bool user_mode, u64 next_timer_ns) {
  Cpu& cpu = this_cpu();
  u64 next = next_timer_ns;
  if (several_cpus) [[unlikely]] {
    // By one only now and then: so three threads take turns on two CPUs.
    pull(cpu, ++cpu.ticks % kTicksToRotate == 0 ? 1 : 2);
    spread(cpu);
  }
  if (cpu.running != cpu.idle) {
    const u64 now = platform::monotonic_ns();
    Thread& thread = *cpu.running;
    if (now >= cpu.tick_ns) {
      ++(user_mode ? thread.user_ticks_ : thread.system_ticks_);
      ++(user_mode ? cpu.user_ticks : cpu.system_ticks);
      if (thread.watch_cpu_time_.load(Order::kRelaxed)) thread.set_user_work(UserWork::kCpuTime);
      cpu.tick_ns = now + kAccountingTick;
    }
    if (cpu.tick_ns < next) next = cpu.tick_ns;
    SpinGuard guard(cpu.lock);
    if (!cpu.queue.empty()) {
      if (now >= cpu.slice_end_ns) {
        cpu_local().need_resched = true;
        cpu.slice_end_ns = now + kSlice;
      }
      if (cpu.slice_end_ns < next) next = cpu.slice_end_ns;
    }
  }
  renew_timer_interrupt(next);
}

void upcall::on_timer(bool user_mode) {
  follow_reference();
  Scheduler::tick(user_mode, run_due_timers());
}

// --- queues

void Scheduler::enqueue(Cpu& cpu, Thread& thread) {
  thread.active_ = true;
  cpu.queue.insert(thread);
  cpu.queued.store(cpu.queued.load(Order::kRelaxed) + 1, Order::kRelaxed);
}

void Scheduler::dequeue(Cpu& cpu, Thread& thread) {
  cpu.queue.remove(thread);
  cpu.queued.store(cpu.queued.load(Order::kRelaxed) - 1, Order::kRelaxed);
}

void Scheduler::consider_preemption(Cpu& cpu, const Thread& woken) {
  Thread& running = *cpu.running;
  const u32 index = woken.cpu_;
  bool preempt = &running == cpu.idle;
  if (!preempt) {
    const u64 now = platform::monotonic_ns();
    const u64 ran = weighted(now - running.slice_start_ns_, running.nice);
    preempt = woken.virtual_runtime_ + kWakeupGranularity < running.virtual_runtime_ + ran;
    if (cpu.slice_end_ns <= now) cpu.slice_end_ns = now + kSlice;
  }
  if (index != cpu_local().index) {
    if (preempt) ask_to_reschedule(index);
    return;
  }
  if (several_cpus) [[unlikely]]
    spread_later();
  if (preempt)
    cpu_local().need_resched = true;
  else
    request_timer_interrupt(cpu.slice_end_ns);
}

void Scheduler::start(Thread& thread, void (*entry)(void*), void* argument) {
  DEBUG_ASSERT(thread.state() == ThreadState::kNew && thread.stack_);
  thread.add_ref();  // the scheduler's own
  thread.entry_ = entry;
  thread.argument_ = argument;
  // Below the place of the program's registers, which a new user thread brings along.
  auto* stack = static_cast<std::byte*>(thread.kernel_stack_top()) - align_up(sizeof(UserRegs), 64);
  platform::context_init(thread.context_, stack, begin_thread, &thread);
  InterruptGuard no_interrupts;
  thread.cpu_ = cpu_local().index;
  if (several_cpus) belong_to(thread, choose_cpu(thread));
  Cpu& cpu = cpus_[thread.cpu_];
  SpinGuard guard(cpu.lock);
  thread.state_.store(u8(ThreadState::kRunning), Order::kRelaxed);
  // Level with who made it, so that the maker goes on and neither gains by it.
  thread.virtual_runtime_ = larger(cpu.least_runtime, cpu.running->virtual_runtime_);
  enqueue(cpu, thread);
  consider_preemption(cpu, thread);
}

// On the queue of the CPU that it belongs to.
inline void Scheduler::place_here(Cpu& cpu, Thread& thread) {
  Thread& running = *cpu.running;
  if (&running != cpu.idle) {
    // The runner's time counts up to now, or a long run would leave the measure behind.
    const u64 ran = platform::monotonic_ns() - running.slice_start_ns_;
    u64 least = running.virtual_runtime_ + weighted(ran, running.nice);
    if (const Thread* first = cpu.queue.first(); first && first->virtual_runtime_ < least)
      least = first->virtual_runtime_;
    cpu.least_runtime = larger(cpu.least_runtime, least);
  }
  const u64 floor = cpu.least_runtime > kSleepCredit ? cpu.least_runtime - kSleepCredit : 0;
  thread.virtual_runtime_ = larger(thread.virtual_runtime_, floor);
  enqueue(cpu, thread);
  consider_preemption(cpu, thread);
}

void Scheduler::place(Cpu& cpu, Thread& thread) {
  place_here(cpu, thread);
}

// The state and the queue are guarded by the lock of the CPU that the thread belongs to, which may
// change until the lock is held.
bool Scheduler::wake(Thread& thread) {
  if (thread.state() != ThreadState::kSleeping) return false;
  for (;;) {
    Cpu& cpu = cpus_[thread.cpu_];
    SpinGuard guard(cpu.lock);
    if (&cpus_[thread.cpu_] != &cpu) continue;
    if (thread.state() != ThreadState::kSleeping) return false;
    thread.state_.store(u8(ThreadState::kRunning), Order::kRelaxed);
    if (thread.active_) return true;  // it has not left the CPU yet, and now will not
    if (several_cpus && choose_cpu(thread) != thread.cpu_) [[unlikely]] {
      leave_account(cpu, thread);
      guard.release();
      place_elsewhere(thread);
      return true;
    }
    place_here(cpu, thread);
    return true;
  }
}

// --- switching

void Scheduler::schedule(Leaving leaving) {
  DEBUG_ASSERT(!platform::interrupts_enabled());
  DEBUG_ASSERT(cpu_local().spinlock_depth == 0 && cpu_local().interrupt_depth == 0);
  Cpu& cpu = this_cpu();
  Thread& from = *cpu.running;
  Thread* to;
  bool goes_away = false;
  if (several_cpus) [[unlikely]]
    goes_away = look_at_others(cpu, leaving);
  {
    SpinGuard guard(cpu.lock);
    const bool from_idle = &from == cpu.idle;
    if (leaving == Leaving::kSleeping && from.state() == ThreadState::kRunning) return;
    cpu_local().need_resched = false;
    const u64 now = platform::monotonic_ns();
    account(from, now);
    Thread* first = cpu.queue.first();
    if (leaving == Leaving::kSleeping || leaving == Leaving::kExiting) {
      if (from_idle) {
        // Nobody else can run: the sleep ends at once.
        from.state_.store(u8(ThreadState::kRunning), Order::kRelaxed);
        if (!first) return;
      } else {
        from.active_ = false;
        ++from.voluntary_switches_;
      }
      to = first ? first : cpu.idle;
      if (leaving == Leaving::kExiting) cpu.dead = &from;
    } else if (goes_away) [[unlikely]] {
      leave_account(cpu, from);
      to = first ? first : cpu.idle;
    } else {
      cpu.slice_end_ns = now + kSlice;
      if (!first) return;
      if (leaving == Leaving::kYielding && !from_idle)
        from.virtual_runtime_ = larger(from.virtual_runtime_, first->virtual_runtime_ + 1);
      if (!from_idle && from.virtual_runtime_ < first->virtual_runtime_) {
        request_timer_interrupt(cpu.slice_end_ns);
        return;
      }
      to = first;
    }
    if (to == first) dequeue(cpu, *first);
    if (leaving == Leaving::kPreempted || leaving == Leaving::kYielding) {
      if (!from_idle && !goes_away) enqueue(cpu, from);
      ++from.involuntary_switches_;
    }
    to->slice_start_ns_ = now;
    if (to != cpu.idle) {
      cpu.least_runtime = larger(cpu.least_runtime, to->virtual_runtime_);
      cpu.slice_end_ns = now + kSlice;
      if (!cpu.queue.empty()) request_timer_interrupt(cpu.slice_end_ns);
      if (cpu.tick_ns <= now) cpu.tick_ns = now + kAccountingTick;
      if (from_idle) request_timer_interrupt(cpu.tick_ns);
    }
    cpu.running = to;
  }
  // The other CPU can't come to run it before this one has left its stack: it has to wait for the
  // kernel lock.
  if (goes_away) [[unlikely]]
    place_elsewhere(from);
  switch_to(cpu, from, *to);
}

void Scheduler::switch_to(Cpu& cpu, Thread& from, Thread& to) {
  cpu_local().current = &to;
  if (to.pmap_ && to.pmap_ != from.pmap_) to.pmap_->activate();
  if (several_cpus) [[unlikely]]
    switch_user_registers(cpu, from, to);
  // The user registers stay in the CPU while kernel threads run: most often the same program
  // comes back.
  else if (to.user_context_ && cpu.user_owner != &to) {
    platform::user_context_switch(cpu.user_owner ? cpu.user_owner->user_context_ : nullptr,
                                  to.user_context_, to.kernel_stack_top());
    cpu.user_owner = &to;
  }
  platform::context_switch(from.context_, to.context_);
  finish_switch();
}

void Scheduler::finish_switch() {
  Cpu& cpu = this_cpu();
  if (Thread* dead = cpu.dead) {
    cpu.dead = nullptr;
    free_kernel_stack(dead->stack_);
    dead->stack_ = nullptr;
    dead->drop_ref();
  }
}

void Scheduler::begin_thread(void* argument) {
  finish_switch();
  auto* thread = static_cast<Thread*>(argument);
  thread->entry_(thread->argument_);
  exit_thread();
}

void Scheduler::exit() {
  platform::interrupts_save_disable();
  Cpu& cpu = this_cpu();
  Thread& self = *cpu.running;
  // Nobody needs its registers any more.
  if (cpu.user_owner == &self) cpu.user_owner = nullptr;
  self.state_.store(u8(ThreadState::kDead), Order::kRelease);
  schedule(Leaving::kExiting);
  panic("a dead thread was scheduled");
}

// --- the idle thread

void Scheduler::init() {
  const u32 index = cpu_local().index;
  Cpu& cpu = cpus_[index];
  if (cpu.idle) return;
  Thread* idle = new (idle_storage[index]) IdleThread();
  idle->cpu_ = index;
  idle->active_ = true;
  idle->state_.store(u8(ThreadState::kRunning), Order::kRelaxed);
  idle->slice_start_ns_ = cpu.began_ns = platform::monotonic_ns();
  cpu.idle = cpu.running = idle;
  cpu.local = &cpu_local();
  cpu_local().current = idle;
  if (++cpus_online_ > 1) become_several();
}

void Scheduler::run_idle() {
  Cpu& cpu = this_cpu();
  platform::interrupts_save_disable();
  for (;;) {
    schedule(Leaving::kYielding);
    bool nothing_to_do;
    {
      SpinGuard guard(cpu.lock);
      nothing_to_do = cpu.queue.empty();
    }
    if (nothing_to_do) {
      platform::wait_for_interrupt();
      follow_reference();
    }
  }
}

// --- what thread.h promises

void Thread::start(void (*entry)(void*), void* argument) {
  Scheduler::start(*this, entry, argument);
}

void Thread::call_into_kernel() {
  Scheduler::call_into_kernel(*this);
}

u64 Thread::cpu_time_ns() const {
  return Scheduler::runtime_of(*this);
}

bool wake_thread(Thread& thread) {
  return Scheduler::wake(thread);
}

void yield() {
  InterruptGuard no_interrupts;
  Scheduler::schedule(Scheduler::Leaving::kYielding);
}

void reschedule_if_needed() {
  if (!cpu_local().need_resched) return;
  InterruptGuard no_interrupts;
  Scheduler::schedule(Scheduler::Leaving::kPreempted);
}

void exit_thread() {
  Scheduler::exit();
}

void scheduler_init() {
  Scheduler::init();
}

void run_scheduler() {
  Scheduler::init();
  Scheduler::run_idle();
}

void upcall::on_cpu_started() {
  run_scheduler();
}

}  // namespace narwhal
