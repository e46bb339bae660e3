// What few inodes need, kept apart so that the others stay small.
#pragma once

#include "fs/core/file_lock.h"
#include "fs/core/lease.h"
#include "fs/core/notify.h"

namespace narwhal {

struct InodeExtras {
  FileLockList locks;
  LeaseList leases;
  WatchList watches;
  // What stands behind a FIFO (its pipe) or a socket's name (the bound socket).
  SpinLock<LockRank::kSpinOther> attachment_lock;
  Ref<RefCounted> attachment TA_GUARDED_BY(attachment_lock);
};

}  // namespace narwhal
