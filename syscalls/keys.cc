// add_key(2), request_key(2), keyctl(2).
#include <cstring>

#include "fs/core/clock.h"
#include "process/task_keyrings.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

using keys::Key;

constexpr usize kMostPayload = 1024 * 1024 - 1;
constexpr usize kMostDescription = 4096;

// The type that a program names. EFAULT, EINVAL, EPERM for the kernel's own.
Result<keys::Type> load_type(UserAddr address) {
  char name[32];
  auto length = platform::copy_string_from_user(name, address, sizeof name);
  if (length.failed(Errno::kNameTooLong)) return Errno::kInval;
  const std::string_view text(name, TRY(std::move(length)));
  if (text.empty()) return Errno::kInval;
  if (text.front() == '.') return Errno::kPerm;
  return keys::find_type(text);
}

// EFAULT, EINVAL.
Result<String> load_text(UserAddr address) {
  auto buffer = TRY(String::uninitialized(kMostDescription));
  auto length = platform::copy_string_from_user(buffer.fill(), address, kMostDescription);
  if (length.failed(Errno::kNameTooLong)) return Errno::kInval;
  return String::copy({buffer.fill(), TRY(std::move(length))});
}

Result<Vector<std::byte>> load_payload(UserAddr address, usize size) {
  Vector<std::byte> payload;
  if (size == 0) return payload;
  TRY(payload.resize(size));
  if (platform::copy_from_user(payload.data(), address, size) != 0) return Errno::kFault;
  return payload;
}

// What a call gives back: the whole if there is room, and always how much it is.
SysResult give(UserAddr buffer, usize room, std::span<const std::byte> bytes) {
  if (buffer.value != 0 && room >= bytes.size() && !bytes.empty() &&
      platform::copy_to_user(buffer, bytes.data(), bytes.size()) != 0)
    return Errno::kFault;
  return i64(bytes.size());
}

struct Copied {
  Vector<std::byte> bytes;
};

// --- keyctl(2)

enum Command : i32 {
  kGetKeyringId = 0,
  kJoinSession = 1,
  kUpdate = 2,
  kRevoke = 3,
  kChown = 4,
  kSetPermissions = 5,
  kDescribe = 6,
  kClear = 7,
  kLinkKey = 8,
  kUnlinkKey = 9,
  kSearchRing = 10,
  kReadKey = 11,
  kInstantiate = 12,
  kNegate = 13,
  kSetRequestKeyring = 14,
  kSetTimeout = 15,
  kAssumeAuthority = 16,
  kGetSecurity = 17,
  kReject = 19,
  kInstantiateVector = 20,
  kInvalidate = 21,
};

SysResult join_session(Task& task, UserAddr name_address) {
  String name;
  if (name_address.value != 0) {
    name = TRY(load_text(name_address));
    if (name.empty()) return Errno::kInval;
    if (name.view().front() == '.') return Errno::kPerm;
  }
  Guard guard(keys::lock);
  return i64(TRY(join_session_keyring(task, name)));
}

SysResult update(Task& task, i32 number, UserAddr address, usize size) {
  if (size > kPageSize) return Errno::kInval;
  auto payload = TRY(load_payload(address, size));
  Guard guard(keys::lock);
  const auto found = TRY(lookup_key(task, number, false, keys::kWrite));
  if (!found.key->updatable()) return Errno::kOpNotSupp;
  TRY(keys::check_payload(found.key->type, found.key->description, size));
  found.key->payload = std::move(payload);
  found.key->negative = false;
  return i64{0};
}

SysResult revoke(Task& task, i32 number) {
  Guard guard(keys::lock);
  auto writable = lookup_key(task, number, false, keys::kWrite);
  const auto key = writable.failed(Errno::kAcces)
                       ? TRY(lookup_key(task, number, false, keys::kSetAttributes)).key
                       : TRY(std::move(writable)).key;
  key->revoked = true;
  key->links.clear();
  return i64{0};
}

