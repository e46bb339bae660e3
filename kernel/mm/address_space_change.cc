// Calls that change what is mapped already: mprotect(2), mremap(2), madvise(2), mlock(2), msync(2).
#include "kernel/abi/mman.h"
#include "kernel/base/vector.h"
#include "kernel/mm/address_space_state.h"
#include "kernel/mm/page_range.h"
#include "kernel/mm/promise.h"

namespace narwhal {

using State = AddressSpace::State;

namespace {

// Calls visit(mapping, from, to) for the part of each mapping in a range, and goes on after holes,
// as madvise(2) does. ENOMEM at the end if there were any.
template <typename Visit>
Result<> for_each_part(State& s, PageRange range, Visit visit) {
  bool hole = false;
  u64 at = range.start;
  for (Mapping* mapping = s.first_above(at); at < range.end; mapping = s.mappings.next(*mapping)) {
    if (!mapping || mapping->start >= range.end) return Errno::kNoMem;
    if (mapping->start > at) {
      hole = true;
      at = mapping->start;
    }
    const u64 to = mapping->end < range.end ? mapping->end : range.end;
    TRY(visit(*mapping, at, to));
    at = to;
  }
  if (hole) return Errno::kNoMem;
  return {};
}

// Gives the pages of [mapping] their new rights. A private page that others hold too may not become
// writable: its fault makes the copy.
void apply_protection(State& s, const Mapping& mapping) {
  const auto protect = [&](u64 start, u64 end, Protection protection) {
    s.pmap->protect(UserAddr(start), (end - start) / kPageSize, protection);
  };
  if (mapping.shared() || !has(mapping.protection, Protection::kWrite)) {
    protect(mapping.start, mapping.end,
            mapping.shared() ? unwritten_protection(mapping) : mapping.protection);
    return;
  }
  const Protection shared_rights = mapping.protection & ~Protection::kWrite;
  UserAddr where;
  Pmap::Mapping present;
  u64 run_start = mapping.start, at = mapping.start;
  bool run_sole = false;
  while (s.pmap->next_mapped(UserAddr(at), UserAddr(mapping.end), where, present)) {
    const bool sole = frame_refs(present.frame) == 1;
    if (sole != run_sole) {
      if (where.value > run_start)
        protect(run_start, where.value, run_sole ? mapping.protection : shared_rights);
      run_start = where.value;
      run_sole = sole;
    }
    at = where.value + kPageSize;
  }
  if (at > run_start) protect(run_start, at, run_sole ? mapping.protection : shared_rights);
}

}  // namespace

Result<> AddressSpace::protect(UserAddr start, usize length, Protection protection) {
  const PageRange range = TRY(PageRange::of(start, length));
  if (range.start == range.end) return {};
  State& s = *state_;
  Session session(s);
  TRY(s.yield(range.start, range.end));
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  // Up to the first hole or refusal the change has happened, as on Linux.
  const auto change = [&]() -> Result<> {
    u64 at = range.start;
    for (Mapping* mapping = s.first_above(at); at < range.end;
         mapping = s.mappings.next(*mapping)) {
      if (!mapping || mapping->start > at) return Errno::kNoMem;
      if ((protection & ~mapping->max_protection) != Protection::kNone) return Errno::kAcces;
      if (s.refuses_execution(mapping->protection, protection)) return Errno::kAcces;
      if (mapping->sealed) return Errno::kPerm;
      at = mapping->end;
      if (mapping->protection == protection) continue;
      const Protection before = std::exchange(mapping->protection, protection);
      const bool charge = !mapping->charged && State::is_charged(*mapping);
      mapping->protection = before;
      if (charge) TRY(may_promise(mapping->size()));
      TRY(s.pmap->own(UserAddr(mapping->start), mapping->pages()));
      mapping->protection = protection;
      if (charge) {
        mapping->charged = true;
        charge_pages(i64(mapping->pages()));
      }
      apply_protection(s, *mapping);
    }
    return {};
  };
  auto outcome = change();
  s.merge_range(range.start, range.end);
  return outcome;
}

// --- mremap(2) ----------------------------------------------------------------------------------

namespace {

// Moves page-table entries; frames stay where they are.
Result<> move_pages(State& s, u64 from, u64 to, u64 size) {
  TRY(s.pmap->own(UserAddr(from), size / kPageSize));
  UserAddr where;
  Pmap::Mapping present;
  u64 at = from;
  while (s.pmap->next_mapped(UserAddr(at), UserAddr(from + size), where, present)) {
    const u64 target = to + (where.value - from);
    TRY(s.pmap->map(UserAddr(target), present.frame, 1, present.protection));
    s.pmap->unmap(where, 1);
    at = where.value + kPageSize;
  }
  return {};
}

struct Remap {
  u64 old_start, old_size, new_size;
  u64 target;  // 0: anywhere
  bool keep_old;
};

// To another place. The old mapping is exactly [old_start, old_start + old_size), or, to double a
// shared mapping, old_size is 0.
Result<UserAddr> move(State& s, Mapping& old, const Remap& remap) {
  const u64 target = remap.target != 0 ? remap.target : TRY(s.place(remap.new_size, false));
  auto made = TRY(s.copy(old, remap.old_start, remap.old_start + remap.new_size, s));
  made->start = target;
  made->end = target + remap.new_size;
  Mapping& fresh = *made.release();
  s.insert(fresh);
  const u64 moved = remap.old_size < remap.new_size ? remap.old_size : remap.new_size;
  if (auto result = move_pages(s, remap.old_start, target, moved); !result.ok()) {
    // Nothing is lost: what moved goes back, to tables that are there already.
    move_pages(s, target, remap.old_start, moved).ignore();
    TRY(s.clear(fresh.start, fresh.end));
    return result.error();
  }
  if (remap.old_size != 0 && !remap.keep_old)
    TRY(s.clear(remap.old_start, remap.old_start + remap.old_size));
  const u64 grown_from = target + moved;
  if (has(fresh.flags, MapFlags::kLocked)) s.populate(grown_from, fresh.end).ignore();
  s.merge(fresh);
  return UserAddr(target);
}

}  // namespace

Result<UserAddr> AddressSpace::remap(UserAddr old_start, usize old_length, usize new_length,
                                     u32 flags, UserAddr new_start) {
  constexpr u32 kKnown = abi::kRemapMayMove | abi::kRemapFixed | abi::kRemapDontUnmap;
  const bool may_move = flags & abi::kRemapMayMove, fixed = flags & abi::kRemapFixed;
  const bool keep_old = flags & abi::kRemapDontUnmap;
  Remap remap{old_start.value, align_up(old_length, kPageSize), align_up(new_length, kPageSize),
              fixed ? new_start.value : 0, keep_old};
  if ((flags & ~kKnown) || !old_start.page_aligned()) return Errno::kInval;
  if ((fixed || keep_old) && !may_move) return Errno::kInval;
  if (remap.new_size == 0 || remap.old_size < old_length || remap.new_size < new_length)
    return Errno::kInval;
  if (keep_old && remap.old_size != remap.new_size) return Errno::kInval;
  if (!user_range_ok(old_start, remap.old_size)) return Errno::kFault;
  if (!user_range_ok(UserAddr(0), remap.new_size)) return Errno::kNoMem;
  if (fixed) {
    if (!new_start.page_aligned() || !user_range_ok(new_start, remap.new_size) ||
        Pmap::kept().overlaps(new_start.value, new_start.value + remap.new_size))
      return Errno::kInval;
    if (new_start < kUserMin) return Errno::kPerm;
    const bool apart = new_start.value + remap.new_size <= remap.old_start ||
                       remap.old_start + remap.old_size <= new_start.value;
    if (!apart) return Errno::kInval;
  }

  State& s = *state_;
  Session session(s);
  TRY(s.yield(remap.old_start, remap.old_start + remap.old_size));
  Mapping* mapping = s.find(remap.old_start);
  if (!mapping || mapping->stubs) return Errno::kFault;
  if (mapping->sealed) return Errno::kPerm;
  // Without an old length a shared mapping appears a second time.
  if (remap.old_size == 0 && (!mapping->shared() || !may_move)) return Errno::kInval;
  if (keep_old && (mapping->shared() || mapping->object)) return Errno::kInval;
  const bool in_place = !fixed && !keep_old && remap.old_size != 0;
  if (fixed) {
    TRY(s.clear(new_start.value, new_start.value + remap.new_size));
    mapping = s.find(remap.old_start);  // it may have been one with what went
    if (!mapping) return Errno::kFault;
  }
  // What is cut off may be of several mappings.
  if ((in_place && remap.new_size <= remap.old_size) ||
      (fixed && remap.new_size < remap.old_size)) {
    TRY(s.clear(remap.old_start + remap.new_size, remap.old_start + remap.old_size));
    if (in_place) return old_start;
    remap.old_size = remap.new_size;
    mapping = s.find(remap.old_start);
  }
  const u64 old_end = remap.old_start + remap.old_size;
  if (old_end > mapping->end) return Errno::kFault;
  if (remap.new_size > remap.old_size) {
    const u64 growth = remap.new_size - remap.old_size;
    if (s.total_pages * kPageSize + growth > s.limits.address_space) return Errno::kNoMem;
    TRY(State::promise(*mapping, growth));
    if (has(mapping->flags, MapFlags::kLocked) &&
        s.locked_pages * kPageSize + growth > s.lock_limit())
      return Errno::kAgain;
  }
  if (in_place && old_end == mapping->end) {
    const u64 new_end = remap.old_start + remap.new_size;
    if (user_range_ok(old_start, remap.new_size) && s.claim(old_end, new_end)) {
      s.set_bounds(*mapping, mapping->start, new_end);
      if (has(mapping->flags, MapFlags::kLocked)) s.populate(old_end, new_end).ignore();
      s.merge(*mapping);
      return old_start;
    }
  }
  if (!may_move) return Errno::kNoMem;
  if (remap.old_size != 0) {
    TRY(s.split(remap.old_start));
    TRY(s.split(old_end));
    mapping = s.find(remap.old_start);
  }
  return move(s, *mapping, remap);
}

// --- madvise(2) ---------------------------------------------------------------------------------

namespace {

Result<> mark_parts(State& s, PageRange range, void (*mark)(Mapping& mapping)) {
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  const auto outcome = for_each_part(s, range, [&](Mapping& mapping, u64, u64) -> Result<> {
    mark(mapping);
    return {};
  });
  s.merge_range(range.start, range.end);
  return outcome;
}

Result<> discard(State& s, PageRange range, bool only_anonymous) {
  return for_each_part(s, range, [&](Mapping& mapping, u64 from, u64 to) -> Result<> {
    if (has(mapping.flags, MapFlags::kLocked)) return Errno::kInval;
    if (only_anonymous && (mapping.object || mapping.shared())) return Errno::kInval;
    TRY(s.own_edges(from, to));
    s.drop_lent_tables(from, to);
    s.drop_pages(from, to);
    return {};
  });
}

// What would lose the contents of memory, in the child at least.
bool discards(int advice) {
  return advice == abi::kAdviceDontNeed || advice == abi::kAdviceFree ||
         advice == abi::kAdviceDontFork || advice == abi::kAdviceWipeOnFork;
}

// Sealed memory that the program itself can't write must not be emptied this way either. EPERM.
Result<> check_sealed_contents(const State& s, PageRange range) {
  if (!s.has_seals) return {};
  for (Mapping* mapping = s.first_above(range.start); mapping && mapping->start < range.end;
       mapping = s.mappings.next(*mapping))
    if (mapping->sealed && !mapping->object && !has(mapping->protection, Protection::kWrite))
      return Errno::kPerm;
  return {};
}

}  // namespace

void AddressSpace::allow_huge_pages(bool on) {
  Session session(*state_);
  state_->huge_pages_allowed = on;
}
bool AddressSpace::huge_pages_allowed() const {
  Session session(*state_);
  return state_->huge_pages_allowed;
}

Result<> AddressSpace::advise(UserAddr start, usize length, int advice) {
  auto checked = PageRange::of(start, length);
  if (!checked.ok()) return Errno::kInval;
  const PageRange range = checked.value();
  State& s = *state_;
  // Pages of an object are removed without the lock: that comes back to every address space that
  // shows them.
  Ref<MemoryObject> object;
  u64 first = 0, last = 0;
  {
    Session session(s);
    if (discards(advice)) TRY(check_sealed_contents(s, range));
    TRY(s.yield(range.start, range.end));
    switch (advice) {
      case abi::kAdviceNormal:
      case abi::kAdviceRandom:
      case abi::kAdviceSequential:
      case abi::kAdviceWillNeed:
      case abi::kAdviceCold:
      case abi::kAdvicePageOut:
        return for_each_part(s, range, [](Mapping&, u64, u64) -> Result<> { return {}; });
      case abi::kAdviceDontNeed:
        return discard(s, range, false);
      case abi::kAdviceFree:
        // The kernel may free such pages at any time; it does so now.
        return discard(s, range, true);
      case abi::kAdviceHugePage:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.huge_pages = true; });
      case abi::kAdviceNoHugePage:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.huge_pages = false; });
      case abi::kAdviceDontFork:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.keep_from_child = true; });
      case abi::kAdviceDoFork:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.keep_from_child = false; });
      case abi::kAdviceDontDump:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.keep_from_dump = true; });
      case abi::kAdviceDoDump:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.keep_from_dump = false; });
      case abi::kAdviceWipeOnFork:
        TRY(for_each_part(s, range, [](Mapping& mapping, u64, u64) -> Result<> {
          if (mapping.object || mapping.shared()) return Errno::kInval;
          return {};
        }));
        return mark_parts(s, range, [](Mapping& mapping) { mapping.wipe_in_child = true; });
      case abi::kAdviceKeepOnFork:
        return mark_parts(s, range, [](Mapping& mapping) { mapping.wipe_in_child = false; });
      case abi::kAdvicePopulateRead:
      case abi::kAdvicePopulateWrite: {
        const Protection access =
            advice == abi::kAdvicePopulateWrite ? Protection::kWrite : Protection::kRead;
        return for_each_part(s, range, [&](Mapping& mapping, u64 from, u64 to) -> Result<> {
          if (!has(mapping.protection, access)) return Errno::kInval;
          for (u64 page = from; page < to; page += kPageSize)
            if (auto faulted = s.fault(mapping, page, access); !faulted.ok())
              return faulted.failed(Errno::kIo) ? Result<>(Errno::kFault) : faulted;
          return {};
        });
      }
      case abi::kAdviceRemove: {
        if (range.start == range.end) return {};
        Mapping* mapping = s.find(range.start);
        if (!mapping) return Errno::kNoMem;
        if (!mapping->shared() || !mapping->object || has(mapping->flags, MapFlags::kLocked))
          return Errno::kInval;
        if (!has(mapping->max_protection, Protection::kWrite)) return Errno::kAcces;
        if (range.end > mapping->end) return Errno::kNoMem;
        object = mapping->object;
        first = mapping->object_index(range.start);
        last = first + (range.end - range.start) / kPageSize;
        break;
      }
      default:
        return Errno::kInval;
    }
  }
  object->remove_pages(first, last);
  return {};
}

