#include "ipc/semaphores.h"

#include "fs/core/clock.h"
#include "ipc/table_row.h"

namespace narwhal::sysv {

constinit Mutex<LockRank::kMutexOther> sem_lock;

constinit Atomic<u32> Semaphores::max_per_set{32000};
constinit Atomic<u32> Semaphores::max_total{32000 * 32000};
constinit Atomic<u32> Semaphores::max_operations{500};
constinit Atomic<u32> Semaphores::max_ids{32000};
constinit Atomic<i32> Semaphores::next_id{-1};

namespace {

[[clang::no_destroy]] constinit IdTable<SemaphoreSet> sets TA_GUARDED_BY(sem_lock);
constinit u64 total TA_GUARDED_BY(sem_lock) = 0;

constexpr i32 kMaxAdjust = 32767;

i64 now_s() {
  return current_file_time().seconds;
}

}  // namespace

// --- operations

Result<> SemaphoreSet::perform(std::span<const abi::SemOperation> operations, UndoList::Undo* undo,
                               u32 pid, usize& blocking) {
  // One after the other, as the same semaphore may be named twice; what is done is taken back when
  // a later one fails.
  const auto step = [&](const abi::SemOperation& operation) -> Result<> {
    Semaphore& semaphore = semaphores_[operation.number];
    const i32 result = semaphore.value + operation.change;
    if ((operation.change == 0 && semaphore.value != 0) || result < 0) return Errno::kAgain;
    if (result > Semaphores::kMaxValue) return Errno::kRange;
    if (operation.flags & abi::kSemUndo) {
      const i32 adjust = undo->adjust[operation.number] - operation.change;
      if (adjust < -kMaxAdjust - 1 || adjust > kMaxAdjust) return Errno::kRange;
      undo->adjust[operation.number] = i16(adjust);
    }
    semaphore.value = u16(result);
    return {};
  };
  usize done = 0;
  for (; done < operations.size(); ++done) {
    if (auto stepped = step(operations[done]); !stepped.ok()) {
      const Errno error = stepped.error();
      blocking = done;
      while (done > 0) {
        const abi::SemOperation& operation = operations[--done];
        semaphores_[operation.number].value =
            u16(semaphores_[operation.number].value - operation.change);
        if (operation.flags & abi::kSemUndo)
          undo->adjust[operation.number] = i16(undo->adjust[operation.number] + operation.change);
      }
      return error;
    }
  }
  for (const abi::SemOperation& operation : operations) semaphores_[operation.number].pid = pid;
  operated_ = now_s();
  return {};
}

void SemaphoreSet::finish(Pending& pending, Errno error) {
  pending.node.unlink();
  pending.error = error;
  pending.done = true;
  pending.queue.wake_all();
}

void SemaphoreSet::go_on() {
  // Those who wait for zero go first, since they change nothing; then the others in turn, and from
  // the beginning again after each change.
  const auto one_round = [&](bool changing) TA_REQUIRES(sem_lock) {
    Pending* pending = pending_.front();
    while (pending) {
      Pending* next = pending_.next(*pending);
      if (pending->changes == changing) {
        auto performed =
            perform(pending->operations, pending->undo, pending->pid, pending->blocking);
        if (!performed.failed(Errno::kAgain)) {
          finish(*pending, performed.ok() ? Errno{} : performed.error());
          if (changing && performed.ok()) return true;
        }
      }
      pending = next;
    }
    return false;
  };
  do {
    one_round(false);
  } while (one_round(true));
}

void SemaphoreSet::end_all(Errno error) {
  while (Pending* pending = pending_.front()) finish(*pending, error);
}

UndoList::Undo* SemaphoreSet::find_undo(UndoList& list) {
  for (UndoList::Undo& undo : list.undos_)
    if (undo.set == this) return &undo;
  return nullptr;
}

Result<UndoList::Undo*> Semaphores::undo_for(SemaphoreSet& set, UndoList& list) {
  if (UndoList::Undo* found = set.find_undo(list)) return found;
  auto undo = TRY(make_own<UndoList::Undo>());
  TRY(undo->adjust.resize(set.count()));
  undo->set = &set;
  list.undos_.push_back(*undo);
  set.undos_.push_back(*undo);
  return undo.release();
}

Result<> Semaphores::operate(const Caller& caller, i32 id,
                             std::span<const abi::SemOperation> operations, UndoList* undo,
                             u64 deadline_ns) {
  bool changes = false, undoes = false;
  usize highest = 0;
  for (const abi::SemOperation& operation : operations) {
    changes |= operation.change != 0;
    undoes |= (operation.flags & abi::kSemUndo) && operation.change != 0;
    if (operation.number > highest) highest = operation.number;
  }
  Ref<SemaphoreSet> set;
  SemaphoreSet::Pending pending;
  {
    Guard guard(sem_lock);
    set = Ref<SemaphoreSet>(TRY(sets.find(id)));
    if (highest >= set->count()) return Errno::kFBig;
    TRY(check_access(set->entry, caller.who, changes ? kWrite : kRead));
    bool wants_undo = undoes;
    for (const abi::SemOperation& operation : operations)
      wants_undo |= bool(operation.flags & abi::kSemUndo);
    if (wants_undo) pending.undo = TRY(undo_for(*set, *undo));
    auto performed = set->perform(operations, pending.undo, caller.pid, pending.blocking);
    if (performed.ok()) {
      if (changes) set->go_on();
      return {};
    }
    if (!performed.failed(Errno::kAgain)) return performed;
    if (u16(operations[pending.blocking].flags) & abi::kIpcNoWait) return Errno::kAgain;
    pending.operations = operations;
    pending.pid = caller.pid;
    pending.changes = changes;
    set->pending_.push_back(pending);
  }
  auto waited = block_until_ready(pending.queue, PollEvents::kAll, deadline_ns, [&]() -> Result<> {
    Guard guard(sem_lock);
    return pending.done ? Result<>() : Result<>(Errno::kAgain);
  });
  Guard guard(sem_lock);
  if (!pending.done) {
    pending.node.unlink();
    return waited.failed(Errno::kTimedOut) ? Errno::kAgain : Errno::kIntr;
  }
  return pending.error == Errno{} ? Result<>() : Result<>(pending.error);
}

UndoList::~UndoList() {
  const u32 pid = pid_.load(Order::kRelaxed);
  Guard guard(sem_lock);
  while (Undo* undo = undos_.front()) {
    SemaphoreSet& set = *undo->set;
    for (usize i = 0; i < undo->adjust.size(); ++i) {
      if (undo->adjust[i] == 0) continue;
      auto& semaphore = set.semaphores_[i];
      // Linux does not let the value leave its range, and loses what would.
      i32 value = semaphore.value + undo->adjust[i];
      if (value < 0) value = 0;
      if (value > Semaphores::kMaxValue) value = Semaphores::kMaxValue;
      semaphore.value = u16(value);
      semaphore.pid = pid;
    }
    undo->list_node.unlink();
    undo->set_node.unlink();
    delete undo;
    set.operated_ = now_s();
    set.go_on();
  }
}

// --- semget(2), semctl(2)

Result<i32> Semaphores::get(const Caller& caller, i32 key, i32 count, u32 flags) {
  if (count < 0 || u32(count) > max_per_set.load()) return Errno::kInval;
  Guard guard(sem_lock);
  const auto check = [&](SemaphoreSet& found) -> Result<> {
    return found.count() < u32(count) ? Result<>(Errno::kInval) : Result<>();
  };
  const auto make = [&]() TA_REQUIRES(sem_lock) -> Result<i32> {
    if (count == 0) return Errno::kInval;
    if (total + u32(count) > max_total.load()) return Errno::kNoSpc;
    Vector<SemaphoreSet::Semaphore> semaphores;
    TRY(semaphores.resize(u32(count)));
    auto set = TRY(make_ref<SemaphoreSet>(std::move(semaphores)));
    set->changed_ = now_s();
    const i32 id = TRY(sets.add(std::move(set), key, flags, caller.who, max_ids.load(), next_id));
    total += u32(count);
    return id;
  };
  return sysv::get(sets, caller, key, flags, check, make);
}

abi::SemStatus SemaphoreSet::status() const {
  abi::SemStatus out{};
  out.permission = entry.to_abi();
  out.operated = operated_;
  out.changed = changed_;
  out.count = count();
  return out;
}

Result<Semaphores::Found> Semaphores::stat(const Caller& caller, i32 id) {
  Guard guard(sem_lock);
  return Found{id, TRY(sets.find_readable(id, caller.who))->status()};
}

Result<Semaphores::Found> Semaphores::stat_index(const Caller& caller, i32 index, bool any) {
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.readable_at(index, caller.who, any));
  return Found{set.entry.id, set.status()};
}

