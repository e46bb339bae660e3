#include "process/task_keyrings.h"

namespace narwhal {

using keys::Key;

namespace {

constexpr usize kDeepest = 6;  // keyrings in keyrings

Result<Ref<Key>> make_own_keyring(Task& task, std::string_view name) TA_REQUIRES(keys::lock) {
  const Credentials& who = task.credentials();
  auto ring = TRY(keys::create(keys::Type::kKeyring, name, {}, who.uid, who.gid));
  ring->permissions |= keys::kAllRights << keys::kPossessorShift | keys::kView << keys::kUserShift;
  return ring;
}

// One of a task's or process's own, made if that is wanted. ENOKEY.
Result<Ref<Key>> own_keyring(Task& task, Ref<Key>& place, std::string_view name, bool create)
    TA_REQUIRES(keys::lock) {
  if (!place) {
    if (!create) return Errno::kNoKey;
    place = TRY(make_own_keyring(task, name));
  }
  return Ref<Key>(place);
}

// Who has no session's keyring uses the user's, until something is to be put into it.
Result<Ref<Key>> session_keyring(Task& task, bool create) TA_REQUIRES(keys::lock) {
  if (!task.session_keyring) {
    if (create)
      TRY(join_session_keyring(task, {}));
    else
      task.session_keyring = TRY(keys::user_keyring(task.credentials().uid, true));
  }
  return Ref<Key>(task.session_keyring);
}

// Goes through a keyring; what is in the way of the best find is remembered.
struct Search {
  Task& task;
  keys::Type type;
  std::string_view description;
  bool possessed;
  Errno error = Errno::kAgain;

  Result<> check(const Key& key) const {
    // The answer "there is none" holds for its time only.
    if (key.negative) return key.check_state().ok() ? Errno::kNoKey : Errno::kAgain;
    TRY(key.check_state());
    return key.check_right(task.credentials(), possessed, keys::kSearch);
  }

  Key* find(const Key& ring, usize depth) TA_REQUIRES(keys::lock) {
    if (!ring.check_right(task.credentials(), possessed, keys::kSearch).ok()) {
      if (error == Errno::kAgain) error = Errno::kAcces;
      return nullptr;
    }
    if (Key* key = keys::find_link(ring, type, description)) {
      const auto usable = check(*key);
      if (usable.ok()) return key;
      error = usable.error();
    }
    if (depth == 0) return nullptr;
    for (const Ref<Key>& each : ring.links) {
      if (!each->is_keyring() || !each->check_state().ok()) continue;
      if (Key* key = find(*each, depth - 1)) return key;
    }
    return nullptr;
  }
};

}  // namespace

bool possesses(Task& task, const Key& key) {
  for (const Ref<Key>* ring :
       {&task.thread_keyring, &task.process().process_keyring, &task.session_keyring})
    if (*ring && keys::contains(**ring, key)) return true;
  return false;
}

Result<FoundKey> lookup_key_anyhow(Task& task, i32 number, bool create) {
  const u32 uid = task.credentials().uid;
  switch (number) {
    case kThreadKeyring:
      return FoundKey{TRY(own_keyring(task, task.thread_keyring, "_tid", create)), true};
    case kProcessKeyring:
      return FoundKey{TRY(own_keyring(task, task.process().process_keyring, "_pid", create)), true};
    case kSessionKeyring:
      return FoundKey{TRY(session_keyring(task, create)), true};
    case kUserKeyring:
      return FoundKey{TRY(keys::user_keyring(uid, false)), true};
    case kUserSessionKeyring:
      return FoundKey{TRY(keys::user_keyring(uid, true)), true};
    case kGroupKeyring:
      return Errno::kInval;  // Linux has none either
    default: {
      if (number < kGroupKeyring) return Errno::kNoKey;
      if (number < 1) return Errno::kInval;
      auto key = TRY(keys::find(number));
      const bool possessed = possesses(task, *key);
      return FoundKey{std::move(key), possessed};
    }
  }
}

Result<FoundKey> lookup_key(Task& task, i32 number, bool create, u32 right) {
  auto found = TRY(lookup_key_anyhow(task, number, create));
  TRY(found.key->check_state());
  TRY(found.key->check_right(task.credentials(), found.possessed, right));
  return found;
}

Result<FoundKey> search_keyring(Task& task, const FoundKey& ring, keys::Type type,
                                std::string_view description) {
  if (!ring.key->is_keyring()) return Errno::kNotDir;
  Search search{task, type, description, ring.possessed};
  if (Key* key = search.find(*ring.key, kDeepest)) return FoundKey{Ref<Key>(key), ring.possessed};
  return search.error;
}

Result<FoundKey> search_own_keyrings(Task& task, keys::Type type, std::string_view description) {
  // That there is none in one keyring counts more than what is wrong with the one in another.
  Errno absent{}, wrong{};
  Ref<Key> session = task.session_keyring;
  if (!session) session = TRY(keys::user_keyring(task.credentials().uid, true));
  for (const Ref<Key>* ring : {&task.thread_keyring, &task.process().process_keyring, &session}) {
    if (!*ring) continue;
    auto found = search_keyring(task, {*ring, true}, type, description);
    if (found.ok()) return found;
    const Errno error = found.error();
    if (error == Errno::kNoKey || (error == Errno::kAgain && absent == Errno{}))
      absent = error;
    else if (error != Errno::kAgain)
      wrong = error;
  }
  return absent != Errno{} ? absent : wrong;
}

Result<i32> join_session_keyring(Task& task, std::string_view name) {
  Ref<Key> ring;
  if (!name.empty()) {
    auto found = keys::find_keyring(name, task.credentials());
    if (found.ok()) ring = found.take();
  }
  if (!ring) {
    ring = TRY(make_own_keyring(task, name.empty() ? "_ses" : name));
    ring->permissions |= keys::kRead << keys::kUserShift;
    if (!name.empty()) ring->permissions |= keys::kLink << keys::kUserShift;
  }
  task.session_keyring = ring;
  return i32(ring->serial);
}

}  // namespace narwhal