// --- mlock(2), msync(2), mincore(2) -------------------------------------------------------------

Result<> AddressSpace::lock_pages(UserAddr start, usize length, bool on_fault) {
  State& s = *state_;
  Session session(s);
  if (s.lock_limit() == 0) return Errno::kPerm;
  const PageRange range = TRY(PageRange::of(start.page(), length + start.page_offset()));
  if (range.start == range.end) return {};
  TRY(s.clear_stubs(range.start, range.end));
  u64 already = 0;
  TRY(for_each_part(s, range, [&](Mapping& mapping, u64 from, u64 to) -> Result<> {
    if (has(mapping.flags, MapFlags::kLocked)) already += to - from;
    return {};
  }));
  if (s.locked_pages * kPageSize + (range.end - range.start) - already > s.lock_limit())
    return Errno::kNoMem;
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  TRY(for_each_part(s, range, [&](Mapping& mapping, u64, u64) -> Result<> {
    s.set_locked(mapping, true);
    return {};
  }));
  s.merge_range(range.start, range.end);
  if (on_fault) return {};
  auto populated = s.populate(range.start, range.end);
  return populated.failed(Errno::kIo) ? Result<>(Errno::kNoMem) : populated;
}

Result<> AddressSpace::unlock_pages(UserAddr start, usize length) {
  const PageRange range = TRY(PageRange::of(start.page(), length + start.page_offset()));
  State& s = *state_;
  Session session(s);
  TRY(s.clear_stubs(range.start, range.end));
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  const auto outcome = for_each_part(s, range, [&](Mapping& mapping, u64, u64) -> Result<> {
    s.set_locked(mapping, false);
    return {};
  });
  s.merge_range(range.start, range.end);
  return outcome;
}

