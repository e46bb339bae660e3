// Limits and use of resources: getrlimit(2), prlimit(2), getrusage(2).
#include "kernel/abi/resource.h"

#include "process/pid_table.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// Some limits are looked at by those who hold the resource; the others by asking the process.
void pass_on(Process& process, u32 resource) {
  switch (resource) {
    case abi::kLimitCpu:
      process.timers.update_watch();
      break;
    case abi::kLimitData:
    case abi::kLimitStack:
    case abi::kLimitLockedMemory:
    case abi::kLimitAddressSpace: {
      auto task = find_task_of(process);
      // Held by a reference of our own: the task may end meanwhile.
      Ref<AddressSpace> memory = task ? task->memory_ref() : nullptr;
      if (memory) memory->set_limits(process.memory_limits());
      break;
    }
    default:
      break;
  }
}

Result<> check_resource(u32 resource) {
  if (resource >= kResourceLimits) return Errno::kInval;
  return {};
}

Result<> change_limit(Task& caller, Process& process, u32 resource, ResourceLimit wanted) {
  if (wanted.soft > wanted.hard) return Errno::kInval;
  if (resource == abi::kLimitOpenFiles && wanted.hard > max_descriptors.load()) return Errno::kPerm;
  if (wanted.hard > process.limit(resource).hard &&
      !caller.credentials().capable(Capability::kSysResource))
    return Errno::kPerm;
  // No time at all would be death at once: Linux makes it a second.
  if (resource == abi::kLimitCpu && wanted.soft == 0) wanted.soft = 1;
  process.set_limit(resource, wanted);
  pass_on(process, resource);
  return {};
}

// EPERM unless the two are the same user in every respect (prlimit(2)).
Result<> check_may_limit(Task& caller, const Task& target) {
  if (&target == &caller) return {};
  const Credentials& mine = caller.credentials();
  const Credentials& other = target.credentials();
  const bool same_user = mine.uid == other.euid && mine.uid == other.suid && mine.uid == other.uid;
  const bool same_group = mine.gid == other.egid && mine.gid == other.sgid && mine.gid == other.gid;
  if ((same_user && same_group) || mine.capable(Capability::kSysResource)) return {};
  return Errno::kPerm;
}

ResourceUsage usage_of_thread(Task& task) {
  ResourceUsage usage;
  usage.add(task);
  return usage;
}

u64 peak_memory(Task& task) {
  return task.memory().statistics().peak_resident;
}

}  // namespace

SysResult sys::getrlimit(Task& task, u32 resource, UserOut<abi::ResourceLimit> out) {
  TRY(check_resource(resource));
  const ResourceLimit limit = task.process().limit(resource);
  TRY(out.store({limit.soft, limit.hard}));
  return i64{0};
}

SysResult sys::setrlimit(Task& task, u32 resource, UserIn<abi::ResourceLimit> limit) {
  const abi::ResourceLimit given = TRY(limit.load());
  TRY(check_resource(resource));
  TRY(change_limit(task, task.process(), resource, {given.soft, given.hard}));
  return i64{0};
}

SysResult sys::prlimit64(Task& task, Pid pid, u32 resource, UserIn<abi::ResourceLimit> limit,
                         UserOut<abi::ResourceLimit> old) {
  abi::ResourceLimit given{};
  if (!limit.null()) given = TRY(limit.load());
  Ref<Task> target = pid.value == 0 ? Ref<Task>(&task) : find_task(u32(pid.value));
  if (!target) return Errno::kSrch;
  TRY(check_may_limit(task, *target));
  TRY(check_resource(resource));
  Process& process = target->process();
  const ResourceLimit before = process.limit(resource);
  if (!limit.null()) TRY(change_limit(task, process, resource, {given.soft, given.hard}));
  TRY(old.store_if_wanted({before.soft, before.hard}));
  return i64{0};
}

SysResult sys::getrusage(Task& task, i32 who, UserOut<abi::ResourceUsage> out) {
  constexpr i32 kSelf = 0, kChildren = -1, kThread = 1;  // RUSAGE_*
  ResourceUsage usage;
  switch (who) {
    case kSelf:
      usage = task.process().usage();
      break;
    case kChildren:
      usage = task.process().children_usage();
      break;
    case kThread:
      usage = usage_of_thread(task);
      break;
    default:
      return Errno::kInval;
  }
  if (who != kChildren) {
    const u64 peak = peak_memory(task);
    if (usage.peak_resident_pages < peak) usage.peak_resident_pages = peak;
  }
  TRY(out.store(usage.to_abi()));
  return i64{0};
}

}  // namespace narwhal