// Root may give it to anybody, its owner to one of the own groups.
SysResult change_owner(Task& task, i32 number, u32 uid, u32 gid) {
  constexpr u32 kKeep = ~u32{0};
  Guard guard(keys::lock);
  const auto found = TRY(lookup_key(task, number, false, keys::kSetAttributes));
  const Credentials& who = task.credentials();
  Key& key = *found.key;
  if (!who.capable(Capability::kSysAdmin)) {
    if (uid != kKeep && uid != key.uid) return Errno::kAcces;
    if (gid != kKeep && gid != key.gid && !who.in_group(gid)) return Errno::kAcces;
  }
  if (uid != kKeep) key.uid = uid;
  if (gid != kKeep) key.gid = gid;
  return i64{0};
}

SysResult set_permissions(Task& task, i32 number, u32 permissions) {
  if (permissions & ~u32{0x3f3f3f3f}) return Errno::kInval;
  Guard guard(keys::lock);
  const auto found = TRY(lookup_key(task, number, false, keys::kSetAttributes));
  const Credentials& who = task.credentials();
  if (!who.capable(Capability::kSysAdmin) && found.key->uid != who.fsuid) return Errno::kAcces;
  found.key->permissions = permissions;
  return i64{0};
}

SysResult describe(Task& task, i32 number, UserAddr buffer, usize room) {
  Vector<char> text;
  TRY(text.resize(kMostDescription + 128));
  TextSink out(text.data(), text.size());
  {
    Guard guard(keys::lock);
    const auto found = TRY(lookup_key(task, number, false, keys::kView));
    const Key& key = *found.key;
    out << keys::name_of(key.type) << ';' << i32(key.uid) << ';' << i32(key.gid) << ';'
        << hex_digits(key.permissions, 8) << ';' << key.description.view() << '\0';
  }
  return give(buffer, room, std::as_bytes(std::span(text.data(), out.size())));
}

SysResult clear(Task& task, i32 number) {
  Guard guard(keys::lock);
  const auto ring = TRY(lookup_key(task, number, true, keys::kWrite));
  if (!ring.key->is_keyring()) return Errno::kNotDir;
  ring.key->links.clear();
  return i64{0};
}

SysResult link_key(Task& task, i32 number, i32 ring_number) {
  Guard guard(keys::lock);
  const auto ring = TRY(lookup_key(task, ring_number, true, keys::kWrite));
  const auto found = TRY(lookup_key(task, number, true, keys::kLink));
  TRY(keys::link(*ring.key, *found.key));
  return i64{0};
}

SysResult unlink_key(Task& task, i32 number, i32 ring_number) {
  Guard guard(keys::lock);
  const auto ring = TRY(lookup_key(task, ring_number, false, keys::kWrite));
  const auto found = TRY(lookup_key_anyhow(task, number, false));
  TRY(keys::unlink(*ring.key, *found.key));
  return i64{0};
}

SysResult search_ring(Task& task, i32 ring_number, UserAddr type_address, UserAddr text,
                      i32 target_number) {
  const auto type = load_type(type_address);
  if (!type.ok() && !type.failed(Errno::kNoDev)) return type.error();
  const String description = TRY(load_text(text));
  Guard guard(keys::lock);
  const auto ring = TRY(lookup_key(task, ring_number, false, keys::kSearch));
  FoundKey target;
  if (target_number != 0) target = TRY(lookup_key(task, target_number, true, keys::kWrite));
  if (!type.ok()) return Errno::kNoKey;
  auto found = search_keyring(task, ring, type.value(), description);
  if (found.failed(Errno::kAgain)) return Errno::kNoKey;
  const auto key = TRY(std::move(found)).key;
  if (target.key) {
    TRY(key->check_right(task.credentials(), ring.possessed, keys::kLink));
    TRY(keys::link(*target.key, *key));
  }
  return i64(key->serial);
}

// A keyring's content is the numbers of its keys.
Result<Copied> content_of(const Key& key) {
  Copied copy;
  if (!key.is_keyring()) {
    TRY(copy.bytes.append(key.payload));
    return copy;
  }
  for (const Ref<Key>& each : key.links)
    TRY(copy.bytes.append(std::as_bytes(std::span(&each->serial, 1))));
  return copy;
}

