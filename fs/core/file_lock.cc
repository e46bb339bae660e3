#include "fs/core/file_lock.h"

#include "fs/core/inode.h"
#include "fs/core/inode_extras.h"

namespace narwhal {
namespace {

using Request = FileLockList::Request;

bool overlap(const FileLock& lock, const Request& request) {
  return lock.start <= request.last && request.start <= lock.last;
}

bool same_holder(const FileLock& lock, const Request& request) {
  return lock.kind == request.kind && lock.owner == request.owner;
}

// --- who waits for whom, among owners of kind kProcess. One entry for each owner that waits; a
// chain that comes back to the asker is a deadlock (fcntl(2), EDEADLK).
struct Waiting {
  ListNode node;
  const void* owner;
  const void* holder;
};
constinit SpinLock<LockRank::kSpinOther> waiting_lock;
constinit List<Waiting, &Waiting::node> waiting TA_GUARDED_BY(waiting_lock);

// Long chains are given up, as Linux does (posix_locks_deadlock): a wait is only refused when it is
// certain.
constexpr int kMaxChain = 10;

// EDEADLK when `owner` must not wait for `holder`; ENOLCK for want of memory.
Result<> note_waiting(const void* owner, const void* holder) {
  Own<Waiting> fresh(new (std::nothrow) Waiting{{}, owner, holder});
  if (!fresh) return Errno::kNoLck;
  SpinGuard guard(waiting_lock);
  const void* at = holder;
  for (int steps = 0; steps < kMaxChain && at; ++steps) {
    if (at == owner) return Errno::kDeadLk;
    const void* next = nullptr;
    for (Waiting& entry : waiting)
      if (entry.owner == at) next = entry.holder;
    at = next;
  }
  for (Waiting& entry : waiting)
    if (entry.owner == owner) {
      entry.holder = holder;
      return {};
    }
  waiting.push_back(*fresh.release());
  return {};
}

}  // namespace

FileLockList::~FileLockList() {
  while (FileLock* lock = locks_.pop_front()) delete lock;
}

void FileLockList::stop_waiting(const void* owner) {
  Own<Waiting> ended;
  SpinGuard guard(waiting_lock);
  for (Waiting& entry : waiting)
    if (entry.owner == owner) {
      ended = Own<Waiting>(&entry);
      break;
    }
  if (ended) ended->node.unlink();
}

FileLock* FileLockList::conflict(const Request& request) {
  if (request.type == Request::Type::kUnlock) return nullptr;
  FileLock* first = nullptr;
  for (FileLock& lock : locks_) {
    if (same_holder(lock, request)) continue;
    if ((lock.kind == FileLock::Kind::kWhole) != (request.kind == FileLock::Kind::kWhole)) continue;
    if (!lock.exclusive && request.type == Request::Type::kShared) continue;
    if (overlap(lock, request) && (!first || lock.start < first->start)) first = &lock;
  }
  return first;
}

bool FileLockList::find_conflict(const Request& request, Holder& out) {
  Guard guard(mutex_);
  FileLock* lock = conflict(request);
  if (!lock) return false;
  out = {lock->start, lock->last, lock->pid, lock->exclusive, lock->kind};
  return true;
}

bool FileLockList::empty() {
  Guard guard(mutex_);
  return locks_.empty();
}

// flock(2): one lock for each description; a change of type gives up the old lock first.
Result<> FileLockList::apply_whole(const Request& request) {
  const bool exclusive = request.type == Request::Type::kExclusive;
  FileLock* mine = nullptr;
  for (FileLock& lock : locks_)
    if (same_holder(lock, request)) mine = &lock;
  if (mine && request.type != Request::Type::kUnlock && mine->exclusive == exclusive) return {};
  Own<FileLock> reused;
  if (mine) {
    mine->node.unlink();
    reused = Own<FileLock>(mine);
    queue_.wake_all();
  }
  if (request.type == Request::Type::kUnlock) return {};
  if (conflict(request)) return Errno::kAgain;
  if (!reused) reused = Own<FileLock>(new (std::nothrow) FileLock());
  if (!reused) return Errno::kNoLck;
  reused->owner = request.owner;
  reused->pid = request.pid;
  reused->kind = request.kind;
  reused->exclusive = exclusive;
  locks_.push_back(*reused.release());
  return {};
}

Result<> FileLockList::apply(const Request& request, bool will_wait) {
  // A change may leave one piece more at each end of what it cuts.
  Own<FileLock> fresh(new (std::nothrow) FileLock());
  Own<FileLock> spare(new (std::nothrow) FileLock());
  if (!fresh || !spare) return Errno::kNoLck;

  Guard guard(mutex_);
  if (request.kind == FileLock::Kind::kWhole) return apply_whole(request);
  if (FileLock* in_the_way = conflict(request)) {
    if (will_wait && request.kind == FileLock::Kind::kProcess)
      TRY(note_waiting(request.owner, in_the_way->owner));
    return Errno::kAgain;
  }

  const bool exclusive = request.type == Request::Type::kExclusive;
  u64 start = request.start, last = request.last;
  bool changed = false;
  for (FileLock* lock = locks_.front(); lock;) {
    FileLock* next = locks_.next(*lock);
    if (!same_holder(*lock, request)) {
      lock = next;
      continue;
    }
    const bool same_type = request.type != Request::Type::kUnlock && lock->exclusive == exclusive;
    // Neighbours of the same type become one lock with the new one.
    const bool touches = same_type && (lock->last == FileLock::kToEnd || lock->last + 1 >= start) &&
                         (last == FileLock::kToEnd || last + 1 >= lock->start);
    if (!overlap(*lock, request) && !touches) {
      lock = next;
      continue;
    }
    if (same_type) {
      if (lock->start < start) start = lock->start;
      if (lock->last > last) last = lock->last;
      lock->node.unlink();
      delete lock;
    } else {
      changed = true;
      const bool keeps_left = lock->start < request.start;
      const bool keeps_right = lock->last > request.last;
      if (keeps_left && keeps_right) {
        spare->owner = lock->owner;
        spare->pid = lock->pid;
        spare->kind = lock->kind;
        spare->exclusive = lock->exclusive;
        spare->start = request.last + 1;
        spare->last = lock->last;
        lock->last = request.start - 1;
        locks_.push_back(*spare.release());
      } else if (keeps_left) {
        lock->last = request.start - 1;
      } else if (keeps_right) {
        lock->start = request.last + 1;
      } else {
        lock->node.unlink();
        delete lock;
      }
    }
    lock = next;
  }
  if (request.type != Request::Type::kUnlock) {
    fresh->owner = request.owner;
    fresh->pid = request.pid;
    fresh->kind = request.kind;
    fresh->exclusive = exclusive;
    fresh->start = start;
    fresh->last = last;
    locks_.push_back(*fresh.release());
  }
  if (changed) queue_.wake_all();
  return {};
}

void FileLockList::release_all(FileLock::Kind kind, const void* owner) {
  bool changed = false;
  {
    Guard guard(mutex_);
    for (FileLock* lock = locks_.front(); lock;) {
      FileLock* next = locks_.next(*lock);
      if (lock->kind == kind && lock->owner == owner) {
        lock->node.unlink();
        delete lock;
        changed = true;
      }
      lock = next;
    }
  }
  if (changed) queue_.wake_all();
}

void release_process_locks(File& file, const void* owner) {
  Inode* inode = file.inode();
  if (!inode) return;
  if (InodeExtras* extras = inode->extras_if_any())
    extras->locks.release_all(FileLock::Kind::kProcess, owner);
}

void release_description_locks(Inode& inode, const void* description) {
  InodeExtras* extras = inode.extras_if_any();
  if (!extras) return;
  extras->locks.release_all(FileLock::Kind::kDescription, description);
  extras->locks.release_all(FileLock::Kind::kWhole, description);
}

}  // namespace narwhal
