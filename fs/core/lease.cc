#include "fs/core/lease.h"

#include "fs/core/inode_extras.h"
#include "kernel/platform/machine.h"

namespace narwhal {

namespace {

constinit Mutex<LockRank::kFileLocks> mutex;
[[clang::no_destroy]] constinit WaitQueue changed;
constinit Atomic<u32> breaking{0};
constinit void (*signaller)(File& holder, i32 fd) = nullptr;

LeaseList* leases_of(Inode& inode) {
  InodeExtras* extras = inode.extras_if_any();
  return extras ? &extras->leases : nullptr;
}

void end_breaking(Lease& lease) {
  if (lease.break_deadline_ns == 0) return;
  lease.break_deadline_ns = 0;
  breaking.fetch_sub(1);
  changed.wake_all();
}

}  // namespace

constinit Atomic<u32> Leases::break_time_s{45};
constinit Atomic<u32> Leases::enabled{1};

LeaseList::~LeaseList() {
  DEBUG_ASSERT(leases_.empty());
}

WaitQueue& Leases::queue() {
  return changed;
}
bool Leases::any_breaking() {
  return breaking.load() != 0;
}
void Leases::set_signaller(void (*function)(File& holder, i32 fd)) {
  signaller = function;
}

namespace {

// Changes a lease as its holder wants it, or as time has done it.
void modify(Lease& lease, LeaseType type) {
  const bool enough =
      type == LeaseType::kNone || (type == LeaseType::kRead && lease.target == LeaseType::kRead);
  if (enough) end_breaking(lease);
  lease.type = type;
  if (type != LeaseType::kNone) return;
  lease.node.unlink();
  delete &lease;
}

}  // namespace

Result<> Leases::set(const Credentials& who, File& file, i32 fd, LeaseType type) {
  Inode* inode = file.inode();
  if (!inode) return Errno::kInval;
  if (who.fsuid != inode->uid() && !who.capable(Capability::kLease)) return Errno::kAcces;
  // Files that do not count who has them open (those of /proc, message queues) do not give leases
  // back either when they are closed.
  const bool counts = inode->openings() != 0;
  if (!inode->is_regular() || !counts || enabled.load() == 0) return Errno::kInval;
  LeaseList& list = TRY(inode->extras())->leases;
  Guard guard(mutex);
  Lease* own = nullptr;
  for (Lease& lease : list.leases_) {
    if (lease.file == &file) {
      own = &lease;
    } else if (type != LeaseType::kNone) {
      if (type == LeaseType::kWrite) return Errno::kAgain;
      // One that must go altogether goes before there is another.
      if (lease.break_deadline_ns != 0 && lease.target == LeaseType::kNone) return Errno::kAgain;
    }
  }
  if (type == LeaseType::kNone) {
    if (!own) return Errno::kAgain;
    modify(*own, type);
    return {};
  }
  if (type == LeaseType::kRead && inode->written_to()) return Errno::kAgain;
  if (type == LeaseType::kWrite && inode->openings() != 1) return Errno::kAgain;
  if (own) {
    modify(*own, type);
    return {};
  }
  auto lease = TRY(make_own<Lease>());
  lease->file = &file;
  lease->fd = fd;
  lease->type = type;
  list.leases_.push_back(*lease.release());
  return {};
}

LeaseType Leases::get(const File& file) {
  Inode* inode = file.inode();
  LeaseList* list = inode ? leases_of(*inode) : nullptr;
  if (!list) return LeaseType::kNone;
  Guard guard(mutex);
  for (Lease& lease : list->leases_)
    if (lease.file == &file) return lease.break_deadline_ns != 0 ? lease.target : lease.type;
  return LeaseType::kNone;
}

Result<> Leases::break_for(Inode& inode, bool for_writing) {
  LeaseList* list = leases_of(inode);
  if (!list) return {};
  const LeaseType target = for_writing ? LeaseType::kNone : LeaseType::kRead;
  const u64 now = platform::monotonic_ns();
  bool conflict = false;
  Guard guard(mutex);
  for (Lease* lease = list->leases_.front(); lease;) {
    Lease* next = list->leases_.next(*lease);
    if (lease->break_deadline_ns != 0 && now >= lease->break_deadline_ns) {
      // Its time is over.
      const bool goes = lease->target == LeaseType::kNone;
      modify(*lease, lease->target);
      if (goes) {
        lease = next;
        continue;
      }
    }
    if (for_writing || lease->type == LeaseType::kWrite) {
      conflict = true;
      // Who was asked to let go of more, or of as much, is not asked again.
      const bool asked = lease->break_deadline_ns != 0 &&
                         (lease->target == LeaseType::kNone || lease->target == target);
      if (!asked) {
        if (lease->break_deadline_ns == 0) breaking.fetch_add(1);
        lease->break_deadline_ns = now + break_time_s.load() * kNanosPerSecond + 1;
        lease->target = target;
        if (signaller) signaller(*lease->file, lease->fd);
      }
    }
    lease = next;
  }
  return conflict ? Result<>(Errno::kAgain) : Result<>();
}

void Leases::release(File& file) {
  Inode* inode = file.inode();
  LeaseList* list = inode ? leases_of(*inode) : nullptr;
  if (!list) return;
  Guard guard(mutex);
  for (Lease& lease : list->leases_) {
    if (lease.file != &file) continue;
    modify(lease, LeaseType::kNone);
    return;
  }
}

}  // namespace narwhal