SysResult read_key(Task& task, i32 number, UserAddr buffer, usize room) {
  Copied content;
  {
    Guard guard(keys::lock);
    auto looked_up = lookup_key_anyhow(task, number, false);
    if (!looked_up.ok()) return Errno::kNoKey;
    const auto found = looked_up.take();
    const Key& key = *found.key;
    if (key.negative) return Errno::kNoKey;
    TRY(key.check_state());
    // What may be found by searching may be read by who possesses it.
    if (!key.check_right(task.credentials(), found.possessed, keys::kRead).ok() && !found.possessed)
      return Errno::kAcces;
    if (!key.readable()) return Errno::kOpNotSupp;
    content = TRY(content_of(key));
  }
  return give(buffer, room, content.bytes);
}

// KEY_REQKEY_DEFL_*: where request_key(2) puts what it makes.
enum RequestKeyring : i32 {
  kKeepChoice = -1,
  kUsual = 0,
  kIntoThread = 1,
  kIntoProcess = 2,
  kIntoSession = 3,
  kIntoUser = 4,
  kIntoUserSession = 5,
};

SysResult set_request_keyring(Task& task, i32 choice) {
  const i32 before = task.request_keyring;
  if (choice == kKeepChoice) return i64(before);
  if (choice < kUsual || choice > kIntoUserSession) return Errno::kInval;
  Guard guard(keys::lock);
  if (choice == kIntoThread || choice == kIntoProcess) TRY(lookup_key_anyhow(task, -choice, true));
  task.request_keyring = choice;
  return i64(before);
}

SysResult set_timeout(Task& task, i32 number, u32 seconds) {
  Guard guard(keys::lock);
  const auto found = TRY(lookup_key(task, number, true, keys::kSetAttributes));
  found.key->expires = seconds == 0 ? 0 : current_file_time().seconds + i64(seconds);
  return i64{0};
}

SysResult get_security(Task& task, i32 number, UserAddr buffer, usize room) {
  {
    Guard guard(keys::lock);
    TRY(lookup_key(task, number, true, keys::kView));
  }
  const std::byte none{0};  // an empty string: there are no security modules
  return give(buffer, room, {&none, 1});
}

SysResult invalidate(Task& task, i32 number) {
  Guard guard(keys::lock);
  const auto found = TRY(lookup_key(task, number, false, keys::kSearch));
  keys::invalidate(*found.key);
  return i64{0};
}

// --- request_key(2)

// The keyring for a key that is made, when the caller names none. EACCES.
Result<FoundKey> usual_keyring(Task& task) TA_REQUIRES(keys::lock) {
  i32 number = -task.request_keyring;
  if (task.request_keyring == kUsual)
    number = task.thread_keyring              ? kThreadKeyring
             : task.process().process_keyring ? kProcessKeyring
             : task.session_keyring           ? kSessionKeyring
                                              : kUserSessionKeyring;
  return lookup_key(task, number, false, keys::kWrite);
}

// There is no /sbin/request-key to ask: for a minute the answer is that there is no such key.
Result<> make_negative(Task& task, Key& ring, keys::Type type, std::string_view description)
    TA_REQUIRES(keys::lock) {
  constexpr i64 kNegativeSeconds = 60;
  const Credentials& who = task.credentials();
  auto key = TRY(keys::create(type, description, {}, who.fsuid, who.fsgid));
  key->negative = true;
  key->expires = current_file_time().seconds + kNegativeSeconds;
  return keys::link(ring, *key);
}

}  // namespace

