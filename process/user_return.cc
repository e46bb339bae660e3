// The way back to the program: whatever has to happen between the kernel's work and the program's
// next instruction.
#include "fs/core/async_signals.h"
#include "kernel/platform/upcalls.h"
#include "kernel/sched/thread.h"
#include "process/exit.h"
#include "process/family.h"
#include "process/rseq.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// Bits 63 to 47 of an address are all the same (Intel SDM vol. 1, section 3.3.7.1). With any other
// the CPU would refuse to leave the kernel.
bool canonical(u64 address) {
  return u64(i64(address << 16) >> 16) == address;
}

u64 switches_of(const Task& task) {
  return task.voluntary_switches() + task.involuntary_switches();
}

bool was_away(const Task& task) {
  return task.rseq_area.value != 0 && switches_of(task) != task.switches_seen;
}

UserWork work_of(const Task& task) {
  return task.user_work() & ~(UserWork::kTrace | UserWork::kTraced | UserWork::kSeccomp);
}

// With interrupts enabled.
void do_work(Task& task, UserRegs& regs) {
  const UserWork work = work_of(task);
  if (has(work, UserWork::kExit) || task.process().exiting())
    exit_task(Family::wait_status(task.process()));
  if (has(work, UserWork::kCpuTime)) {
    task.clear_user_work(UserWork::kCpuTime);
    task.process().timers.check_cpu_time(task);
  }
  if (has(work, UserWork::kFileSignals)) {
    task.clear_user_work(UserWork::kFileSignals);
    AsyncSignals::tell();
  }
  if (has(work, UserWork::kNotifyResume) || was_away(task)) {
    task.clear_user_work(UserWork::kNotifyResume);
    task.switches_seen = switches_of(task);
    rseq_resume(task, regs);
  }
  if (!canonical(regs.rip)) force_signal(task, kernel_signal(Signal::kSegv));
  if (has(task.user_work(), UserWork::kSignal | UserWork::kRestoreMask))
    deliver_signals(task, regs);
  reschedule_if_needed();
}

}  // namespace

void upcall::on_return_to_user(UserRegs& regs) {
  Task& task = current_task();
  for (;;) {
    // Interrupts are off: what they ask for after this look, they see to on their own way back.
    if (work_of(task) == UserWork::kNone && !cpu_local().need_resched && !was_away(task) &&
        canonical(regs.rip))
      return;
    platform::interrupts_restore(true);
    do_work(task, regs);
    static_cast<void>(platform::interrupts_save_disable());
  }
}

}  // namespace narwhal
