#include "kernel/sched/thread.h"

#include <cstring>

#include "kernel/platform/upcalls.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

Thread::~Thread() {
  DEBUG_ASSERT(!active_);
  if (stack_) Scheduler::free_stack(stack_);
}

Result<> Thread::allocate_stack() {
  stack_ = TRY(Scheduler::allocate_stack());
  return {};
}

void Thread::start(void (*entry)(void*), void* argument) {
  Scheduler::start(*this, entry, argument);
}

void Thread::set_name(std::string_view name) {
  const usize length = name.size() < sizeof name_ - 1 ? name.size() : sizeof name_ - 1;
  std::memcpy(name_, name.data(), length);
  std::memset(name_ + length, 0, sizeof name_ - length);
}

void Thread::interrupt() {
  interrupted_.store(true);
  wake_thread(*this);
}

void Thread::call_into_kernel() {
  Scheduler::call_into_kernel(*this);
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

// --- CPU time

u64 Thread::cpu_time_ns() const {
  return Scheduler::runtime_of(*this);
}

u64 Thread::system_time_ns() const {
  const u64 total = cpu_time_ns();
  const u64 ticks = user_ticks_ + system_ticks_;
  // total * system_ticks / ticks, without overflow.
  u64 system = 0;
  if (ticks != 0) system = total / ticks * system_ticks_ + total % ticks * system_ticks_ / ticks;
  // Samples may shift the share; what was reported stays.
  if (system < reported_system_ns_) system = reported_system_ns_;
  if (total - system < reported_user_ns_) system = total - reported_user_ns_;
  reported_system_ns_ = system;
  return system;
}

u64 Thread::user_time_ns() const {
  const u64 system = system_time_ns();
  const u64 total = cpu_time_ns();
  const u64 user = total - system;
  if (user > reported_user_ns_) reported_user_ns_ = user;
  return reported_user_ns_;
}

// --- free functions

namespace {

class KernelThread final : public Thread {
 public:
  explicit KernelThread(std::string_view name) : Thread(name) {}
};

}  // namespace

Result<Ref<Thread>> start_kernel_thread(std::string_view name, void (*entry)(void*),
                                        void* argument) {
  auto thread = TRY(make_ref<KernelThread>(name));
  TRY(thread->allocate_stack());
  thread->start(entry, argument);
  return Ref<Thread>(std::move(thread));
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
  Thread& self = *current_thread();
  platform::interrupts_save_disable();
  Scheduler::forget_user_registers(self);
  Scheduler::mark_dead(self);
  Scheduler::schedule(Scheduler::Leaving::kExiting);
  panic("a dead thread was scheduled");
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
