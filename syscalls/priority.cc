// Who goes first: getpriority(2), setpriority(2), ioprio_get(2), ioprio_set(2).
#include "kernel/abi/resource.h"
#include "syscalls/handlers.h"
#include "syscalls/priority_target.h"

namespace narwhal {
namespace {

constexpr i32 kMostNice = 19, kLeastNice = -20;

// Raising one's priority takes a privilege or RLIMIT_NICE (getrlimit(2)).
bool can_be_nice(const Task& caller, const Task& target, i32 nice) {
  const u64 needed = u64(20 - nice);
  return needed <= target.process().soft_limit(abi::kLimitNice) ||
         caller.credentials().capable(Capability::kSysNice);
}

bool may_schedule(const Credentials& who, const Credentials& target) {
  return target.uid == who.euid || target.euid == who.euid || who.capable(Capability::kSysNice);
}

Result<> set_nice(Task& caller, Task& target, i32 nice) {
  if (!may_schedule(caller.credentials(), target.credentials())) return Errno::kPerm;
  if (nice < target.nice && !can_be_nice(caller, target, nice)) return Errno::kAcces;
  target.nice = i8(nice);
  return {};
}

// --- I/O priorities: kept and told, for no disk is shared here. The class is in the bits from 13.

constexpr u32 kClassShift = 13;
enum IoClass : u32 { kIoNone = 0, kIoRealTime = 1, kIoBestEffort = 2, kIoIdle = 3 };
constexpr u32 io_class(u32 priority) {
  return priority >> kClassShift & 7;
}
constexpr u32 io_level(u32 priority) {
  return priority & 7;
}

// What a thread without one of its own gets, from its nice value and policy (ioprio_set(2)).
u32 effective_io_priority(const Task& task) {
  if (io_class(task.io_priority) != kIoNone) return task.io_priority;
  constexpr i32 kFifo = 1, kRoundRobin = 2, kIdlePolicy = 5;
  u32 io = kIoBestEffort;
  if (task.policy == kIdlePolicy) io = kIoIdle;
  if (task.policy == kFifo || task.policy == kRoundRobin) io = kIoRealTime;
  return io << kClassShift | u32(task.nice + 20) / 5;
}

Result<> check_io_priority(const Task& task, u32 priority) {
  switch (io_class(priority)) {
    case kIoRealTime:
      if (!task.credentials().capable(Capability::kSysAdmin) &&
          !task.credentials().capable(Capability::kSysNice))
        return Errno::kPerm;
      return {};
    case kIoBestEffort:
    case kIoIdle:
      return {};
    case kIoNone:
      if (io_level(priority) != 0) return Errno::kInval;
      return {};
    default:
      return Errno::kInval;
  }
}

// IOPRIO_WHO_*: 1 to 3.
Result<PriorityTarget> io_target(i32 which) {
  if (which < 1 || which > 3) return Errno::kInval;
  return PriorityTarget(which - 1);
}

// PRIO_*: 0 to 2.
Result<PriorityTarget> nice_target(i32 which) {
  if (which < 0 || which > 2) return Errno::kInval;
  return PriorityTarget(which);
}

}  // namespace

SysResult sys::getpriority(Task& task, i32 which, u32 who) {
  const PriorityTarget target = TRY(nice_target(which));
  i64 best = 0;  // 20 - nice: from 1 to 40
  const u32 found = for_each_target(task, target, who, [&](const Task& other) {
    if (20 - other.nice > best) best = 20 - other.nice;
  });
  if (found == 0) return Errno::kSrch;
  return best;
}

SysResult sys::setpriority(Task& task, i32 which, u32 who, i32 nice) {
  const PriorityTarget target = TRY(nice_target(which));
  if (nice < kLeastNice) nice = kLeastNice;
  if (nice > kMostNice) nice = kMostNice;
  Errno error{};
  const u32 found = for_each_target(task, target, who, [&](Task& other) {
    if (auto set = set_nice(task, other, nice); !set.ok()) error = set.error();
  });
  if (found == 0) return Errno::kSrch;
  if (error != Errno{}) return error;
  return i64{0};
}

SysResult sys::ioprio_get(Task& task, i32 which, u32 who) {
  const PriorityTarget target = TRY(io_target(which));
  u32 best = ~u32{0};  // the smallest number is the highest priority
  const u32 found = for_each_target(task, target, who, [&](const Task& other) {
    const u32 priority =
        target == PriorityTarget::kThread ? other.io_priority : effective_io_priority(other);
    if (priority < best) best = priority;
  });
  if (found == 0) return Errno::kSrch;
  return i64{best};
}

SysResult sys::ioprio_set(Task& task, i32 which, u32 who, HexInt priority) {
  TRY(check_io_priority(task, priority.value));
  const PriorityTarget target = TRY(io_target(which));
  Errno error{};
  const u32 found = for_each_target(task, target, who, [&](Task& other) {
    const Credentials& mine = task.credentials();
    const u32 uid = other.credentials().uid;
    if (uid != mine.euid && uid != mine.uid && !mine.capable(Capability::kSysNice))
      error = Errno::kPerm;
    else
      other.io_priority = u16(priority.value);
  });
  if (found == 0) return Errno::kSrch;
  if (error != Errno{}) return error;
  return i64{0};
}

}  // namespace narwhal
