// sched(7): policies, priorities, affinity. The scheduler shares the CPU fairly, by nice values;
// real-time and deadline policies are kept and told, but nobody is preferred for them.
#include <cstddef>
#include <cstring>

#include "kernel/abi/resource.h"
#include "kernel/abi/sched.h"
#include "kernel/sched/cpus.h"
#include "process/family.h"
#include "syscalls/extensible_struct.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr i32 kHighestRealTime = 99;
constexpr u64 kRoundRobinSlice = 100 * kNanosPerMilli;
constexpr i32 kSamePolicy = -1;  // sched_setparam(2)

bool is_real_time(i32 policy) {
  return policy == abi::kPolicyFifo || policy == abi::kPolicyRoundRobin;
}
bool is_known(i32 policy) {
  return is_real_time(policy) || policy == abi::kPolicyOther || policy == abi::kPolicyBatch ||
         policy == abi::kPolicyIdle || policy == abi::kPolicyDeadline;
}

Result<Ref<Task>> find_target(Task& task, Pid pid) {
  if (pid.value == 0) return Ref<Task>(&task);
  auto target = pid.value > 0 ? find_task(u32(pid.value)) : nullptr;
  if (!target) return Errno::kSrch;
  return target;
}

// A process that nobody has waited for yet, by its number; null otherwise.
Ref<Process> find_zombie(Pid pid) {
  auto process = pid.value > 0 ? find_process(u32(pid.value)) : nullptr;
  SpinGuard guard(thread_list_lock);
  return process && Family::zombie(*process) ? process : nullptr;
}

bool owns(const Task& caller, const Task& target) {
  const u32 me = caller.credentials().euid;
  return me == target.credentials().euid || me == target.credentials().uid;
}

struct Wish {
  i32 policy = abi::kPolicyOther;
  i32 priority = 0;
  bool reset_on_fork = false;
  bool has_nice = false;
  i32 nice = 0;
  Task::Deadline deadline;
};

// sched(7), "SCHED_DEADLINE"; the bounds are those of Linux's kernel/sched/deadline.c.
bool is_possible(const Task::Deadline& wish) {
  constexpr u64 kLeastRuntime = 1024, kMostBits = 63;
  constexpr u64 kLeastPeriod = 100 * kNanosPerMicro, kMostPeriod = (u64{1} << 22) * kNanosPerMicro;
  return wish.deadline != 0 && wish.runtime >= kLeastRuntime && !(wish.deadline >> kMostBits) &&
         !(wish.period >> kMostBits) && wish.runtime <= wish.deadline &&
         wish.deadline <= wish.period && wish.period >= kLeastPeriod && wish.period <= kMostPeriod;
}

// What takes CAP_SYS_NICE (sched(7), "Privileges and resource limits").
Result<> check_privileges(const Task& caller, const Task& target, const Wish& wish) {
  if (caller.credentials().capable(Capability::kSysNice)) return {};
  if (wish.policy == abi::kPolicyDeadline) return Errno::kPerm;
  const Process& process = target.process();
  if (is_real_time(wish.policy)) {
    const u64 limit = process.soft_limit(abi::kLimitRealTimePriority);
    if (wish.policy != target.policy && limit == 0) return Errno::kPerm;
    if (wish.priority > target.real_time_priority && u64(wish.priority) > limit)
      return Errno::kPerm;
  }
  const u64 nice_limit = process.soft_limit(abi::kLimitNice);
  if (wish.has_nice && wish.nice < target.nice && u64(20 - wish.nice) > nice_limit)
    return Errno::kPerm;
  // Leaving SCHED_IDLE is like raising the priority.
  if (target.policy == abi::kPolicyIdle && wish.policy != abi::kPolicyIdle &&
      u64(20 - target.nice) > nice_limit)
    return Errno::kPerm;
  if (!owns(caller, target)) return Errno::kPerm;
  if (target.reset_on_fork && !wish.reset_on_fork) return Errno::kPerm;
  return {};
}

