// The set of mappings: finding, adding, splitting, joining, removing.
#include "kernel/mm/address_space.h"

#include "kernel/mm/address_space_state.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/promise.h"

namespace narwhal {

constinit Atomic<u32> max_map_count{65530};

using State = AddressSpace::State;

namespace {

constexpr u64 kLow32End = u64{1} << 31;  // MAP_32BIT: the first 2 GiB

bool same_name(const Mapping& a, const Mapping& b) {
  if (a.name == b.name) return true;
  return a.name && b.name && a.name->text() == b.name->text();
}

// Whether two neighbouring mappings mean the same, so that one can stand for both.
bool joins(const Mapping& low, const Mapping& high) {
  return low.end == high.start && low.protection == high.protection &&
         low.max_protection == high.max_protection && low.flags == high.flags &&
         low.object == high.object && low.source == high.source &&
         low.special_name == high.special_name && low.charged == high.charged &&
         low.keep_from_child == high.keep_from_child && low.wipe_in_child == high.wipe_in_child &&
         low.keep_from_dump == high.keep_from_dump && low.huge_pages == high.huge_pages &&
         low.sealed == high.sealed && low.memory_policy == high.memory_policy &&
         same_name(low, high) && !low.stubs && !high.stubs &&
         (!low.object || low.object_offset + low.size() == high.object_offset);
}

}  // namespace

AddressSpace::Session::Session(State& state) : state_(state) {
  state_.mutex.lock();
}

AddressSpace::Session::~Session() {
  Mapping* removed = std::exchange(state_.removed, nullptr);
  state_.mutex.unlock();
  while (removed) delete std::exchange(removed, removed->next_removed);
}

// --- looking up ----------------------------------------------------------------------------------

Mapping* State::find(u64 address) const {
  Mapping* mapping = mappings.at_or_below(address);
  return mapping && mapping->contains(address) ? mapping : nullptr;
}

Mapping* State::first_above(u64 address) const {
  Mapping* mapping = mappings.at_or_below(address);
  if (mapping && mapping->contains(address)) return mapping;
  return mapping ? mappings.next(*mapping) : mappings.first();
}

bool State::is_free(u64 start, u64 end) const {
  if (Pmap::kept().overlaps(start, end)) return false;
  Mapping* mapping = first_above(start);
  return !mapping || mapping->start >= end;
}

u64 State::find_free(u64 size, u64 low, u64 high) const {
  if (high < size) return 0;
  // From the top down: the range above the last mapping, then the gaps below mappings. A subtree
  // whose largest gap is too small is passed over.
  u64 ceiling = high;
  Mapping* last = mappings.last();
  if (!last || (last->end < high && high - last->end >= size)) {
    const u64 start = high - size;
    return start >= low ? start : 0;
  }
  u64 best = 0;
  auto search = [&](auto& self, Mapping* mapping) -> bool {
    if (!mapping || mapping->largest < size) return false;
    if (mapping->start < ceiling && self(self, Tree::right(*mapping))) return true;
    const u64 gap_end = mapping->start < ceiling ? mapping->start : ceiling;
    const u64 gap_start = mapping->start - mapping->gap;
    const u64 from = gap_start > low ? gap_start : low;
    if (gap_end > from && gap_end - from >= size) {
      best = gap_end - size;
      return true;
    }
    // The gap right of a mapping that straddles the ceiling is looked at by its successor, which
    // lies to the right.
    if (mapping->start >= ceiling && self(self, Tree::left(*mapping))) return true;
    return mapping->start < ceiling && self(self, Tree::left(*mapping));
  };
  // The successor of the ceiling has the gap that reaches up to it.
  search(search, mappings.root());
  return best;
}

Result<u64> State::place(u64 size, bool low) const {
  const Pmap::KeptRange kept = Pmap::kept();
  // Above the base there may be room still.
  const u64 ceilings[] = {low ? kLow32End : mmap_base, low ? 0 : kUserEnd.value};
  for (const u64 ceiling : ceilings) {
    // From the top down: what lies above the kept range, then what lies below it.
    const bool divided = kept.overlaps(kUserMin.value, ceiling);
    const u64 lowest = divided ? kept.end : kUserMin.value;
    u64 start = lowest < ceiling ? find_free(size, lowest, ceiling) : 0;
    if (start == 0 && divided) start = find_free(size, kUserMin.value, kept.start);
    if (start != 0) return start;
  }
  return Errno::kNoMem;
}

bool State::is_covered(u64 start, u64 end) const {
  for (Mapping* mapping = find(start); mapping; mapping = mappings.next(*mapping)) {
    if (mapping->start > start) return false;
    start = mapping->end;
    if (start >= end) return true;
  }
  return false;
}

// --- promising memory
// -----------------------------------------------------------------------------

bool State::is_charged(const Mapping& mapping) {
  if (mapping.shared() || !has(mapping.protection, Protection::kWrite)) return false;
  return !has(mapping.flags, MapFlags::kNoReserve) || overcommit_policy() == Overcommit::kNever;
}

Result<> State::promise(const Mapping& mapping, u64 size) {
  return mapping.charged ? may_promise(size) : Result<>();
}

// To be called with +1 once a mapping is in the tree, and with -1 before it leaves or changes.
static void count_pages(State& s, const Mapping& mapping, int sign) {
  if (mapping.stubs) return;
  const i64 pages = i64(mapping.pages()) * sign;
  s.mapping_count += u64(i64{sign});
  s.total_pages += u64(pages);
  if (has(mapping.flags, MapFlags::kLocked)) s.locked_pages += u64(pages);
  if (mapping.charged) charge_pages(pages);
  if (s.total_pages > s.peak_pages) s.peak_pages = s.total_pages;
}

// --- changing ------------------------------------------------------------------------------------

static void update_gap(State::Tree& tree, Mapping* mapping) {
  if (!mapping) return;
  Mapping* below = tree.previous(*mapping);
  mapping->gap = mapping->start - (below ? below->end : 0);
  tree.refresh(*mapping);
}

void State::insert(Mapping& mapping) {
  mappings.insert(mapping);
  update_gap(mappings, &mapping);
  update_gap(mappings, mappings.next(mapping));
  count_pages(*this, mapping, 1);
}

void State::remove(Mapping& mapping) {
  Mapping* above = mappings.next(mapping);
  mappings.remove(mapping);
  update_gap(mappings, above);
  count_pages(*this, mapping, -1);
  if (mapping.object) mapping.object->detach(mapping);
}

void State::set_bounds(Mapping& mapping, u64 start, u64 end) {
  count_pages(*this, mapping, -1);
  mapping.object_offset += start - mapping.start;
  mapping.start = start;
  mapping.end = end;
  count_pages(*this, mapping, 1);
  update_gap(mappings, &mapping);
  update_gap(mappings, mappings.next(mapping));
}

void State::set_locked(Mapping& mapping, bool locked) {
  if (has(mapping.flags, MapFlags::kLocked) == locked) return;
  if (locked) {
    mapping.flags |= MapFlags::kLocked;
    locked_pages += mapping.pages();
  } else {
    mapping.flags &= ~MapFlags::kLocked;
    locked_pages -= mapping.pages();
  }
}

Result<Own<Mapping>> State::copy(const Mapping& model, u64 start, u64 end, State& into) const {
  auto made = TRY(make_own<Mapping>());
  made->start = start;
  made->end = end;
  made->protection = model.protection;
  made->max_protection = model.max_protection;
  made->flags = model.flags;
  made->charged = model.charged;
  made->keep_from_child = model.keep_from_child;
  made->wipe_in_child = model.wipe_in_child;
  made->keep_from_dump = model.keep_from_dump;
  made->huge_pages = model.huge_pages;
  made->sealed = model.sealed;
  made->stubs = model.stubs;
  made->memory_policy = model.memory_policy;
  made->object = model.object;
  made->object_offset = model.object_offset + (start - model.start);
  made->source = model.source;
  made->special_name = model.special_name;
  made->name = model.name;
  made->space = into.owner;
  if (made->object) TRY(made->object->attach(*made));
  return made;
}

Result<> State::split(u64 at) {
  Mapping* low = find(at);
  if (!low || low->start == at) return {};
  return is_full() ? Result<>(Errno::kNoMem) : split(*low, at);
}

Result<> State::split(Mapping& whole, u64 at) {
  Mapping* low = &whole;
  auto high = TRY(copy(*low, at, low->end, *this));
  set_bounds(*low, low->start, at);
  insert(*high.release());
  return {};
}

Mapping* State::merge(Mapping& mapping) {
  Mapping* result = &mapping;
  if (Mapping* below = mappings.previous(*result); below && joins(*below, *result)) {
    const u64 end = result->end;
    remove(*result);
    delete result;
    set_bounds(*below, below->start, end);
    result = below;
  }
  if (Mapping* above = mappings.next(*result); above && joins(*result, *above)) {
    const u64 end = above->end;
    remove(*above);
    delete above;
    set_bounds(*result, result->start, end);
  }
  return result;
}

void State::merge_range(u64 start, u64 end) {
  Mapping* mapping = start == 0 ? mappings.first() : first_above(start - 1);
  while (mapping && mapping->start <= end) mapping = mappings.next(*merge(*mapping));
}

Result<> State::clear(u64 start, u64 end) {
  Mapping* mapping = first_above(start);
  if (!mapping || mapping->start >= end) return {};
  TRY(check_seals(start, end));
  TRY(yield(start, end));
  mapping = first_above(start);
  if (!mapping || mapping->start >= end) return {};
  // Only a hole in the middle makes mappings more.
  if (mapping->start < start && mapping->end > end && is_full()) return Errno::kNoMem;
  if (mapping->start < start) TRY(split(*mapping, start));
  if (Mapping* last = find(end); last && last->start < end) TRY(split(*last, end));
  TRY(own_edges(start, end));
  drop_lent_tables(start, end);
  mapping = first_above(start);
  while (mapping && mapping->start < end) {
    Mapping* next = mappings.next(*mapping);
    drop_pages(mapping->start, mapping->end);
    remove(*mapping);
    mapping->next_removed = removed;
    removed = mapping;
    mapping = next;
  }
  return {};
}

Result<Mapping*> State::add(const MapRequest& request, u64 start, u64 length) {
  auto mapping = TRY(make_own<Mapping>());
  mapping->start = start;
  mapping->end = start + length;
  mapping->protection = request.protection;
  mapping->max_protection = request.max_protection;
  constexpr MapFlags kKept = MapFlags::kShared | MapFlags::kPrivate | MapFlags::kGrowsDown |
                             MapFlags::kLocked | MapFlags::kNoReserve;
  mapping->flags = request.flags & kKept;
  mapping->object = request.object;
  mapping->object_offset = request.object_offset;
  mapping->source = request.source;
  mapping->special_name = request.special_name;
  mapping->space = owner;
  mapping->charged = is_charged(*mapping);
  TRY(promise(*mapping, length));
  if (!mapping->object && mapping->shared()) {
    if (!has(mapping->flags, MapFlags::kNoReserve)) TRY(may_promise(length));
    mapping->object = TRY(make_ref<MemoryObject>());
    mapping->object->set_size(length);
  }
  if (mapping->object) TRY(mapping->object->attach(*mapping));
  Mapping& live = *mapping.release();
  insert(live);
  return &live;
}

// --- the calls -----------------------------------------------------------------------------------

Result<Ref<AddressSpace>> AddressSpace::create() {
  auto space = Ref<AddressSpace>::adopt(new (std::nothrow) AddressSpace());
  if (!space) return Errno::kNoMem;
  space->pmap_ = TRY(Pmap::create());
  space->state_ = new (std::nothrow) State();
  if (!space->state_) return Errno::kNoMem;
  space->state_->pmap = space->pmap_.get();
  space->state_->owner = space.get();
  return space;
}

AddressSpace::~AddressSpace() {
  if (!state_) return;
  {
    Session session(*state_);
    pmap_->deactivate();
    state_->has_seals = false;
    state_->calls = nullptr;
    // What others use as well stays with them; the rest is ours to take apart.
    pmap_->give_back(UserAddr(0), kUserEnd.value / kPageSize);
    state_->clear(0, kUserEnd.value).ignore();  // splits nothing: whole mappings only
  }
  delete state_;
}

Result<UserAddr> AddressSpace::map(const MapRequest& request) {
  if (request.length == 0) return Errno::kInval;
  const u64 length = align_up(request.length, kPageSize);
  if (length < request.length || length > kUserEnd.value) return Errno::kNoMem;
  const bool fixed = has(request.flags, MapFlags::kFixed | MapFlags::kFixedNoReplace);
  u64 start = request.hint.value;
  if (fixed) {
    if (!is_aligned(start, kPageSize)) return Errno::kInval;
    if (start > kUserEnd.value - length) return Errno::kNoMem;
    if (start < kUserMin.value) return Errno::kPerm;
  }
  State& s = *state_;
  Session session(s);
  if (s.refuses_execution(request.protection, request.protection)) return Errno::kAcces;
  if (s.mapping_count > max_map_count.load(Order::kRelaxed)) return Errno::kNoMem;
  if ((s.total_pages * kPageSize) + length > s.limits.address_space) return Errno::kNoMem;
  if (has(request.flags, MapFlags::kLocked)) {
    if (s.lock_limit() == 0) return Errno::kPerm;
    if (s.locked_pages * kPageSize + length > s.lock_limit()) return Errno::kAgain;
  }
  if (fixed) {
    if (has(request.flags, MapFlags::kFixedNoReplace) && !s.claim(start, start + length))
      return Errno::kExist;
    // As if the address were beyond the end of all addresses.
    if (Pmap::kept().overlaps(start, start + length)) return Errno::kNoMem;
    TRY(s.clear(start, start + length));
  } else {
    start = align_down(start, kPageSize);
    const bool low = has(request.flags, MapFlags::k32Bit);
    const bool hint_good = start >= kUserMin.value && start <= kUserEnd.value - length && !low &&
                           s.claim(start, start + length);
    if (!hint_good) start = TRY(s.place(length, low));
  }
  Mapping* mapping = TRY(s.add(request, start, length));
  if (s.lock_future) s.set_locked(*mapping, true);
  const bool fill =
      has(mapping->flags, MapFlags::kLocked) ||
      (has(request.flags, MapFlags::kPopulate) && !has(request.flags, MapFlags::kNonBlock));
  s.merge(*mapping);
  // mmap(2): failing to bring pages in is no failure of the call.
  if (fill) s.populate(start, start + length).ignore();
  return UserAddr(start);
}

Result<> AddressSpace::unmap(UserAddr start, usize length) {
  if (!start.page_aligned() || length == 0) return Errno::kInval;
  const u64 size = align_up(length, kPageSize);
  if (size < length || !user_range_ok(start, size)) return Errno::kInval;
  Session session(*state_);
  return state_->clear(start.value, start.value + size);
}

Result<> AddressSpace::unmap_object(UserAddr start, bool (*matches)(const MemoryObject& object)) {
  State& s = *state_;
  Session session(s);
  Ref<MemoryObject> object;
  u64 end = kUserEnd.value;
  Mapping* mapping = s.first_above(start.value);
  while (mapping && mapping->start < end) {
    Mapping* next = s.mappings.next(*mapping);
    const bool in_place = mapping->start >= start.value && mapping->object &&
                          mapping->start - start.value == mapping->object_offset &&
                          (object ? mapping->object == object : matches(*mapping->object));
    if (in_place) {
      object = mapping->object;
      if (object->size() < end - start.value) end = start.value + object->size();
      TRY(s.clear(mapping->start, mapping->end));
    }
    mapping = next;
  }
  return object ? Result<>() : Result<>(Errno::kInval);
}

UserAddr AddressSpace::set_break(UserAddr wanted) {
  State& s = *state_;
  Session session(s);
  const UserAddr unchanged(s.heap_end);
  if (wanted.value < s.heap_start || wanted.value >= kUserEnd.value) return unchanged;
  if (wanted.value - s.heap_start > s.limits.data) return unchanged;
  const u64 old_end = align_up(s.heap_end, kPageSize), new_end = align_up(wanted.value, kPageSize);
  if (new_end < old_end) {
    if (!s.clear(new_end, old_end).ok()) return unchanged;
  } else if (new_end > old_end) {
    // A page is kept free above, as a guard.
    if (!s.claim(old_end, new_end + kPageSize)) return unchanged;
    if (s.total_pages * kPageSize + (new_end - old_end) > s.limits.address_space) return unchanged;
    if (!may_promise(new_end - old_end).ok()) return unchanged;
    Mapping* below = old_end > s.heap_start ? s.find(old_end - 1) : nullptr;
    if (below && below->special_name == kHeapName && !below->object) {
      s.set_bounds(*below, below->start, new_end);
    } else {
      MapRequest request;
      request.protection = Protection::kRead | Protection::kWrite;
      request.flags = MapFlags::kPrivate | MapFlags::kAnonymous;
      request.special_name = kHeapName;
      if (!s.add(request, old_end, new_end - old_end).ok()) return unchanged;
    }
    if (s.lock_future) s.populate(old_end, new_end).ignore();
  }
  s.heap_end = wanted.value;
  return wanted;
}

void AddressSpace::set_heap(UserAddr start, UserAddr end) {
  Session session(*state_);
  state_->heap_start = start.value;
  state_->heap_end = end.value;
}

AddressSpace::Heap AddressSpace::heap() {
  Session session(*state_);
  return {UserAddr(state_->heap_start), UserAddr(state_->heap_end)};
}

void AddressSpace::set_mmap_base(UserAddr base) {
  Session session(*state_);
  state_->mmap_base = base.value;
}

namespace {
constinit bool (*may_lock_anything)() = [] { return false; };
}  // namespace

void AddressSpace::set_lock_privilege(bool (*privileged)()) {
  may_lock_anything = privileged;
}

u64 AddressSpace::State::lock_limit() const {
  return may_lock_anything() ? ~u64{0} : limits.locked;
}

void AddressSpace::set_limits(const Limits& limits) {
  Session session(*state_);
  state_->limits = limits;
}

}  // namespace narwhal
