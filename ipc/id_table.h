// What the three kinds of System V IPC share: numbers, keys and permissions (sysvipc(7)).
#pragma once

#include "fs/core/credentials.h"
#include "kernel/abi/ipc.h"
#include "kernel/base/vector.h"
#include "kernel/sync/thread_safety.h"

namespace narwhal::sysv {

// Who calls.
struct Caller {
  const Credentials& who;
  u32 pid = 0;
  u64 lock_limit = 0;  // RLIMIT_MEMLOCK
};

// What every object has (struct ipc_perm). Guarded by the lock of its kind.
struct Entry {
  i32 id = -1;
  i32 key = abi::kIpcPrivate;
  u32 uid = 0, gid = 0, cuid = 0, cgid = 0;
  u32 mode = 0;
  u16 sequence = 0;
  bool removed = false;  // not in its table any more

  abi::IpcPermission to_abi() const;
};

// May the caller have what the permission bits of `flags` ask for, in any of their three places?
// EACCES.
Result<> check_access(const Entry& entry, const Credentials& who, u32 flags);
inline constexpr u32 kRead = 0444, kWrite = 0222;
// Owner, creator or CAP_SYS_ADMIN: IPC_SET, IPC_RMID. EPERM.
Result<> check_owner(const Entry& entry, const Credentials& who);
// IPC_SET. EINVAL.
Result<> set_permission(Entry& entry, const abi::IpcPermission& wanted);

// The numbers of one kind: index and sequence number in one, so that a number is not soon given
// twice. No lock of its own; T is RefCounted and has a member `Entry entry`.
//
// Indices are handed out as Linux does it: one after the other, around among half as many again as
// there are objects, and at least 64.
class IdAllocator {
 public:
  static constexpr u32 kMaxIds = 32768;
  // An index at which `used` says false, below `limit`; ENOSPC.
  template <typename Used>
  Result<u32> take(u32 in_use, u32 limit, Used used) {
    constexpr u32 kLeastCycle = 64;
    u32 cycle = in_use * 3 / 2;
    if (cycle < kLeastCycle) cycle = kLeastCycle;
    if (cycle > limit) cycle = limit;
    for (u32 tries = 0; tries < cycle; ++tries) {
      const u32 index = (next_ + tries) % cycle;
      if (used(index)) continue;
      constexpr u16 kMaxSequence = 0x7fffffff / kMaxIds;
      if (i32(index) <= last_ && ++sequence_ >= kMaxSequence) sequence_ = 0;
      last_ = i32(index);
      next_ = index + 1;
      return index;
    }
    return Errno::kNoSpc;
  }
  u16 sequence() const { return sequence_; }
  // The first free index from a number's own on. ENOSPC.
  template <typename Used>
  static Result<u32> next_free(u32 number, Used used) {
    for (u32 index = number % kMaxIds; index < kMaxIds; ++index)
      if (!used(index)) return index;
    return Errno::kNoSpc;
  }

 private:
  u32 next_ = 0;
  i32 last_ = -1;
  u16 sequence_ = 0;
};

template <typename T>
class IdTable : NonCopyable {
 public:
  constexpr IdTable() = default;

  // EINVAL when there is no such number, or not any more.
  Result<T*> find(i32 id) const {
    if (id < 0) return Errno::kInval;
    T* found = at(u32(id) % IdAllocator::kMaxIds);
    if (!found || found->entry.id != id) return Errno::kInval;
    return found;
  }
  // What IPC_STAT looks at. EINVAL, EACCES.
  Result<T*> find_readable(i32 id, const Credentials& who) const {
    T* found = TRY(find(id));
    TRY(check_access(found->entry, who, kRead));
    return found;
  }
  // The same by index, for *_STAT; with `any`, for *_STAT_ANY, whoever asks.
  Result<T*> readable_at(i32 index, const Credentials& who, bool any) const {
    T* found = index < 0 ? nullptr : at(u32(index) % IdAllocator::kMaxIds);
    if (!found) return Errno::kInval;
    if (!any) TRY(check_access(found->entry, who, kRead));
    return found;
  }
  // Null when nothing is there.
  T* at(u32 index) const { return index < slots_.size() ? slots_[index].get() : nullptr; }
  T* find_key(i32 key) const {
    if (key == abi::kIpcPrivate) return nullptr;
    for (const Ref<T>& slot : slots_)
      if (slot && slot->entry.key == key) return slot.get();
    return nullptr;
  }
  // Numbers an object that belongs to the caller. ENOSPC at `limit` objects, ENOMEM.
  // `next_id`: the number that somebody wants for it who restores a saved program, or -1; the next
  // free one with the same sequence number if it is taken (/proc/sys/kernel/msg_next_id).
  Result<i32> add(Ref<T> object, i32 key, u32 mode, const Credentials& who, u32 limit,
                  Atomic<i32>& next_id) {
    if (in_use_ >= limit) return Errno::kNoSpc;
    const auto used = [&](u32 i) { return at(i) != nullptr; };
    const i32 wanted = next_id.exchange(-1);
    const u32 index = wanted < 0 ? TRY(ids_.take(in_use_, limit, used))
                                 : TRY(IdAllocator::next_free(u32(wanted), used));
    const u16 sequence = wanted < 0 ? ids_.sequence() : u16(u32(wanted) / IdAllocator::kMaxIds);
    if (index >= slots_.size()) TRY(slots_.resize(index + 1));
    Entry& entry = object->entry;
    entry.key = key;
    entry.uid = entry.cuid = who.euid;
    entry.gid = entry.cgid = who.egid;
    entry.mode = mode & 0777;
    entry.sequence = sequence;
    entry.id = i32(sequence * IdAllocator::kMaxIds + index);
    slots_[index] = std::move(object);
    ++in_use_;
    return i32(slots_[index]->entry.id);
  }
  // The reference that the table had, to be dropped when no lock is held.
  Ref<T> remove(T& object) {
    object.entry.removed = true;
    --in_use_;
    return std::move(slots_[u32(object.entry.id) % IdAllocator::kMaxIds]);
  }
  u32 in_use() const { return in_use_; }
  // The highest index in use, 0 when there is none: what *_INFO returns.
  i32 highest() const {
    for (usize i = slots_.size(); i > 0; --i)
      if (slots_[i - 1]) return i32(i - 1);
    return 0;
  }
  template <typename Visit>
  void for_each(Visit visit) const TA_NO_ANALYSIS {  // visit runs under the caller's lock
    for (const Ref<T>& slot : slots_)
      if (slot) visit(*slot);
  }

 private:
  Vector<Ref<T>> slots_;
  IdAllocator ids_;
  u32 in_use_ = 0;
};

// The rules of shmget(2), semget(2) and msgget(2) about keys. `check` looks at an object that is
// there already, `make` makes a new one and puts it into the table.
template <typename T, typename Check, typename Make>
Result<i32> get(const IdTable<T>& table, const Caller& caller, i32 key, u32 flags, Check check,
                Make make) TA_NO_ANALYSIS {
  T* found = table.find_key(key);
  if (!found) {
    if (key != abi::kIpcPrivate && !(flags & abi::kIpcCreate)) return Errno::kNoEnt;
    return make();
  }
  if ((flags & abi::kIpcCreate) && (flags & abi::kIpcExclusive)) return Errno::kExist;
  TRY(check(*found));
  TRY(check_access(found->entry, caller.who, flags));
  return i32(found->entry.id);
}

}  // namespace narwhal::sysv
