// The pages behind mappings: bringing them in, sharing them until somebody writes, letting them go.
//
// Each page-table entry holds one reference to its frame. A private mapping shows an object's page
// without the right to write; the first write makes a copy of its own. So does a write to a page
// that fork(2) shared: who finds himself the only holder of a frame just gets the right.
#include "kernel/mm/address_space_state.h"
#include "kernel/mm/page_ops.h"

namespace narwhal {

using State = AddressSpace::State;

namespace {

// What a fault on a page of an object brings along of its neighbours, if the object has them: a
// program's text comes in strides.
constexpr u64 kAroundPages = 16;
constexpr u64 kStackGuardGap = 1 * kMiB;

// One page of zeros stands for all that was read and never written. 0: not made yet.
constinit Atomic<u64> zero_frame{0};

bool is_zero_frame(PhysAddr frame) {
  return frame.value == zero_frame.load(Order::kRelaxed);
}

Result<FrameRef> share_zero_frame() {
  u64 frame = zero_frame.load(Order::kAcquire);
  if (frame == 0) {
    // Under different address spaces' locks two may come here at once; the loser's page is given
    // back.
    FrameRef fresh = TRY(FrameRef::allocate(FrameContent::kZeroed));
    if (zero_frame.compare_exchange(frame, fresh.address().value)) frame = fresh.release().value;
  }
  return FrameRef::share(PhysAddr(frame));
}

Protection without_write(Protection protection) {
  return protection & ~Protection::kWrite;
}

bool permits(Protection have, Protection access) {
  // The processor can't refuse reading what may be written or executed.
  if (access == Protection::kRead) return have != Protection::kNone;
  return has(have, access);
}

}  // namespace

void State::count(PhysAddr frame, i64 change) {
  switch (frame_kind(frame)) {
    case FrameKind::kAnonymous:
      resident_anonymous += u64(change);
      break;
    case FrameKind::kObject:
      resident_object += u64(change);
      break;
    default:
      return;
  }
  const u64 resident = resident_anonymous + resident_object;
  if (resident > peak_resident) peak_resident = resident;
}

u64 State::anonymous_pages(u64 start, u64 end) const {
  u64 result = 0;
  UserAddr where;
  Pmap::Mapping present;
  for (u64 at = start; pmap->next_mapped(UserAddr(at), UserAddr(end), where, present);
       at = where.value + kPageSize)
    result += frame_kind(present.frame) == FrameKind::kAnonymous;
  return result;
}

Result<> State::own_edges(u64 start, u64 end) {
  const u64 table = Pmap::kLendPages * kPageSize;
  if (table == 0 || start >= end) return {};
  if (!is_aligned(start, table)) TRY(pmap->own(UserAddr(start), 1));
  if (!is_aligned(end, table)) TRY(pmap->own(UserAddr(end - kPageSize), 1));
  return {};
}

void State::drop_lent_tables(u64 start, u64 end) {
  const u64 table = Pmap::kLendPages * kPageSize;
  UserAddr lent, where;
  Pmap::Mapping present;
  for (u64 at = start; pmap->next_lent(UserAddr(at), UserAddr(end), lent);
       at = lent.value + table) {
    const u64 table_end = lent.value + table;
    const u64 pages = anonymous_pages(lent.value, table_end);
    pmap->give_back(lent, Pmap::kLendPages);
    const bool stays = pmap->next_mapped(lent, UserAddr(table_end), where, present);
    if (!stays) resident_anonymous -= pages;
  }
}

// Entries go first, in batches, so that nobody can reach a frame that is being freed. A private
// copy is no page of an object.
void State::drop_pages(u64 start, u64 end, bool only_of_object) {
  PhysAddr frames[64];
  const auto of_object = [](PhysAddr frame) { return frame_kind(frame) == FrameKind::kObject; };
  for (UserAddr at(start), stop(end); at < stop;) {
    const usize count = pmap->take(at, stop, frames, only_of_object ? +of_object : nullptr);
    for (usize i = 0; i < count; ++i) {
      this->count(frames[i], -1);
      frame_drop_ref(frames[i]);
    }
  }
}

Result<> State::map_frame(const Mapping&, u64 page, FrameRef frame, Protection protection) {
  TRY(pmap->map(UserAddr(page), frame.address(), 1, protection));
  count(frame.address(), 1);
  static_cast<void>(frame.release());
  return {};
}

Result<> State::break_sharing(Mapping& mapping, u64 page, PhysAddr frame) {
  if (mapping.shared() || frame_refs(frame) == 1) {
    pmap->protect(UserAddr(page), 1, mapping.protection);
    return {};
  }
  const bool zeros = is_zero_frame(frame);
  FrameRef copy =
      TRY(FrameRef::allocate_for_program(zeros ? FrameContent::kZeroed : FrameContent::kAny));
  if (!zeros) copy_page(copy.data(), platform::direct_map(frame));
  set_frame_kind(copy.address(), FrameKind::kAnonymous);
  TRY(map_frame(mapping, page, std::move(copy), mapping.protection));
  count(frame, -1);
  frame_drop_ref(frame);
  return {};
}

// A page and its neighbours that the object has already, without asking for more.
void State::map_around(Mapping& mapping, u64 page) {
  constexpr u64 kWindow = kAroundPages * kPageSize;
  u64 from = align_down(page, kWindow), to = from + kWindow;
  if (from < mapping.start) from = mapping.start;
  if (to > mapping.end) to = mapping.end;
  const u64 object_pages = div_round_up(mapping.object->size(), kPageSize);
  const Protection protection = unwritten_protection(mapping);
  PhysAddr run;
  usize length = 0;
  u64 run_at = 0;
  const auto flush = [&] {
    if (length == 0) return;
    if (!pmap->map(UserAddr(run_at), run, length, protection).ok()) {
      // No page tables: what was mapped of the run is unmapped again.
      pmap->unmap(UserAddr(run_at), length);
      for (usize i = 0; i < length; ++i) frame_drop_ref(run + i * kPageSize);
    } else {
      for (usize i = 0; i < length; ++i) count(run + i * kPageSize, 1);
    }
    length = 0;
  };
  for (u64 at = from; at < to; at += kPageSize) {
    Pmap::Mapping present;
    if (mapping.object_index(at) >= object_pages || pmap->lookup(UserAddr(at), present)) {
      flush();
      continue;
    }
    auto got = mapping.object->page(mapping.object_index(at), MemoryObject::Access::kRead);
    if (!got.ok() || !got.value()) {
      flush();
      continue;
    }
    const PhysAddr frame = got.value().release();
    if (length != 0 && frame != run + length * kPageSize) flush();
    if (length == 0) {
      run = frame;
      run_at = at;
    }
    ++length;
  }
  flush();
}

Result<> State::fault_object(Mapping& mapping, u64 page, Protection access) {
  MemoryObject& object = *mapping.object;
  const u64 index = mapping.object_index(page);
  const auto beyond = [&] { return index >= div_round_up(object.size(), kPageSize); };
  if (beyond()) return Errno::kIo;
  const bool writes = access == Protection::kWrite;
  const bool copies = !mapping.shared() && writes;
  // A hole becomes a page, so that all who map it see the same one.
  const bool makes = !copies && (writes || !object.notes_writes());
  FrameRef frame =
      TRY(object.page(index, makes ? MemoryObject::Access::kWrite : MemoryObject::Access::kRead));
  // It may have shrunk meanwhile; then what we hold is not its page any more.
  if (beyond()) return Errno::kIo;
  if (copies) {
    FrameRef own =
        TRY(FrameRef::allocate_for_program(frame ? FrameContent::kAny : FrameContent::kZeroed));
    if (frame) copy_page(own.data(), frame.data());
    set_frame_kind(own.address(), FrameKind::kAnonymous);
    return map_frame(mapping, page, std::move(own), mapping.protection);
  }
  if (writes) {
    TRY(map_frame(mapping, page, std::move(frame), mapping.protection));
    map_around(mapping, page);
    return {};
  }
  // The page as one of its neighbours: a run is mapped at once.
  map_around(mapping, page);
  Pmap::Mapping present;
  if (pmap->lookup(UserAddr(page), present)) return {};
  return map_frame(mapping, page, std::move(frame), unwritten_protection(mapping));
}

// How many pages, as a power of two, to bring in for a write to an absent one. Where a fault is
// dear, a program that writes its pages one after the other gets a run of them, as long as what it
// has written; so at most half of what it gets stays unused. One that jumps gets one.
unsigned State::run_order(const Mapping& mapping, u64 page) const {
  const auto is_written = [&](u64 distance) {
    Pmap::Mapping before;
    return page - mapping.start >= distance && pmap->lookup(UserAddr(page - distance), before) &&
           frame_kind(before.frame) == FrameKind::kAnonymous;
  };
  unsigned order = 0;
  while (order < Pmap::kMostRunOrder && is_written(kPageSize << order)) ++order;
  if (order == 0) return 0;
  u64 end = mapping.end;
  // Only the table of this page is known to be our own.
  const u64 table = Pmap::kLendPages * kPageSize;
  if (table != 0 && align_down(page, table) + table < end) end = align_down(page, table) + table;
  while (order > 0 && end - page < kPageSize << order) --order;
  UserAddr next;
  Pmap::Mapping present;
  if (order > 0 &&
      pmap->next_mapped(UserAddr(page), UserAddr(page + (kPageSize << order)), next, present))
    while (order > 0 && next.value - page < kPageSize << order) --order;
  return order;
}

// What a program asked to have in large pages (MADV_HUGEPAGE in madvise(2)), and has nothing of
// yet: all that a large page would hold. False: nothing was done.
bool State::map_large(const Mapping& mapping, u64 page) {
  const u64 start = align_down(page, kLargePageSize), end = start + kLargePageSize;
  if (!huge_pages_allowed || start < mapping.start || end > mapping.end) return false;
  UserAddr where;
  Pmap::Mapping present;
  if (pmap->next_mapped(UserAddr(start), UserAddr(end), where, present) ||
      pmap->next_lent(UserAddr(start), UserAddr(end), where))
    return false;
  return map_run(mapping, start, kLargePageOrder);
}

// False: nothing was done.
bool State::map_run(const Mapping& mapping, u64 page, unsigned order) {
  const bool large = order == kLargePageOrder;
  const auto run =
      allocate_program_frames(order, large ? FrameContent::kAny : FrameContent::kZeroed);
  if (!run.ok()) return false;
  if (large) {
    Pmap::prepare_large(run.value());
    for (u64 at = 0; at < kLargePageSize; at += kPageSize)
      clear_page(platform::direct_map(run.value() + at));
  }
  const usize pages = usize{1} << order;
  for (usize i = 0; i < pages; ++i)
    set_frame_kind(run.value() + i * kPageSize, FrameKind::kAnonymous);
  if (!pmap->map(UserAddr(page), run.value(), pages, mapping.protection).ok()) {
    pmap->unmap(UserAddr(page), pages);
    free_frames(run.value(), order);
    return false;
  }
  for (usize i = 0; i < pages; ++i) count(run.value() + i * kPageSize, 1);
  return true;
}

Result<> State::fault_absent(Mapping& mapping, u64 page, Protection access) {
  if (mapping.object) return fault_object(mapping, page, access);
  if (access != Protection::kWrite)
    return map_frame(mapping, page, TRY(share_zero_frame()), without_write(mapping.protection));
  if (mapping.huge_pages && map_large(mapping, page)) return {};
  if (const unsigned order = run_order(mapping, page); order != 0 && map_run(mapping, page, order))
    return {};
  FrameRef frame = TRY(FrameRef::allocate_for_program(FrameContent::kZeroed));
  set_frame_kind(frame.address(), FrameKind::kAnonymous);
  return map_frame(mapping, page, std::move(frame), mapping.protection);
}

Result<> State::fault(Mapping& mapping, u64 page, Protection access) {
  Pmap::Mapping present;
  bool there = pmap->lookup(UserAddr(page), present);
  // Somebody else was faster, or the processor had not noticed yet.
  if (there && permits(present.protection, access)) return {};
  if (UserAddr lent; pmap->next_lent(UserAddr(page), UserAddr(page + kPageSize), lent)) {
    TRY(pmap->own(UserAddr(page), 1));
    there = pmap->lookup(UserAddr(page), present);
    if (there && permits(present.protection, access)) return {};
  }
  if (!there) return fault_absent(mapping, page, access);
  if (access == Protection::kWrite) {
    if (notes_writes(mapping))
      TRY(mapping.object->page(mapping.object_index(page), MemoryObject::Access::kWrite));
    return break_sharing(mapping, page, present.frame);
  }
  // mprotect(2) hid it, and gave rights back since.
  const bool sole = !mapping.shared() && frame_refs(present.frame) == 1;
  pmap->protect(UserAddr(page), 1, sole ? mapping.protection : unwritten_protection(mapping));
  return {};
}

// A hole of a file that is mapped privately is copied from nothing when it is written first. Who
// wants all of it in memory at once has it in the file as well, where others see it (mincore(2)).
Result<> State::fill_hole(const Mapping& mapping, u64 page) {
  if (!mapping.object || mapping.shared() || mapping.object->notes_writes()) return {};
  const u64 index = mapping.object_index(page);
  if (index * kPageSize >= mapping.object->size()) return {};
  if (TRY(mapping.object->page(index, MemoryObject::Access::kRead))) return {};
  TRY(mapping.object->page(index, MemoryObject::Access::kWrite));
  return {};
}

Result<> State::populate(u64 start, u64 end) {
  for (Mapping* mapping = first_above(start); mapping && mapping->start < end;
       mapping = mappings.next(*mapping)) {
    if (mapping->protection == Protection::kNone) continue;
    const Protection access =
        has(mapping->protection, Protection::kWrite) ? Protection::kWrite : Protection::kRead;
    const u64 from = mapping->start > start ? mapping->start : start;
    const u64 to = mapping->end < end ? mapping->end : end;
    for (u64 page = from; page < to; page += kPageSize) {
      TRY(fill_hole(*mapping, page));
      TRY(fault(*mapping, page, access));
    }
  }
  return {};
}

Mapping* State::grow_down(u64 address) {
  Mapping* mapping = first_above(address);
  if (!mapping || !has(mapping->flags, MapFlags::kGrowsDown)) return nullptr;
  const u64 start = align_down(address, kPageSize);
  if (start < kUserMin.value || mapping->end - start > limits.stack) return nullptr;
  const u64 growth = mapping->start - start;
  if (total_pages * kPageSize + growth > limits.address_space) return nullptr;
  if (!promise(*mapping, growth).ok()) return nullptr;
  if (has(mapping->flags, MapFlags::kLocked) && locked_pages * kPageSize + growth > lock_limit())
    return nullptr;
  // A gap stays below, so that a frame that jumps over it is noticed (mmap(2), MAP_GROWSDOWN).
  const Mapping* below = mappings.previous(*mapping);
  if (below && below->stubs) {
    if (!yield(below->start, below->end).ok()) return nullptr;
    below = mappings.previous(*mapping);
  }
  if (below && below->protection != Protection::kNone && !has(below->flags, MapFlags::kGrowsDown) &&
      start - below->end < kStackGuardGap)
    return nullptr;
  set_bounds(*mapping, start, mapping->end);
  return mapping;
}

// --- from outside -------------------------------------------------------------------------------

Result<> AddressSpace::handle_fault(UserAddr address, Protection access) {
  if (address < kUserMin || address >= kUserEnd) return Errno::kFault;
  State& s = *state_;
  Session session(s);
  Mapping* mapping = s.find(address.value);
  if (!mapping) mapping = s.grow_down(address.value);
  if (!mapping) return Errno::kFault;
  if (!permits(mapping->protection, access)) return Errno::kAcces;
  return s.fault(*mapping, address.page().value, access);
}

bool AddressSpace::peek_page(UserAddr page, std::span<std::byte, kPageSize> to) {
  State& s = *state_;
  Session session(s);
  Pmap::Mapping present;
  if (s.pmap->lookup(page, present)) {
    if (is_zero_frame(present.frame)) return false;
    copy_page(to.data(), platform::direct_map(present.frame));
    s.show_originals(page.value, to);
    return true;
  }
  Mapping* mapping = s.find(page.value);
  if (!mapping || !mapping->object) return false;
  MemoryObject& object = *mapping->object;
  const u64 index = mapping->object_index(page.value);
  if (index >= div_round_up(object.size(), kPageSize)) return false;
  const auto frame = object.page(index, MemoryObject::Access::kRead);
  if (!frame.ok() || !frame.value()) return false;
  copy_page(to.data(), frame.value().data());
  return true;
}

void AddressSpace::drop_object_pages(const MemoryObject& object, u64 first, u64 last) {
  State& s = *state_;
  Session session(s);
  const u64 object_pages = div_round_up(object.size(), kPageSize);
  for (Mapping* mapping = s.mappings.first(); mapping; mapping = s.mappings.next(*mapping)) {
    if (mapping->object.get() != &object) continue;
    const u64 low = mapping->object_index(mapping->start), high = low + mapping->pages();
    const auto drop = [&](u64 from, u64 to, bool only_of_object) {
      if (from < low) from = low;
      if (to > high) to = high;
      if (from >= to) return;
      const u64 start = mapping->start + (from - low) * kPageSize;
      s.drop_pages(start, start + (to - from) * kPageSize, only_of_object);
    };
    // Beyond the end private copies go too (mmap(2)); a hole punched inside leaves them.
    const u64 border = first > object_pages ? first : last < object_pages ? last : object_pages;
    drop(first, border, true);
    drop(border, last, false);
  }
}

}  // namespace narwhal