SysResult sys::add_key(Task& task, UserAddr type_address, UserAddr text, UserAddr payload,
                       usize size, i32 ring_number) {
  if (size > kMostPayload) return Errno::kInval;
  const auto type = load_type(type_address);
  if (!type.ok() && !type.failed(Errno::kNoDev)) return type.error();
  String description;
  if (text.value != 0) description = TRY(load_text(text));
  if (type.ok() && type.value() == keys::Type::kKeyring && description.view().starts_with('.'))
    return Errno::kPerm;
  auto bytes = TRY(load_payload(payload, size));
  Guard guard(keys::lock);
  const auto ring = TRY(lookup_key(task, ring_number, true, keys::kWrite));
  if (!ring.key->is_keyring()) return Errno::kNotDir;
  if (!type.ok()) return Errno::kNoDev;
  const keys::Type kind = type.value();
  TRY(keys::check_payload(kind, description, size));
  if (description.empty()) return Errno::kInval;
  Key* old = keys::find_link(*ring.key, kind, description);
  if (old && old->updatable() && !old->revoked) {
    TRY(old->check_right(task.credentials(), ring.possessed, keys::kWrite));
    old->payload = std::move(bytes);
    old->negative = false;
    old->expires = 0;
    return i64(old->serial);
  }
  const Credentials& who = task.credentials();
  auto key = TRY(keys::create(kind, description, bytes, who.fsuid, who.fsgid));
  TRY(keys::link(*ring.key, *key));
  return i64(key->serial);
}

SysResult sys::request_key(Task& task, UserAddr type_address, UserAddr text, UserAddr callout,
                           i32 ring_number) {
  const auto type = load_type(type_address);
  if (!type.ok() && !type.failed(Errno::kNoDev)) return type.error();
  const String description = TRY(load_text(text));
  if (callout.value != 0) TRY(load_text(callout));
  Guard guard(keys::lock);
  FoundKey ring;
  if (ring_number != 0) ring = TRY(lookup_key(task, ring_number, true, keys::kWrite));
  if (!type.ok()) return Errno::kNoKey;
  const keys::Type kind = type.value();
  auto found = search_own_keyrings(task, kind, description);
  if (found.ok()) {
    const auto key = found.take().key;
    if (ring.key) TRY(keys::link(*ring.key, *key));
    return i64(key->serial);
  }
  if (!found.failed(Errno::kAgain)) return found.error();
  if (callout.value == 0) return Errno::kNoKey;
  if (!ring.key) ring = TRY(usual_keyring(task));
  TRY(make_negative(task, *ring.key, kind, description));
  return Errno::kNoEnt;
}

SysResult sys::keyctl(Task& task, i32 command, u64 a, u64 b, u64 c, u64 d) {
  const i32 number = i32(a);
  switch (command) {
    case kGetKeyringId: {
      Guard guard(keys::lock);
      return i64(TRY(lookup_key(task, number, b != 0, keys::kSearch)).key->serial);
    }
    case kJoinSession:
      return join_session(task, UserAddr(a));
    case kUpdate:
      return update(task, number, UserAddr(b), c);
    case kRevoke:
      return revoke(task, number);
    case kChown:
      return change_owner(task, number, u32(b), u32(c));
    case kSetPermissions:
      return set_permissions(task, number, u32(b));
    case kDescribe:
      return describe(task, number, UserAddr(b), c);
    case kClear:
      return clear(task, number);
    case kLinkKey:
      return link_key(task, number, i32(b));
    case kUnlinkKey:
      return unlink_key(task, number, i32(b));
    case kSearchRing:
      return search_ring(task, number, UserAddr(b), UserAddr(c), i32(d));
    case kReadKey:
      return read_key(task, number, UserAddr(b), c);
    case kInstantiate:
    case kNegate:
    case kReject:
    case kInstantiateVector:
      return Errno::kPerm;  // by who was asked to make a key: nobody is
    case kSetRequestKeyring:
      return set_request_keyring(task, number);
    case kSetTimeout:
      return set_timeout(task, number, u32(b));
    case kAssumeAuthority:
      return number == 0 ? SysResult(i64{0}) : Errno::kNoKey;
    case kGetSecurity:
      return get_security(task, number, UserAddr(b), c);
    case kInvalidate:
      return invalidate(task, number);
    default:
      return Errno::kOpNotSupp;
  }
}

}  // namespace narwhal
