// What happens to the locks of a task that ends: set_robust_list(2), and Linux's
// Documentation/locking/robust-futex-ABI.
#include "process/futex_queue.h"

namespace narwhal {
namespace {

// The list is the program's and may be a ring: no more entries than that.
constexpr int kMostEntries = 2048;

// struct robust_list_head.
struct RobustListHead {
  u64 first;
  i64 futex_offset;  // from an entry to its word
  u64 pending;       // an entry that is just being locked or unlocked
};

// Bit 0 of a link says that the lock has an owner who gives it away (PI).
struct Entry {
  UserAddr address;
  bool pi;
  explicit Entry(u64 link) : address(link & ~u64{1}), pi(link & 1) {}
};

// False when the word can't be reached: the list is not worth going on with.
bool owner_died(Task& task, UserAddr word, bool pi, bool pending) {
  if (!is_aligned(word.value, sizeof(u32))) return false;
  for (;;) {
    auto loaded = load_user<u32>(word);
    if (!loaded.ok()) return false;
    const u32 value = loaded.value();
    // Between the store of 0 that unlocked it and the wake-up that should have followed.
    if (pending && !pi && value == 0) {
      futex_wake(task, word, 1).ignore();
      return true;
    }
    if ((value & kFutexTidMask) != task.tid()) return true;
    const u32 freed = (value & kFutexWaiters) | kFutexOwnerDied;
    auto found = platform::atomic_compare_exchange_user(word, value, freed);
    if (!found.ok()) {
      if (!platform::prefault_user(word, true).ok()) return false;
      continue;
    }
    if (found.value() != value) continue;
    // The waiters of a lock with an owner are told by futex_owner_ended().
    if (!pi && (value & kFutexWaiters)) futex_wake(task, word, 1).ignore();
    return true;
  }
}

void walk_robust_list(Task& task) {
  auto loaded = load_user<RobustListHead>(task.robust_list);
  if (!loaded.ok()) return;
  const RobustListHead& head = loaded.value();
  const auto word = [&](const Entry& entry) { return entry.address + u64(head.futex_offset); };
  const Entry pending(head.pending);

  Entry entry(head.first);
  for (int left = kMostEntries; left > 0 && entry.address != task.robust_list; --left) {
    // Another thread may free the entry as soon as its lock is free.
    auto next = load_user<u64>(entry.address);
    if (entry.address != pending.address && !owner_died(task, word(entry), entry.pi, false)) return;
    if (!next.ok()) return;
    entry = Entry(next.value());
  }
  if (pending.address.value != 0) owner_died(task, word(pending), pending.pi, true);
}

}  // namespace

void release_robust_futexes(Task& task) {
  if (task.robust_list.value != 0) {
    walk_robust_list(task);
    task.robust_list = UserAddr();
  }
  futex_owner_ended(task);
}

}  // namespace narwhal
