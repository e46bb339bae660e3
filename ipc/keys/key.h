// Keys and keyrings (keyrings(7)): secrets that the kernel keeps for programs, by number.
//
// One mutex guards everything here. The table of all keys refers to each; a key to which nothing
// else refers, neither a keyring nor a task, is as good as gone and is swept out when the next one
// is made.
#pragma once

#include "fs/core/credentials.h"
#include "kernel/base/format.h"
#include "kernel/base/string.h"
#include "kernel/sched/mutex.h"

namespace narwhal::keys {

extern Mutex<LockRank::kMutexOther> lock;

// Of these calls alone.
inline constexpr Errno kQuota{122}, kExpired{127}, kRevoked{128};

enum class Type : u8 { kUser, kLogon, kBigKey, kKeyring };
std::string_view name_of(Type type);
Result<Type> find_type(std::string_view name);  // ENODEV

// Permission bits, of which there are four groups: possessor, user, group, others.
enum Right : u32 {
  kNothing = 0,
  kView = 0x01,
  kRead = 0x02,
  kWrite = 0x04,
  kSearch = 0x08,
  kLink = 0x10,
  kSetAttributes = 0x20,
};
inline constexpr u32 kAllRights = 0x3f;
inline constexpr u32 kPossessorShift = 24, kUserShift = 16, kGroupShift = 8;

class Key final : public RefCounted {
 public:
  Type type = Type::kUser;
  i32 serial = 0;
  String description;
  u32 uid = 0, gid = 0;
  u32 permissions = 0;
  Vector<std::byte> payload;
  Vector<Ref<Key>> links;  // of a keyring
  i64 expires = 0;         // seconds of the wall clock; 0: never
  bool revoked = false, invalidated = false;
  bool negative = false;  // stands for "there is no such key"

  bool is_keyring() const { return type == Type::kKeyring; }
  bool updatable() const {
    return type == Type::kUser || type == Type::kLogon || type == Type::kBigKey;
  }
  bool readable() const { return type != Type::kLogon; }
  usize quota_bytes() const { return description.size() + 1 + payload.size(); }
  // ENOKEY, EKEYREVOKED, EKEYEXPIRED.
  Result<> check_state() const;
  // EACCES.
  Result<> check_right(const Credentials& who, bool possessed, u32 right) const;
};

// What a key's type says of its content. EINVAL.
Result<> check_payload(Type type, std::string_view description, usize size);

// /proc/sys/kernel/keys.
struct Quotas {
  Atomic<u32> max_keys, max_bytes, root_max_keys, root_max_bytes;
};
extern Quotas quotas;

// A new key in the table, with its type's usual rights. EDQUOT, ENOMEM.
Result<Ref<Key>> create(Type type, std::string_view description, std::span<const std::byte> payload,
                        u32 uid, u32 gid) TA_REQUIRES(lock);
// ENOKEY.
Result<Ref<Key>> find(i32 serial) TA_REQUIRES(lock);
// A keyring that anybody made under this name, and that `who` may search. ENOKEY.
Result<Ref<Key>> find_keyring(std::string_view name, const Credentials& who) TA_REQUIRES(lock);
// The keyrings of a user, made when first asked for. ENOMEM, EDQUOT.
Result<Ref<Key>> user_keyring(u32 uid, bool session) TA_REQUIRES(lock);

// The key of a type and description that a keyring has itself; null when there is none.
Key* find_link(const Key& ring, Type type, std::string_view description) TA_REQUIRES(lock);
// Takes the place of one with the same type and description. EDEADLK: a keyring would be in itself;
// ENOTDIR, ENOMEM.
Result<> link(Key& ring, Key& key) TA_REQUIRES(lock);
// ENOENT, ENOTDIR.
Result<> unlink(Key& ring, const Key& key) TA_REQUIRES(lock);
// Whether `ring` or a keyring below it has the key.
bool contains(const Key& ring, const Key& key) TA_REQUIRES(lock);
// KEYCTL_INVALIDATE: gone at once, from everywhere.
void invalidate(Key& key) TA_REQUIRES(lock);

// /proc/key-users.
Result<> show_users(TextSink& out);

}  // namespace narwhal::keys