Result<> Semaphores::remove(const Caller& caller, i32 id) {
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.find(id));
  TRY(check_owner(set.entry, caller.who));
  while (UndoList::Undo* undo = set.undos_.front()) {
    undo->list_node.unlink();
    undo->set_node.unlink();
    delete undo;
  }
  set.end_all(Errno::kIdRm);
  total -= set.count();
  sets.remove(set);
  return {};
}

Result<> Semaphores::set(const Caller& caller, i32 id, const abi::IpcPermission& wanted) {
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.find(id));
  TRY(check_owner(set.entry, caller.who));
  TRY(set_permission(set.entry, wanted));
  set.changed_ = now_s();
  return {};
}

u32 SemaphoreSet::waiters(u32 number, bool for_zero) {
  u32 count = 0;
  for (Pending& pending : pending_) {
    const abi::SemOperation& blocking = pending.operations[pending.blocking];
    count += blocking.number == number && (blocking.change == 0) == for_zero;
  }
  return count;
}

Result<i32> Semaphores::get_value(const Caller& caller, i32 id, i32 number, i32 command) {
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.find(id));
  TRY(check_access(set.entry, caller.who, kRead));
  if (number < 0 || u32(number) >= set.count()) return Errno::kInval;
  const auto& semaphore = set.semaphores_[u32(number)];
  switch (command) {
    case abi::kSemGetValue:
      return i32(semaphore.value);
    case abi::kSemGetPid:
      return i32(semaphore.pid);
    default:
      return i32(set.waiters(u32(number), command == abi::kSemGetZeroWaiters));
  }
}

