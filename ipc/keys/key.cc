#include "ipc/keys/key.h"

#include <cstring>

#include "fs/core/clock.h"

namespace narwhal::keys {

constinit Mutex<LockRank::kMutexOther> lock;
constinit Quotas quotas{Atomic<u32>(200), Atomic<u32>(20000), Atomic<u32>(1000000),
                        Atomic<u32>(25000000)};

namespace {

constexpr std::string_view kNames[] = {"user", "logon", "big_key", "keyring"};
constexpr usize kDeepest = 6;  // keyrings in keyrings

[[clang::no_destroy]] constinit Vector<Ref<Key>> all_keys TA_GUARDED_BY(lock);
constinit i32 last_serial TA_GUARDED_BY(lock) = 0x2f00'0000;

struct UserKeyrings {
  u32 uid;
  Ref<Key> user, session;
};
[[clang::no_destroy]] constinit Vector<UserKeyrings> user_keyrings TA_GUARDED_BY(lock);

// Takes out what only the table refers to, keyrings first, which may have held others.
void sweep() TA_REQUIRES(lock) {
  for (bool again = true; again;) {
    again = false;
    usize kept = 0;
    for (usize i = 0; i < all_keys.size(); ++i) {
      if (all_keys[i]->ref_count() == 1) {
        again |= all_keys[i]->is_keyring();
        all_keys[i] = nullptr;
      } else {
        if (kept != i) all_keys[kept] = std::move(all_keys[i]);
        ++kept;
      }
    }
    while (all_keys.size() > kept) all_keys.pop_back();
  }
}

Result<> check_quota(u32 uid, usize bytes) TA_REQUIRES(lock) {
  const u32 max_keys = (uid == 0 ? quotas.root_max_keys : quotas.max_keys).load();
  const u32 max_bytes = (uid == 0 ? quotas.root_max_bytes : quotas.max_bytes).load();
  usize count = 1;
  for (const Ref<Key>& key : all_keys) {
    if (key->uid != uid) continue;
    ++count;
    bytes += key->quota_bytes();
  }
  if (count > max_keys || bytes > max_bytes) return kQuota;
  return {};
}

u32 usual_rights(Type type) {
  u32 rights = kView | kSearch | kLink | kSetAttributes;
  if (type != Type::kLogon) rights |= kRead;
  rights |= kWrite;  // all types here are updatable, or keyrings
  return rights << kPossessorShift | kView << kUserShift;
}

bool contains_within(const Key& ring, const Key& key, usize depth) TA_REQUIRES(lock) {
  if (&ring == &key) return true;
  if (depth == 0) return false;
  for (const Ref<Key>& each : ring.links)
    if (contains_within(*each, key, depth - 1)) return true;
  return false;
}

}  // namespace

std::string_view name_of(Type type) {
  return kNames[usize(type)];
}

Result<Type> find_type(std::string_view name) {
  for (usize i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) return Type(i);
  return Errno::kNoDev;
}

Result<> Key::check_state() const {
  if (invalidated) return Errno::kNoKey;
  if (revoked) return kRevoked;
  if (expires != 0 && current_file_time().seconds >= expires) return kExpired;
  return {};
}

Result<> Key::check_right(const Credentials& who, bool possessed, u32 right) const {
  u32 granted;
  if (uid == who.fsuid)
    granted = permissions >> kUserShift;
  else if ((permissions >> kGroupShift & kAllRights) && who.in_group(gid))
    granted = permissions >> kGroupShift;
  else
    granted = permissions;
  if (possessed) granted |= permissions >> kPossessorShift;
  return (right & ~granted) == 0 ? Result<>() : Result<>(Errno::kAcces);
}

Result<> check_payload(Type type, std::string_view description, usize size) {
  constexpr usize kMostOfUser = 32767, kMostOfBig = 1024 * 1024 - 1;
  switch (type) {
    case Type::kKeyring:
      return size == 0 ? Result<>() : Result<>(Errno::kInval);
    case Type::kLogon: {
      // "SERVICE:NAME", so that services don't take each other's.
      const usize colon = description.find(':');
      if (colon == std::string_view::npos || colon == 0) return Errno::kInval;
      [[fallthrough]];
    }
    case Type::kUser:
      return size > 0 && size <= kMostOfUser ? Result<>() : Result<>(Errno::kInval);
    case Type::kBigKey:
      return size > 0 && size <= kMostOfBig ? Result<>() : Result<>(Errno::kInval);
  }
  return Errno::kInval;
}

Result<Ref<Key>> create(Type type, std::string_view description, std::span<const std::byte> payload,
                        u32 uid, u32 gid) {
  sweep();
  auto key = TRY(make_ref<Key>());
  key->type = type;
  key->description = TRY(String::copy(description));
  TRY(key->payload.append(payload));
  key->uid = uid;
  key->gid = gid;
  key->permissions = usual_rights(type);
  TRY(check_quota(uid, key->quota_bytes()));
  for (;;) {
    last_serial = last_serial == INT32_MAX ? 3 : last_serial + 1;
    if (!find(last_serial).ok()) break;
  }
  key->serial = last_serial;
  TRY(all_keys.push_back(key));
  return key;
}

Result<Ref<Key>> find(i32 serial) {
  for (const Ref<Key>& key : all_keys)
    if (key->serial == serial && key->ref_count() > 1) return Ref<Key>(key);
  return Errno::kNoKey;
}

Result<Ref<Key>> find_keyring(std::string_view name, const Credentials& who) {
  for (const Ref<Key>& key : all_keys)
    if (key->is_keyring() && key->ref_count() > 1 && key->description.view() == name &&
        key->check_state().ok() && key->check_right(who, false, kSearch).ok())
      return Ref<Key>(key);
  return Errno::kNoKey;
}

Result<Ref<Key>> user_keyring(u32 uid, bool session) {
  for (const UserKeyrings& each : user_keyrings)
    if (each.uid == uid) return Ref<Key>(session ? each.session : each.user);
  constexpr u32 kGroupNobody = ~u32{0};
  constexpr u32 kRights =
      (kAllRights & ~u32{kSetAttributes}) << kPossessorShift | kAllRights << kUserShift;
  UserKeyrings made{uid, nullptr, nullptr};
  Text<24> name;
  name << "_uid." << uid;
  made.user = TRY(create(Type::kKeyring, name.view(), {}, uid, kGroupNobody));
  Text<24> session_name;
  session_name << "_uid_ses." << uid;
  made.session = TRY(create(Type::kKeyring, session_name.view(), {}, uid, kGroupNobody));
  made.user->permissions = made.session->permissions = kRights;
  TRY(link(*made.session, *made.user));
  Ref<Key> result = session ? made.session : made.user;
  TRY(user_keyrings.push_back(std::move(made)));
  return result;
}

Key* find_link(const Key& ring, Type type, std::string_view description) {
  for (const Ref<Key>& key : ring.links)
    if (key->type == type && !key->invalidated && key->description.view() == description)
      return key.get();
  return nullptr;
}

Result<> link(Key& ring, Key& key) {
  if (!ring.is_keyring()) return Errno::kNotDir;
  if (key.is_keyring() && contains_within(key, ring, kDeepest)) return Errno::kDeadLk;
  for (Ref<Key>& each : ring.links)
    if (each->type == key.type && each->description.view() == key.description.view()) {
      each = Ref<Key>(&key);
      return {};
    }
  return ring.links.push_back(Ref<Key>(&key));
}

Result<> unlink(Key& ring, const Key& key) {
  if (!ring.is_keyring()) return Errno::kNotDir;
  for (usize i = 0; i < ring.links.size(); ++i)
    if (ring.links[i].get() == &key) {
      ring.links.erase(i);
      return {};
    }
  return Errno::kNoEnt;
}

bool contains(const Key& ring, const Key& key) {
  return contains_within(ring, key, kDeepest);
}

void invalidate(Key& key) {
  key.invalidated = true;
  for (const Ref<Key>& ring : all_keys) unlink(*ring, key).ignore();
}

Result<> show_users(TextSink& out) {
  Guard guard(lock);
  sweep();
  Vector<u32> users;
  for (const Ref<Key>& key : all_keys) {
    bool known = false;
    for (const u32 uid : users) known |= uid == key->uid;
    if (!known) TRY(users.push_back(key->uid));
  }
  for (const u32 uid : users) {
    usize count = 0, bytes = 0;
    for (const Ref<Key>& key : all_keys) {
      if (key->uid != uid) continue;
      ++count;
      bytes += key->quota_bytes();
    }
    const bool root = uid == 0;
    out << padded(uid, 5) << ": " << padded(count + 1, 5) << ' ' << count << '/' << count << ' '
        << count << '/' << (root ? quotas.root_max_keys : quotas.max_keys).load() << ' ' << bytes
        << '/' << (root ? quotas.root_max_bytes : quotas.max_bytes).load() << '\n';
  }
  return {};
}

}  // namespace narwhal::keys
