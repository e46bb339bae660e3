// What the calls that change identities and capabilities share.
#pragma once

#include "process/task.h"

namespace narwhal {

// capabilities(7), "The securebits flags".
inline constexpr u32 kSecureNoRoot = 1 << 0;
inline constexpr u32 kSecureNoSetuidFixup = 1 << 2;
inline constexpr u32 kSecureKeepCaps = 1 << 4;
inline constexpr u32 kSecureKeepCapsLocked = 1 << 5;
inline constexpr u32 kSecureNoCapAmbientRaise = 1 << 6;
inline constexpr u32 kSecureAllBits = 0x55;
inline constexpr u32 kSecureAllLocks = 0xaa;

constexpr bool is_capability(u64 number) {
  return number <= u64(Capability::kCheckpointRestore);
}

// Credentials don't change under those who look at them: the task gets a changed copy. ENOMEM.
template <typename Change>
Result<> change_credentials(Task& task, Change change) {
  Ref<Credentials> fresh = TRY(task.credentials().copy());
  change(*fresh);
  task.set_credentials(std::move(fresh));
  return {};
}

}  // namespace narwhal
