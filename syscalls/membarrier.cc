// membarrier(2).
#include "kernel/sched/thread.h"
#include "process/family.h"
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

enum MembarrierCommand : i32 {
  kQuery = 0,
  kGlobal = 1 << 0,
  kGlobalExpedited = 1 << 1,
  kRegisterGlobalExpedited = 1 << 2,
  kPrivateExpedited = 1 << 3,
  kRegisterPrivateExpedited = 1 << 4,
  kPrivateExpeditedSyncCore = 1 << 5,
  kRegisterPrivateExpeditedSyncCore = 1 << 6,
  kPrivateExpeditedRseq = 1 << 7,
  kRegisterPrivateExpeditedRseq = 1 << 8,
};
constexpr i32 kAllCommands = (1 << 9) - 1;
constexpr u32 kFlagCpu = 1;

// Threads of the process that are in a restartable sequence on another CPU begin it again.
void restart_sequences(Task& caller) {
  SpinGuard guard(thread_list_lock);
  Family::for_each_task(caller.process(), [&](Task& task) {
    if (&task != &caller && task.rseq_area.value != 0) task.set_user_work(UserWork::kNotifyResume);
  });
}

}  // namespace

SysResult sys::membarrier(Task& task, i32 command, HexInt flags, i32) {
  if (command == kPrivateExpeditedRseq) {
    if (flags.value != 0 && flags.value != kFlagCpu) return Errno::kInval;
  } else if (flags.value != 0) {
    return Errno::kInval;
  }
  if (command == kQuery) return i64{kAllCommands};
  Atomic<u32>& registered = task.process().membarrier_registrations;
  switch (command) {
    case kGlobal:
    case kGlobalExpedited:
      break;
    case kRegisterGlobalExpedited:
    case kRegisterPrivateExpedited:
    case kRegisterPrivateExpeditedSyncCore:
    case kRegisterPrivateExpeditedRseq:
      registered.fetch_or(u32(command));
      break;
    case kPrivateExpedited:
    case kPrivateExpeditedSyncCore:
    case kPrivateExpeditedRseq:
      // Each command's registration is the next bit.
      if (!(registered.load() & u32(command) << 1)) return Errno::kPerm;
      break;
    default:
      return Errno::kInval;
  }
  // On one CPU no two threads run at the same time: the switch between them orders memory, the CPU
  // sees its own writes to code (Intel SDM vol. 3, section 12.6), and a preempted restartable
  // sequence starts over anyway.
  asm volatile("" : : : "memory");
  if (several_cpus) {
    if (command == kPrivateExpeditedRseq) restart_sequences(task);
    platform::synchronize_cpus();
  }
  return i64{0};
}

}  // namespace narwhal
