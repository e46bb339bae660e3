// Advisory locks: flock(2), and the record locks of fcntl(2).
#include "fs/core/inode_extras.h"
#include "kernel/abi/file_control.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"
#include "syscalls/record_lock.h"

namespace narwhal {
namespace {

using Request = FileLockList::Request;
using Kind = FileLock::Kind;
constexpr i64 kLargestOffset = i64(FileLock::kToEnd);

// ENOLCK for what has no inode (pipes, sockets): nobody else could look at its locks.
Result<FileLockList*> locks_of(File& file) {
  Inode* inode = file.inode();
  if (!inode) return Errno::kNoLck;
  return &TRY(inode->extras())->locks;
}

SysResult apply(FileLockList& locks, const Request& request, bool wait) {
  if (!wait) {
    TRY(locks.apply(request, false));
    return i64{0};
  }
  auto done = block_until_ready(locks.queue(), PollEvents::kAll, platform::kNoDeadline,
                                [&] { return locks.apply(request, true); });
  if (request.kind == Kind::kProcess) FileLockList::stop_waiting(request.owner);
  if (!done.ok()) return done.error();
  return i64{0};
}

// The bytes that a struct flock names: [start, last]. EINVAL, EOVERFLOW as fcntl(2).
Result<> set_range(File& file, const abi::Flock& lock, Request& request) {
  constexpr i16 kSet = 0, kCurrent = 1, kEnd = 2;
  i64 start = 0;
  if (lock.whence == kCurrent) {
    if (file.seekable()) start = TRY(file.seek(0, kCurrent));
  } else if (lock.whence == kEnd) {
    abi::Stat status;
    TRY(file.stat(status));
    start = status.size;
  } else if (lock.whence != kSet) {
    return Errno::kInval;
  }
  if (lock.start > kLargestOffset - start) return Errno::kOverflow;
  start += lock.start;
  if (start < 0) return Errno::kInval;
  i64 last = kLargestOffset;
  if (lock.length > 0) {
    if (lock.length - 1 > kLargestOffset - start) return Errno::kOverflow;
    last = start + lock.length - 1;
  } else if (lock.length < 0) {
    if (start + lock.length < 0) return Errno::kInval;
    last = start - 1;
    start += lock.length;
  }
  request.start = u64(start);
  request.last = u64(last);
  return {};
}

Result<Request> to_request(Task& task, File& file, const abi::Flock& lock, bool by_description) {
  Request request;
  request.kind = by_description ? Kind::kDescription : Kind::kProcess;
  request.owner = by_description ? static_cast<const void*>(&file) : &task.files();
  request.pid = by_description ? -1 : i32(task.process().pid());
  TRY(set_range(file, lock, request));
  switch (lock.type) {
    case abi::kReadLock:
      request.type = Request::Type::kShared;
      break;
    case abi::kWriteLock:
      request.type = Request::Type::kExclusive;
      break;
    case abi::kUnlock:
      request.type = Request::Type::kUnlock;
      break;
    default:
      return Errno::kInval;
  }
  if (by_description && lock.pid != 0) return Errno::kInval;
  return request;
}

SysResult find_lock(File& file, const Request& request, abi::Flock lock, UserAddr out) {
  FileLockList::Holder holder;
  if (request.type == Request::Type::kUnlock) return Errno::kInval;
  if (!TRY(locks_of(file))->find_conflict(request, holder)) {
    lock.type = abi::kUnlock;
  } else {
    lock.type = holder.exclusive ? abi::kWriteLock : abi::kReadLock;
    lock.whence = 0;
    lock.start = i64(holder.start);
    lock.length = holder.last == FileLock::kToEnd ? 0 : i64(holder.last - holder.start + 1);
    lock.pid = holder.kind == Kind::kDescription ? -1 : holder.pid;
  }
  TRY(store_user(out, lock));
  return i64{0};
}

SysResult set_lock(Task& task, Fd fd, File& file, Request request, bool wait) {
  if (request.type == Request::Type::kShared && !file.readable()) return Errno::kBadF;
  if (request.type == Request::Type::kExclusive && !file.writable()) return Errno::kBadF;
  FileLockList& locks = *TRY(locks_of(file));
  SysResult done = apply(locks, request, wait);
  if (!done.ok() || request.type == Request::Type::kUnlock) return done;
  // Another thread may have closed the descriptor meanwhile, and with it the locks: then this one
  // must not stay behind.
  auto still = task.files().get_any(fd.value);
  if (still.ok() && still.value() == &file) return done;
  request.type = Request::Type::kUnlock;
  locks.apply(request, false).ignore();
  return Errno::kBadF;
}

}  // namespace

SysResult record_lock(Task& task, Fd fd, File& file, u32 command, UserAddr argument) {
  const auto lock = TRY(load_user<abi::Flock>(argument));
  const bool by_description = command >= abi::kGetDescriptionLock;
  const Request request = TRY(to_request(task, file, lock, by_description));
  switch (command) {
    case abi::kGetLock:
    case abi::kGetDescriptionLock:
      return find_lock(file, request, lock, argument);
    case abi::kSetLockWait:
    case abi::kSetDescriptionLockWait:
      return set_lock(task, fd, file, request, true);
    default:
      return set_lock(task, fd, file, request, false);
  }
}

SysResult sys::flock(Task& task, Fd fd, HexInt operation) {
  if (operation.value & abi::kLockMandatory) return i64{0};
  Request request;
  request.kind = Kind::kWhole;
  switch (operation.value & ~abi::kLockNonBlock) {
    case abi::kLockShared:
      request.type = Request::Type::kShared;
      break;
    case abi::kLockExclusive:
      request.type = Request::Type::kExclusive;
      break;
    case abi::kLockUnlock:
      request.type = Request::Type::kUnlock;
      break;
    default:
      return Errno::kInval;
  }
  auto file = TRY(task.files().get(fd.value));
  request.owner = file.get();
  request.pid = i32(task.process().pid());
  return apply(*TRY(locks_of(*file)), request, !(operation.value & abi::kLockNonBlock));
}

}  // namespace narwhal