Result<> set_policy(const Task& caller, Task& target, const Wish& wish) {
  if (!is_known(wish.policy)) return Errno::kInval;
  if (wish.priority < 0 || wish.priority > kHighestRealTime) return Errno::kInval;
  if (is_real_time(wish.policy) != (wish.priority != 0)) return Errno::kInval;
  const bool has_deadline = wish.policy == abi::kPolicyDeadline;
  if (has_deadline && !is_possible(wish.deadline)) return Errno::kInval;
  TRY(check_privileges(caller, target, wish));
  target.deadline = has_deadline ? wish.deadline : Task::Deadline{};
  target.policy = wish.policy;
  target.real_time_priority = wish.priority;
  target.reset_on_fork = wish.reset_on_fork;
  if (wish.has_nice && !is_real_time(wish.policy) && !has_deadline) target.nice = i8(wish.nice);
  return {};
}

SysResult set_scheduler(Task& task, Pid pid, i32 policy, UserIn<i32> priority) {
  if (priority.null() || pid.value < 0) return Errno::kInval;
  Wish wish;
  wish.priority = TRY(priority.load());
  auto target = TRY(find_target(task, pid));
  if (policy == kSamePolicy) {
    wish.policy = target->policy;
    wish.deadline = target->deadline;
    wish.reset_on_fork = target->reset_on_fork;
  } else {
    wish.reset_on_fork = (u32(policy) & abi::kPolicyResetOnFork) != 0;
    wish.policy = i32(u32(policy) & ~abi::kPolicyResetOnFork);
  }
  TRY(set_policy(task, *target, wish));
  return i64{0};
}

// --- affinity

u64 all_cpus() {
  const u32 count = online_cpus();
  return count >= 64 ? ~u64{0} : (u64{1} << count) - 1;
}

}  // namespace

SysResult sys::sched_yield(Task&) {
  yield();
  return i64{0};
}

SysResult sys::sched_setaffinity(Task& task, Pid pid, u32 size, UserAddr mask) {
  u64 wanted = 0;
  const usize used = size < sizeof wanted ? size : sizeof wanted;
  if (platform::copy_from_user(&wanted, mask, used) != 0) return Errno::kFault;
  auto target = TRY(find_target(task, pid));
  if (!owns(task, *target) && !task.credentials().capable(Capability::kSysNice))
    return Errno::kPerm;
  wanted &= all_cpus();
  if (wanted == 0) return Errno::kInval;
  target->set_allowed_cpus(wanted);
  return i64{0};
}

SysResult sys::sched_getaffinity(Task& task, Pid pid, u32 size, UserAddr mask) {
  const u64 cpus = all_cpus();
  if (u64{size} * 8 < online_cpus() || size % sizeof(u64) != 0) return Errno::kInval;
  auto target = TRY(find_target(task, pid));
  TRY(store_user(mask, cpus & target->allowed_cpus()));
  return i64(sizeof cpus);
}

SysResult sys::sched_setscheduler(Task& task, Pid pid, i32 policy, UserIn<i32> priority) {
  if (policy < 0) return Errno::kInval;
  return set_scheduler(task, pid, policy, priority);
}

SysResult sys::sched_setparam(Task& task, Pid pid, UserIn<i32> priority) {
  return set_scheduler(task, pid, kSamePolicy, priority);
}

SysResult sys::sched_getscheduler(Task& task, Pid pid) {
  if (pid.value < 0) return Errno::kInval;
  if (const auto zombie = find_zombie(pid)) return i64{Family::ended_policy(*zombie)};
  auto target = TRY(find_target(task, pid));
  const u32 reset = target->reset_on_fork ? abi::kPolicyResetOnFork : 0;
  return i64{u32(target->policy) | reset};
}

SysResult sys::sched_getparam(Task& task, Pid pid, UserOut<i32> priority) {
  if (priority.null() || pid.value < 0) return Errno::kInval;
  if (const auto zombie = find_zombie(pid)) {
    TRY(priority.store(Family::ended_priority(*zombie)));
    return i64{0};
  }
  auto target = TRY(find_target(task, pid));
  TRY(priority.store(target->real_time_priority));
  return i64{0};
}