Result<> Semaphores::set_value(const Caller& caller, i32 id, i32 number, i32 value) {
  if (value < 0 || value > kMaxValue) return Errno::kRange;
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.find(id));
  if (number < 0 || u32(number) >= set.count()) return Errno::kInval;
  TRY(check_access(set.entry, caller.who, kWrite));
  for (UndoList::Undo& undo : set.undos_) undo.adjust[u32(number)] = 0;
  set.semaphores_[u32(number)] = {u16(value), caller.pid};
  set.changed_ = now_s();
  set.go_on();
  return {};
}

Result<Vector<u16>> Semaphores::get_all(const Caller& caller, i32 id) {
  Vector<u16> values;
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.find(id));
  TRY(check_access(set.entry, caller.who, kRead));
  TRY(values.reserve(set.count()));
  for (const auto& semaphore : set.semaphores_) TRY(values.push_back(semaphore.value));
  return values;
}

Result<u32> Semaphores::count_for_set_all(const Caller& caller, i32 id) {
  Guard guard(sem_lock);
  SemaphoreSet& set = *TRY(sets.find(id));
  TRY(check_access(set.entry, caller.who, kWrite));
  return set.count();
}

Result<> Semaphores::set_all(const Caller& caller, i32 id, std::span<const u16> values) {
  for (const u16 value : values)
    if (value > kMaxValue) return Errno::kRange;
  Guard guard(sem_lock);
  auto found = sets.find(id);
  // It was there when it was asked for its size.
  if (!found.ok() || found.value()->count() != values.size()) return Errno::kIdRm;
  SemaphoreSet& set = *found.value();
  for (usize i = 0; i < values.size(); ++i) set.semaphores_[i] = {values[i], caller.pid};
  for (UndoList::Undo& undo : set.undos_)
    for (i16& adjust : undo.adjust) adjust = 0;
  set.changed_ = now_s();
  set.go_on();
  return {};
}

abi::SemLimits Semaphores::limits() {
  constexpr i32 kUndoSize = 20;
  abi::SemLimits out{};
  out.map = out.max_total = out.max_undos = i32(max_total.load());
  out.max_ids = i32(max_ids.load());
  out.max_per_set = i32(max_per_set.load());
  out.max_operations = out.max_undo_entries = i32(max_operations.load());
  out.max_undo_entries = 500;
  out.undo_size = kUndoSize;
  out.max_value = kMaxValue;
  out.max_adjust = kMaxAdjust;
  return out;
}

abi::SemLimits Semaphores::usage() {
  abi::SemLimits out = limits();
  Guard guard(sem_lock);
  out.undo_size = i32(sets.in_use());
  out.max_adjust = i32(total);
  return out;
}

i32 Semaphores::highest_index() {
  Guard guard(sem_lock);
  return sets.highest();
}

Result<> Semaphores::show(TextSink& out) {
  out << "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
  Guard guard(sem_lock);
  sets.for_each([&](SemaphoreSet& set) TA_REQUIRES(sem_lock) {
    const abi::SemStatus s = set.status();
    TableRow row(out);
    row.begin(s.permission, set.entry.id).number(s.count, 10).owners(s.permission);
    row.number(s.operated, 10).number(s.changed, 10);
  });
  return {};
}

}  // namespace narwhal::sysv
