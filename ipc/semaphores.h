// System V semaphores: semget(2), semop(2), semctl(2).
//
// A change that lets sleepers go on performs their operations for them, in the order in which they
// came; so nobody who comes later gets between. One lock serves all sets: every operation is short.
#pragma once

#include "ipc/id_table.h"
#include "kernel/base/format.h"
#include "kernel/base/list.h"
#include "kernel/sched/mutex.h"

namespace narwhal::sysv {

extern Mutex<LockRank::kMutexOther> sem_lock;

class SemaphoreSet;

// What SEM_UNDO has to take back when a process ends; shared by the tasks that CLONE_SYSVSEM made.
class UndoList final : public RefCounted {
 public:
  // Adjusts every semaphore; in the name of whom.
  void set_owner(u32 pid) { pid_.store(pid, Order::kRelaxed); }
  struct Undo {
    ListNode list_node, set_node;
    SemaphoreSet* set = nullptr;
    Vector<i16> adjust;
  };

 protected:
  ~UndoList() override;

 private:
  friend class Semaphores;
  friend class SemaphoreSet;
  Atomic<u32> pid_{0};
  List<Undo, &Undo::list_node> undos_ TA_GUARDED_BY(sem_lock);
};

class SemaphoreSet final : public RefCounted {
 public:
  struct Semaphore {
    u16 value = 0;
    u32 pid = 0;  // who changed it last
  };
  explicit SemaphoreSet(Vector<Semaphore> semaphores) : semaphores_(std::move(semaphores)) {}
  u32 count() const { return u32(semaphores_.size()); }

  Entry entry;  // guarded by sem_lock

 private:
  friend class Semaphores;
  friend class UndoList;
  // One semop(2) that waits.
  struct Pending {
    ListNode node;
    WaitQueue queue;
    std::span<const abi::SemOperation> operations;
    UndoList::Undo* undo = nullptr;
    u32 pid = 0;
    usize blocking = 0;  // which operation could not go on
    bool changes = false;
    bool done = false;
    Errno error{};
  };

  // Performs all operations, or none: EAGAIN, with the index of the first that must wait in
  // `blocking`; ERANGE.
  Result<> perform(std::span<const abi::SemOperation> operations, UndoList::Undo* undo, u32 pid,
                   usize& blocking) TA_REQUIRES(sem_lock);
  // After a change: performs what can go on now.
  void go_on() TA_REQUIRES(sem_lock);
  void end_all(Errno error) TA_REQUIRES(sem_lock);
  void finish(Pending& pending, Errno error) TA_REQUIRES(sem_lock);
  UndoList::Undo* find_undo(UndoList& list) TA_REQUIRES(sem_lock);
  abi::SemStatus status() const TA_REQUIRES(sem_lock);
  u32 waiters(u32 number, bool for_zero) TA_REQUIRES(sem_lock);

  Vector<Semaphore> semaphores_;
  List<Pending, &Pending::node> pending_ TA_GUARDED_BY(sem_lock);
  List<UndoList::Undo, &UndoList::Undo::set_node> undos_ TA_GUARDED_BY(sem_lock);
  i64 operated_ TA_GUARDED_BY(sem_lock) = 0;
  i64 changed_ TA_GUARDED_BY(sem_lock) = 0;
};

class Semaphores {
 public:
  // /proc/sys/kernel/sem: semaphores of a set, of all sets, operations of a call, sets.
  static Atomic<u32> max_per_set, max_total, max_operations, max_ids;
  static Atomic<i32> next_id;  // sem_next_id there
  static constexpr i32 kMaxValue = 32767;

  // semget(2): ENOENT, EEXIST, EINVAL, EACCES, ENOSPC, ENOMEM.
  static Result<i32> get(const Caller& caller, i32 key, i32 count, u32 flags);
  // semtimedop(2). Sleeps. `undo` may be null when no operation has SEM_UNDO. EINVAL, EFBIG,
  // EACCES, ERANGE, EAGAIN, EIDRM, EINTR.
  static Result<> operate(const Caller& caller, i32 id,
                          std::span<const abi::SemOperation> operations, UndoList* undo,
                          u64 deadline_ns);

  // semctl(2).
  struct Found {
    i32 id;
    abi::SemStatus status;
  };
  static Result<Found> stat(const Caller& caller, i32 id);
  static Result<Found> stat_index(const Caller& caller, i32 index, bool any);
  static Result<> remove(const Caller& caller, i32 id);
  static Result<> set(const Caller& caller, i32 id, const abi::IpcPermission& wanted);
  // kSemGetValue, kSemGetPid, kSemGetIncreaseWaiters, kSemGetZeroWaiters.
  static Result<i32> get_value(const Caller& caller, i32 id, i32 number, i32 command);
  static Result<> set_value(const Caller& caller, i32 id, i32 number, i32 value);
  static Result<Vector<u16>> get_all(const Caller& caller, i32 id);
  // How many values SETALL wants. EINVAL, EACCES.
  static Result<u32> count_for_set_all(const Caller& caller, i32 id);
  static Result<> set_all(const Caller& caller, i32 id, std::span<const u16> values);
  static abi::SemLimits limits();
  static abi::SemLimits usage();  // SEM_INFO
  static i32 highest_index();

  // For /proc/sysvipc/sem.
  static Result<> show(TextSink& out);

 private:
  static Result<UndoList::Undo*> undo_for(SemaphoreSet& set, UndoList& list) TA_REQUIRES(sem_lock);
};

}  // namespace narwhal::sysv