SysResult sys::sched_get_priority_max(Task&, i32 policy) {
  if (is_real_time(policy)) return i64{kHighestRealTime};
  if (!is_known(policy)) return Errno::kInval;
  return i64{0};
}

SysResult sys::sched_get_priority_min(Task&, i32 policy) {
  if (is_real_time(policy)) return i64{1};
  if (!is_known(policy)) return Errno::kInval;
  return i64{0};
}

SysResult sys::sched_rr_get_interval(Task& task, Pid pid, UserOut<abi::TimeSpec> out) {
  if (pid.value < 0) return Errno::kInval;
  auto target = TRY(find_target(task, pid));
  u64 ns = kSlice;
  if (target->policy == abi::kPolicyRoundRobin) ns = kRoundRobinSlice;
  if (target->policy == abi::kPolicyFifo) ns = 0;
  TRY(out.store({0, i64(ns)}));
  return i64{0};
}

SysResult sys::sched_setattr(Task& task, Pid pid, UserAddr attributes, HexInt flags) {
  if (attributes.value == 0 || pid.value < 0 || flags.value != 0) return Errno::kInval;
  u32 size = TRY(load_user<u32>(attributes));
  if (size == 0) size = abi::kSchedAttributesFirstSize;
  auto loaded =
      size < abi::kSchedAttributesFirstSize
          ? Result<abi::SchedAttributes>(Errno::kTooBig)
          : load_extensible<abi::SchedAttributes>(attributes, size, abi::kSchedAttributesFirstSize);
  // So the program learns what this kernel knows.
  if (loaded.failed(Errno::kTooBig)) TRY(store_user(attributes, u32(sizeof(abi::SchedAttributes))));
  const abi::SchedAttributes given = TRY(std::move(loaded));
  constexpr u64 kKnownFlags = abi::kSchedResetOnFork | abi::kSchedReclaim |
                              abi::kSchedDeadlineOverrun | abi::kSchedKeepPolicy |
                              abi::kSchedKeepParams;
  if (i32(given.policy) < 0 || (given.flags & ~kKnownFlags) != 0) return Errno::kInval;
  auto target = TRY(find_target(task, pid));
  Wish wish;
  const bool keep_policy = (given.flags & abi::kSchedKeepPolicy) != 0;
  const bool keep_params = (given.flags & abi::kSchedKeepParams) != 0;
  wish.policy = keep_policy ? target->policy : i32(given.policy);
  wish.priority = keep_params ? target->real_time_priority : i32(given.priority);
  wish.reset_on_fork = (given.flags & abi::kSchedResetOnFork) != 0;
  wish.has_nice = !keep_params && !is_real_time(wish.policy);
  wish.nice = given.nice < -20 ? -20 : given.nice > 19 ? 19 : given.nice;
  wish.deadline = {given.runtime, given.deadline,
                   given.period != 0 ? given.period : given.deadline};
  if (keep_params) wish.deadline = target->deadline;
  TRY(set_policy(task, *target, wish));
  return i64{0};
}

SysResult sys::sched_getattr(Task& task, Pid pid, UserAddr attributes, u32 size, HexInt flags) {
  if (attributes.value == 0 || pid.value < 0 || size > kPageSize ||
      size < abi::kSchedAttributesFirstSize || flags.value != 0)
    return Errno::kInval;
  auto target = TRY(find_target(task, pid));
  abi::SchedAttributes result{};
  result.size = size < sizeof result ? size : sizeof result;
  result.policy = u32(target->policy);
  if (target->reset_on_fork) result.flags = abi::kSchedResetOnFork;
  if (target->policy == abi::kPolicyDeadline) {
    result.runtime = target->deadline.runtime;
    result.deadline = target->deadline.deadline;
    result.period = target->deadline.period;
  } else if (is_real_time(target->policy)) {
    result.priority = u32(target->real_time_priority);
  } else {
    result.nice = target->nice;
  }
  if (platform::copy_to_user(attributes, &result, result.size) != 0) return Errno::kFault;
  return i64{0};
}

}  // namespace narwhal
