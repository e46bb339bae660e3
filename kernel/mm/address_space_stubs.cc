// Where the stubs of direct calls lie (docs/decisions/0043-direct-calls.md).
#include "kernel/mm/address_space_state.h"
#include "kernel/mm/call_sites.h"

namespace narwhal {

using State = AddressSpace::State;

namespace {

// Stubs lie where mmap(2) looks last: above the place from which it goes down; and near programs
// that are far from there, far below them.
constexpr u64 kRoomForStubs = 1 * kMiB;
constexpr u64 kFar = (u64{2} * kGiB) - 2 * kMiB;
// Pages with stubs of short sites that a program may have: at worst each is for one of them.
constexpr u32 kMostForShort = 64;

bool has_slot(u64 page, const rewrite::StubRange& range) {
  for (u32 slot = 0; slot < CallArea::kSites; ++slot)
    if (range.has(CallArea::stub_in(page, slot))) return true;
  return false;
}

}  // namespace

// A page for a site that reaches far.
u64 State::place_for_stubs(const rewrite::Site& site, const rewrite::StubRange& range) const {
  const u64 page = align_down(site.at, kPageSize);
  const auto fits = [&](u64 at) { return at != 0 && has_slot(at, range); };
  u64 at = mmap_base < kUserEnd.value - kRoomForStubs
               ? find_free(kPageSize, mmap_base, mmap_base + kRoomForStubs)
               : 0;
  if (fits(at)) return at;
  const u64 low = page > kFar + kUserMin.value ? page - kFar : kUserMin.value;
  at = find_free(kPageSize, low, low + kRoomForStubs);
  if (fits(at)) return at;
  at = find_free(kPageSize, low, page);
  if (fits(at)) return at;
  const u64 high = page < kUserEnd.value - kFar ? page + kFar : kUserEnd.value;
  at = find_free(kPageSize, page, high);
  return fits(at) ? at : 0;
}

// A page for a short one: best where its neighbours find it, too.
u64 State::place_for_short(const rewrite::StubRange& range) const {
  if (range.first < kUserMin.value || range.last >= kUserEnd.value) return 0;
  const u64 shared = align_down(align_up(range.first, range.size()), kPageSize);
  const u64 first = align_up(range.first, kPageSize), last = align_down(range.last, kPageSize);
  const u64 free = first < last ? find_free(kPageSize, first, last) : 0;
  for (const u64 page : {shared, align_down(range.first, kPageSize), last, free})
    if (page >= kUserMin.value && page + kPageSize <= kUserEnd.value &&
        is_free(page, page + kPageSize) && has_slot(page, range))
      return page;
  return 0;
}

CallArea* State::make_call_area(u64 start, u64 entry) {
  Own<CallArea> area(new (std::nothrow) CallArea());
  Own<Mapping> mapping(new (std::nothrow) Mapping());
  auto frame = FrameRef::allocate_for_program(FrameContent::kZeroed);
  if (!area || !mapping || !frame.ok()) return nullptr;
  mapping->start = start;
  mapping->end = start + kPageSize;
  mapping->protection = mapping->max_protection = Protection::kRead | Protection::kExecute;
  mapping->flags = MapFlags::kPrivate | MapFlags::kAnonymous;
  mapping->stubs = true;
  mapping->space = owner;
  std::memcpy(frame.value().data(), &entry, sizeof entry);
  set_frame_kind(frame.value().address(), FrameKind::kAnonymous);
  // The table may be one that fork(2) lent.
  if (!pmap->own(UserAddr(start), 1).ok() ||
      !map_frame(*mapping, start, frame.take(), mapping->protection).ok())
    return nullptr;
  insert(*mapping.release());
  area->start = start;
  area->next = calls->areas.load();
  calls->areas.store(area.get(), Order::kRelease);
  return area.release();
}

bool State::find_stub_place(const rewrite::Site& site, const rewrite::StubRange& range, u64 entry,
                            bool often, StubPlace& out) {
  for (CallArea* area = calls->areas.load(); area; area = area->next) {
    if (!area->there || (area->for_short && !site.is_short())) continue;
    out = {area, area->free_slot(range)};
    if (out.slot < CallArea::kSites) return true;
  }
  u64 page = 0;
  if (!site.is_short())
    page = place_for_stubs(site, range);
  else if (often && calls->areas_for_short < kMostForShort)
    page = place_for_short(range);
  if (page == 0) return false;
  CallArea* const area = make_call_area(page, entry);
  if (!area) return false;
  area->for_short = site.is_short();
  calls->areas_for_short += area->for_short;
  out = {area, area->free_slot(range)};
  return true;
}

}  // namespace narwhal
