// membarrier(2).
#include "kernel/sched/scheduler.h"
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

// On one CPU no two threads run at the same time: the switch between them orders memory, the CPU
// sees its own writes to code (Intel SDM vol. 3, section 12.6), and a preempted restartable sequence
// starts over anyway. So a barrier is nothing but one for the compiler. With several CPUs the call
// says that it has no commands.
bool barriers_hold() {
  return online_cpus() == 1;
}

}  // namespace

SysResult sys::membarrier(Task& task, i32 command, HexInt flags, i32) {
  if (command == kPrivateExpeditedRseq) {
    if (flags.value != 0 && flags.value != kFlagCpu) return Errno::kInval;
  } else if (flags.value != 0) {
    return Errno::kInval;
  }
  if (command == kQuery) return i64{barriers_hold() ? kAllCommands : 0};
  if (!barriers_hold()) return Errno::kInval;
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
  asm volatile("" : : : "memory");
  return i64{0};
}

}  // namespace narwhal
