// System V shared memory: shmget(2), shmat(2), shmctl(2).
//
// A segment is a memory object that counts its mappings. Removed with mappings left, it lives on
// without a key until the last of them goes; fork(2) and the end of a process need nothing special.
#pragma once

#include "ipc/id_table.h"
#include "kernel/base/format.h"
#include "kernel/mm/address_space.h"
#include "kernel/sync/spinlock.h"

namespace narwhal::sysv {

// Taken where mappings come and go, so a spinlock.
extern SpinLock<LockRank::kSpinOther> shm_lock;

class Segment final : public MemoryObject {
 public:
  Segment(u64 bytes, u32 creator);
  static Result<Ref<Segment>> create(u64 bytes, u32 creator);
  u64 bytes() const { return bytes_; }
  u64 pages() const { return div_round_up(bytes_, kPageSize); }

  Entry entry;  // guarded by shm_lock

 protected:
  void mapping_added() override;
  void mapping_removed() override;

 private:
  friend class SharedMemory;
  class Source;
  abi::ShmStatus status() const TA_REQUIRES(shm_lock);
  // One mapping, or somebody who is about to map, less.
  void release() TA_EXCLUDES(shm_lock);

  const u64 bytes_;
  const u32 creator_;
  u64 attachments_ TA_GUARDED_BY(shm_lock) = 0;
  i64 attached_at_ TA_GUARDED_BY(shm_lock) = 0;
  i64 detached_at_ TA_GUARDED_BY(shm_lock) = 0;
  i64 changed_at_ TA_GUARDED_BY(shm_lock) = 0;
  u32 last_user_ TA_GUARDED_BY(shm_lock) = 0;
  Ref<MappingSource> source_;  // its name in /proc/PID/maps
};

class SharedMemory {
 public:
  // /proc/sys/kernel/shmmax, shmall (pages), shmmni.
  static Atomic<u64> max_bytes, max_pages, max_ids;
  static Atomic<i32> next_id;  // shm_next_id there

  // shmget(2): ENOENT, EEXIST, EINVAL, EACCES, ENOSPC, ENOMEM.
  static Result<i32> get(const Caller& caller, i32 key, u64 size, u32 flags);
  // shmat(2): EINVAL, EACCES, ENOMEM, EPERM (an address below all that may be mapped).
  static Result<UserAddr> attach(const Caller& caller, AddressSpace& space, i32 id, UserAddr at,
                                 u32 flags);
  // shmdt(2): EINVAL.
  static Result<> detach(AddressSpace& space, UserAddr at);

  // shmctl(2), one by one. By number, or, as SHM_STAT has it, by index; `any`: whoever asks.
  struct Found {
    i32 id;
    abi::ShmStatus status;
  };
  static Result<Found> stat(const Caller& caller, i32 id);
  static Result<Found> stat_index(const Caller& caller, i32 index, bool any);
  static Result<> remove(const Caller& caller, i32 id);
  static Result<> set(const Caller& caller, i32 id, const abi::IpcPermission& wanted);
  // SHM_LOCK, SHM_UNLOCK: memory is never swapped, so this is a mark. EPERM.
  static Result<> lock(const Caller& caller, i32 id, bool locked);
  static abi::ShmLimits limits();
  static abi::ShmUsage usage();
  static i32 highest_index();

  // For /proc/sysvipc/shm.
  static Result<> show(TextSink& out);

 private:
  friend class Segment;
  static Result<i32> make(const Caller& caller, i32 key, u64 size, u32 flags);
};

// The number of the process that runs now: who detached, when mappings go. Told by process/ when
// the machine starts.
void set_current_pid_source(u32 (*source)());
u32 current_pid();

}  // namespace narwhal::sysv
