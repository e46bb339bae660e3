// Advisory locks on files: fcntl(2) record locks of a process or of an open file description, and
// flock(2).
#pragma once

#include "kernel/base/list.h"
#include "kernel/base/result.h"
#include "kernel/sched/mutex.h"

namespace narwhal {

class Inode;

struct FileLock {
  // Record locks of both kinds exclude each other; flock(2) is a world of its own.
  enum class Kind : u8 { kProcess, kDescription, kWhole };
  static constexpr u64 kToEnd = ~u64{0} >> 1;

  ListNode node;
  // Who holds it: the descriptor table (kProcess) or the open file description. Only compared.
  const void* owner = nullptr;
  u64 start = 0, last = kToEnd;  // bytes, `last` included
  i32 pid = 0;                   // as F_GETLK shows it
  Kind kind = Kind::kProcess;
  bool exclusive = false;
};

class FileLockList : NonCopyable {
 public:
  struct Request {
    FileLock::Kind kind = FileLock::Kind::kProcess;
    const void* owner = nullptr;
    u64 start = 0, last = FileLock::kToEnd;
    i32 pid = 0;
    enum class Type : u8 { kShared, kExclusive, kUnlock } type = Type::kShared;
  };
  // What F_GETLK tells.
  struct Holder {
    u64 start, last;
    i32 pid;
    bool exclusive;
    FileLock::Kind kind;
  };

  constexpr FileLockList() = default;
  ~FileLockList();

  // Sets or releases, splitting and joining what the owner has. EAGAIN when another owner is in the
  // way: wait on queue() and try again. EDEADLK when `will_wait` and the wait would never end.
  // ENOLCK for want of memory.
  Result<> apply(const Request& request, bool will_wait);
  // The first lock in the way of the request, if any.
  bool find_conflict(const Request& request, Holder& out);
  // Everything of an owner goes.
  void release_all(FileLock::Kind kind, const void* owner);
  // Ends the waiting state that apply() with `will_wait` left when it said EAGAIN.
  static void stop_waiting(const void* owner);
  WaitQueue& queue() { return queue_; }
  bool empty();

 private:
  FileLock* conflict(const Request& request) TA_REQUIRES(mutex_);
  Result<> apply_whole(const Request& request) TA_REQUIRES(mutex_);

  Mutex<LockRank::kFileLocks> mutex_;
  List<FileLock, &FileLock::node> locks_ TA_GUARDED_BY(mutex_);
  WaitQueue queue_;
};

class File;
// What close(2) of any descriptor does to a process's record locks on the file (POSIX).
void release_process_locks(File& file, const void* owner);
// What the end of an open file description does.
void release_description_locks(Inode& inode, const void* description);

}  // namespace narwhal
