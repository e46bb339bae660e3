// Leases: who has one on a file is told before another opens it in a way that conflicts, and has
// some time to let go (fcntl(2), F_SETLEASE).
#pragma once

#include "fs/core/file.h"
#include "kernel/base/list.h"

namespace narwhal {

enum class LeaseType : u8 { kRead, kWrite, kNone };  // F_RDLCK, F_WRLCK, F_UNLCK

struct Lease {
  ListNode node;
  File* file = nullptr;  // the description that holds it, which takes it along at its end
  i32 fd = -1;           // for the signal
  LeaseType type = LeaseType::kNone;
  LeaseType target = LeaseType::kNone;  // what is left of it when it has been broken
  u64 break_deadline_ns = 0;            // 0: it is not being broken
};

// The leases on one inode. One lock guards those of all: they are rare.
class LeaseList : NonCopyable {
 public:
  constexpr LeaseList() = default;
  ~LeaseList();

 private:
  friend class Leases;
  List<Lease, &Lease::node> leases_;
};

class Leases {
 public:
  // F_SETLEASE. EAGAIN when somebody has the file open in a way that conflicts, or there is no
  // lease to give up; EACCES, EINVAL, ENOMEM.
  static Result<> set(const Credentials& who, File& file, i32 fd, LeaseType type);
  static LeaseType get(const File& file);
  // Asks those who hold conflicting leases to let go. EAGAIN while they have not: wait on queue().
  static Result<> break_for(Inode& inode, bool for_writing);
  static void release(File& file);
  // A lease went, or became less.
  static WaitQueue& queue();
  // Whether any lease at all is being broken.
  static bool any_breaking();

  // /proc/sys/fs/lease-break-time (seconds), leases-enable.
  static Atomic<u32> break_time_s;
  static Atomic<u32> enabled;
  // How the holder is told: process/ says when the machine starts.
  static void set_signaller(void (*signaller)(File& holder, i32 fd));
};

}  // namespace narwhal