Result<> AddressSpace::lock_all(int flags) {
  State& s = *state_;
  Session session(s);
  const bool current = flags & abi::kLockCurrent;
  if (flags != 0 && s.lock_limit() == 0) return Errno::kPerm;
  if (current && s.total_pages * kPageSize > s.lock_limit()) return Errno::kNoMem;
  s.lock_future = flags & abi::kLockFuture;
  for (Mapping* mapping = s.mappings.first(); mapping; mapping = s.mappings.next(*mapping))
    if (!mapping->stubs && (current || flags == 0)) s.set_locked(*mapping, current);
  s.merge_range(0, kUserEnd.value);
  if (current && !(flags & abi::kLockOnFault)) s.populate(0, kUserEnd.value).ignore();
  return {};
}

Result<> AddressSpace::sync(UserAddr start, usize length, int flags) {
  constexpr int kKnown = abi::kSyncAsync | abi::kSyncInvalidate | abi::kSyncSync;
  if ((flags & ~kKnown) || ((flags & abi::kSyncAsync) && (flags & abi::kSyncSync)))
    return Errno::kInval;
  const PageRange range = TRY(PageRange::of(start, length));
  State& s = *state_;
  // Files and mappings show the same pages. What is kept elsewhere as well is written back without
  // the lock, and the source keeps it alive meanwhile.
  struct Part {
    Ref<MemoryObject> object;
    Ref<MappingSource> source;
  };
  Vector<Part> parts;
  const auto collect = [&]() -> Result<> {
    Session session(s);
    return for_each_part(s, range, [&](Mapping& mapping, u64, u64) -> Result<> {
      if ((flags & abi::kSyncInvalidate) && has(mapping.flags, MapFlags::kLocked))
        return Errno::kBusy;
      if (!(flags & abi::kSyncSync) || !mapping.object || !mapping.shared()) return {};
      return parts.push_back(Part{mapping.object, mapping.source});
    });
  };
  const auto outcome = collect();
  for (Part& part : parts) TRY(part.object->write_back());
  return outcome;
}

Result<> AddressSpace::residency(UserAddr start, usize pages, std::span<u8> out) {
  State& s = *state_;
  Session session(s);
  const PageRange range{start.value, start.value + pages * kPageSize};
  TRY(s.clear_stubs(range.start, range.end));
  if (pages != 0 && !s.is_covered(range.start, range.end)) return Errno::kNoMem;
  return for_each_part(s, range, [&](Mapping& mapping, u64 from, u64 to) -> Result<> {
    for (u64 at = from; at < to; at += kPageSize) {
      Pmap::Mapping present;
      bool resident = s.pmap->lookup(UserAddr(at), present);
      if (!resident && mapping.object)
        resident =
            bool(TRY(mapping.object->page(mapping.object_index(at), MemoryObject::Access::kRead)));
      out[(at - range.start) / kPageSize] = resident;
    }
    return {};
  });
}

}  // namespace narwhal
