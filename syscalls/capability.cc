// capget(2), capset(2).
#include "kernel/abi/capability.h"

#include <cstddef>

#include "process/pid_table.h"
#include "syscalls/credential_change.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr usize kMostElements = 2;
struct CapabilitySets {
  abi::CapabilityData data[kMostElements];
};

// How many elements the program's version has. For a version that nobody knows the header gets
// the right one: EINVAL.
Result<usize> load_version(UserAddr header) {
  switch (TRY(load_user<u32>(header + offsetof(abi::CapabilityHeader, version)))) {
    case abi::kCapabilityVersion1:
      return usize{1};
    case abi::kCapabilityVersion2:
    case abi::kCapabilityVersion3:
      return kMostElements;
    default:
      TRY(store_user(header + offsetof(abi::CapabilityHeader, version), abi::kCapabilityVersion3));
      return Errno::kInval;
  }
}

u64 joined(u32 low, u32 high) {
  return (u64{low} | u64{high} << 32) & kAllCapabilities;
}

bool within(u64 subset, u64 set) {
  return (subset & ~set) == 0;
}

}  // namespace

SysResult sys::capget(Task& task, UserAddr header, UserAddr data) {
  auto elements = load_version(header);
  if (data.value == 0) {
    // How programs ask for the version.
    if (elements.ok() || elements.failed(Errno::kInval)) return i64{0};
  }
  const usize count = TRY(elements);
  const i32 pid = TRY(load_user<i32>(header + offsetof(abi::CapabilityHeader, pid)));
  if (pid < 0) return Errno::kInval;
  CredentialsRef who = task.credentials_ref();
  if (pid != 0 && u32(pid) != task.tid()) {
    auto other = find_task(u32(pid));
    if (!other) return Errno::kSrch;
    who = other->credentials_ref();
  }
  CapabilitySets sets;
  for (usize i = 0; i < kMostElements; ++i)
    sets.data[i] = {u32(who->effective >> (32 * i)), u32(who->permitted >> (32 * i)),
                    u32(who->inheritable >> (32 * i))};
  if (platform::copy_to_user(data, &sets, count * sizeof(abi::CapabilityData)) != 0)
    return Errno::kFault;
  return i64{0};
}

SysResult sys::capset(Task& task, UserAddr header, UserAddr data) {
  const usize count = TRY(load_version(header));
  const i32 pid = TRY(load_user<i32>(header + offsetof(abi::CapabilityHeader, pid)));
  if (pid != 0 && u32(pid) != task.tid()) return Errno::kPerm;
  CapabilitySets sets{};
  if (platform::copy_from_user(&sets, data, count * sizeof(abi::CapabilityData)) != 0)
    return Errno::kFault;
  const u64 effective = joined(sets.data[0].effective, sets.data[1].effective);
  const u64 permitted = joined(sets.data[0].permitted, sets.data[1].permitted);
  const u64 inheritable = joined(sets.data[0].inheritable, sets.data[1].inheritable);
  const Credentials& old = task.credentials();
  if (!old.capable(Capability::kSetpcap) && !within(inheritable, old.inheritable | old.permitted))
    return Errno::kPerm;
  if (!within(inheritable, old.inheritable | old.bounding) || !within(permitted, old.permitted) ||
      !within(effective, permitted))
    return Errno::kPerm;
  TRY(change_credentials(task, [=](Credentials& fresh) {
    fresh.effective = effective;
    fresh.permitted = permitted;
    fresh.inheritable = inheritable;
    fresh.ambient &= permitted & inheritable;
  }));
  return i64{0};
}

}  // namespace narwhal
