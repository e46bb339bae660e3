// What there is to scheduling when there are several CPUs: which of them a thread runs on.
//
// While all are busy, a thread that becomes runnable stays with the CPU where it ran last. While
// one is idle, it first waits for the CPU that wakes it, in a thread or in an interrupt: most often
// what runs there sleeps a moment later, and the threads that pass work to each other are faster on
// one CPU than with an interrupt to another one each time. Only what still waits after kSpreadDelay
// is offered to the CPUs that are idle. A CPU that would become idle takes over a thread that waits
// elsewhere, and a busy one does so at its ticks when it has fewer by two, and now and then when it
// has fewer by one.
#include "kernel/platform/machine.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/timer.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

u32 Scheduler::choose_cpu(const Thread& thread) {
  const u32 count = platform::cpu_count(), here = cpu_local().index, last = thread.cpu_;
  u32 idle = kMaxCpus, best = last;
  u32 fewest = may_run(thread, last) ? 0 : ~u32{0};
  for (u32 index = 0; index < count; ++index) {
    const Cpu& cpu = cpus_[index];
    if (!cpu.idle || !may_run(thread, index)) continue;
    if (is_idle(cpu) && (idle == kMaxCpus || index == last)) idle = index;
    if (const u32 queued = cpu.queued.load(Order::kRelaxed); queued < fewest) {
      best = index;
      fewest = queued;
    }
  }
  if (idle == kMaxCpus) return best;
  return may_run(thread, here) ? here : idle;
}

void Scheduler::spread_later() {
  request_timer_interrupt(platform::monotonic_ns() + kSpreadDelay);
}

void Scheduler::spread(Cpu& cpu) {
  u32 left = cpu.queued.load(Order::kRelaxed);
  const u32 count = platform::cpu_count();
  for (u32 index = 0; index < count && left > 0; ++index) {
    if (!cpus_[index].idle || !is_idle(cpus_[index]) || &cpus_[index] == &cpu) continue;
    ask_to_reschedule(index);
    --left;
  }
}

void Scheduler::ask_to_reschedule(u32 cpu) {
  bool& asked = cpus_[cpu].local->need_resched;
  if (asked) return;  // and not yet done
  asked = true;
  if (cpu != cpu_local().index) platform::interrupt_cpu(cpu);
}

void Scheduler::call_into_kernel(Thread& thread) {
  InterruptGuard no_interrupts;
  const u32 cpu = thread.cpu_;
  if (cpu != cpu_local().index && cpus_[cpu].running == &thread) platform::interrupt_cpu(cpu);
}

// --- from one CPU to another

// Virtual runtimes only mean something beside others of the same CPU: what moves is the difference.
void Scheduler::leave_account(Cpu& from, Thread& thread) {
  thread.virtual_runtime_ -= from.least_runtime;
}
void Scheduler::join_account(Cpu& to, Thread& thread) {
  const i64 ahead = i64(thread.virtual_runtime_);
  thread.virtual_runtime_ =
      ahead < 0 && u64(-ahead) > to.least_runtime ? 0 : to.least_runtime + thread.virtual_runtime_;
}

// The program may want to know where it runs (rseq(2)).
void Scheduler::belong_to(Thread& thread, u32 cpu) {
  if (thread.cpu_ == cpu) return;
  thread.cpu_ = cpu;
  thread.user_work_.fetch_or(raw(UserWork::kNotifyResume));
}

void Scheduler::place_elsewhere(Thread& thread) {
  belong_to(thread, choose_cpu(thread));
  Cpu& cpu = cpus_[thread.cpu_];
  SpinGuard guard(cpu.lock);
  join_account(cpu, thread);
  place(cpu, thread);
}

bool Scheduler::look_at_others(Cpu& cpu, Leaving leaving) {
  const Thread& from = *cpu.running;
  const bool goes_away = !may_run(from, cpu_local().index) &&
                         (leaving == Leaving::kPreempted || leaving == Leaving::kYielding);
  if (&from == cpu.idle || goes_away || from.state() != ThreadState::kRunning) pull(cpu, 1);
  return goes_away;
}

void Scheduler::pull(Cpu& cpu, u32 surplus) {
  const u32 count = platform::cpu_count();
  const u32 here = u32(&cpu - cpus_);
  const u32 enough = cpu.queued.load(Order::kRelaxed) + surplus;
  for (u32 step = 1; step < count; ++step) {
    Cpu& other = cpus_[(here + step) % count];
    if (other.queued.load(Order::kRelaxed) < enough) continue;
    Thread* thread;
    {
      SpinGuard guard(other.lock);
      thread = other.queue.first();
      if (!thread || !may_run(*thread, here)) continue;
      dequeue(other, *thread);
      leave_account(other, *thread);
    }
    SpinGuard guard(cpu.lock);
    belong_to(*thread, here);
    join_account(cpu, *thread);
    enqueue(cpu, *thread);
    return;
  }
}

void Scheduler::set_allowed_cpus(Thread& thread, u64 cpus) {
  InterruptGuard no_interrupts;
  thread.allowed_cpus_ = cpus;
  if (!several_cpus || may_run(thread, thread.cpu_)) return;
  Cpu& cpu = cpus_[thread.cpu_];
  {
    SpinGuard guard(cpu.lock);
    if (cpu.running == &thread) {
      guard.release();
      ask_to_reschedule(thread.cpu_);
      return;
    }
    if (!thread.active_) return;  // it sleeps, and wakes where it may run
    dequeue(cpu, thread);
    leave_account(cpu, thread);
  }
  place_elsewhere(thread);
}

// A CPU in the program gets to know that it must come in, and can do so when this one sleeps.
void Thread::set_allowed_cpus(u64 cpus) {
  constexpr u64 kPause = 20 * kNanosPerMicro;
  Scheduler::set_allowed_cpus(*this, cpus);
  while (several_cpus && this != current_thread() && Scheduler::runs_where_it_may_not(*this)) {
    prepare_to_sleep();
    sleep_until(platform::monotonic_ns() + kPause, Interruptible::kNo).ignore();
  }
}

// --- user registers

void Scheduler::become_several() {
  // Programs start after the CPUs: registers that the first one kept for later would not be found.
  ASSERT(several_cpus || !cpus_[0].user_owner);
  several_cpus = true;
}

void Scheduler::switch_user_registers(Cpu& cpu, Thread& from, Thread& to) {
  const u32 here = cpu_local().index;
  // A thread that ends has nothing to save (forget_user_registers).
  if (from.user_context_ && cpu.user_owner == &from)
    platform::user_context_switch(from.user_context_, nullptr, from.kernel_stack_top());
  if (!to.user_context_) return;
  // They may be in the CPU still, if it was only idle.
  if (cpu.user_owner == &to && to.registers_cpu_ == here) {
    if (to.user_context_->debug.control != 0)
      platform::debug_registers_load(to.user_context_->debug);
    return;
  }
  platform::user_context_switch(nullptr, to.user_context_, to.kernel_stack_top());
  cpu.user_owner = &to;
  to.registers_cpu_ = here;
}

}  // namespace narwhal
