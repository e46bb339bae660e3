// The keyrings that a task works with (keyrings(7)), and what their special numbers stand for.
#pragma once

#include "ipc/keys/key.h"
#include "process/task.h"

namespace narwhal {

// A key as a call names it. What is found by a special number, or below the caller's own keyrings,
// is possessed: then more rights count.
struct FoundKey {
  Ref<keys::Key> key;
  bool possessed = false;
};

// KEY_SPEC_*.
enum SpecialKey : i32 {
  kThreadKeyring = -1,
  kProcessKeyring = -2,
  kSessionKeyring = -3,
  kUserKeyring = -4,
  kUserSessionKeyring = -5,
  kGroupKeyring = -6,
};

// The key of a number, special or not, when the caller has this right to it. `create`: special ones
// are made. ENOKEY, EINVAL, EACCES, EKEYREVOKED, EKEYEXPIRED, EDQUOT, ENOMEM.
Result<FoundKey> lookup_key(Task& task, i32 number, bool create, u32 right) TA_REQUIRES(keys::lock);
// The same without a look at its state and rights.
Result<FoundKey> lookup_key_anyhow(Task& task, i32 number, bool create) TA_REQUIRES(keys::lock);
bool possesses(Task& task, const keys::Key& key) TA_REQUIRES(keys::lock);

// In a keyring and those below it. ENOKEY, or why what was found can't be used.
Result<FoundKey> search_keyring(Task& task, const FoundKey& ring, keys::Type type,
                                std::string_view description) TA_REQUIRES(keys::lock);
// In all of the caller's own. EAGAIN when nothing is found.
Result<FoundKey> search_own_keyrings(Task& task, keys::Type type, std::string_view description)
    TA_REQUIRES(keys::lock);

// KEYCTL_JOIN_SESSION_KEYRING: a new one when `name` is empty.
Result<i32> join_session_keyring(Task& task, std::string_view name) TA_REQUIRES(keys::lock);

}  // namespace narwhal
