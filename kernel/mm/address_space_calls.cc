// System calls that become direct calls (docs/decisions/0043-direct-calls.md): the jumps in
// programs' code and the stubs that they lead to, and how all that is taken back, or hidden, where
// a program or a debugger would see it.
#include <bit>
#include <cstring>

#include "kernel/mm/address_space_state.h"
#include "kernel/mm/call_sites.h"
#include "kernel/mm/page_ops.h"

namespace narwhal {

using State = AddressSpace::State;

namespace {

constinit const AddressSpace::CallRewriter* rewriter = nullptr;

// A call that is made once costs less than a place for it: of a page that gets its first jump, the
// program needs a copy.
constexpr u32 kTimesBefore = 2;
// A program that goes on changing its code is left alone.
constexpr u32 kMostUndone = 1000;
// Stubs lie where mmap(2) looks last: above the place from which it goes down; and near programs
// that are far from there, far below them.
constexpr u64 kRoomForStubs = 1 * kMiB;
constexpr u64 kFar = (u64{2} * kGiB) - 2 * kMiB;

bool overlaps(u64 start, u64 end, u64 other_start, u64 other_end) {
  return start < other_end && other_start < end;
}

// The bytes of a page that is there, for the kernel; null if it is not.
std::byte* bytes_at(const Pmap& pmap, u64 address) {
  Pmap::Mapping present;
  if (!pmap.lookup(UserAddr(address), present)) return nullptr;
  return platform::direct_map(present.frame.page()) + address % kPageSize;
}

// Whether the jump to a stub is there still: a page can be lost and come back as it was.
bool has_jump(const std::byte* bytes, const CallArea& area, u32 slot) {
  std::byte jump[rewrite::kJumpSize];
  rewrite::write_jump(jump, area.entries[slot].site.at, area.stub(slot));
  return std::memcmp(bytes, jump, sizeof jump) == 0;
}

// Calls visit(area, slot, entry) for the jumps that lie in a range, and the calls behind them.
template <typename Visit>
void for_each_jump(CallSites& calls, u64 start, u64 end, Visit visit) {
  for (CallArea* area = calls.areas.load(Order::kAcquire); area; area = area->next) {
    const u32 used = area->used.load(Order::kRelaxed);
    for (u32 slot = 0; slot < used; ++slot) {
      CallArea::Entry& entry = area->entries[slot];
      if (entry.live && overlaps(entry.site.at, entry.site.call() + rewrite::kCallSize, start, end))
        visit(*area, slot, entry);
    }
  }
}

// What runs or may be changed without our noticing stays as it is.
bool may_rewrite(const Mapping& mapping) {
  return has(mapping.protection, Protection::kExecute) &&
         !has(mapping.protection, Protection::kWrite) && !mapping.shared() && !mapping.stubs &&
         !mapping.keep_from_child && !mapping.wipe_in_child &&
         !(mapping.object && mapping.object->has_shared_writers());
}

}  // namespace

void AddressSpace::set_call_rewriter(const CallRewriter* with) {
  rewriter = with;
}

// --- making

// The code before a call into `out`, which it fills from the end: as much as there is. Returns how
// much.
usize State::code_before(u64 call, std::span<std::byte> out) {
  usize got = 0;
  while (got < out.size()) {
    const u64 end = call - got;
    const u64 page = align_down(end - 1, kPageSize);
    Mapping* mapping = find(page);
    if (!mapping || !has(mapping->protection, Protection::kExecute)) break;
    if (!fault(*mapping, page, Protection::kRead).ok()) break;
    const std::byte* bytes = bytes_at(*pmap, page);
    if (!bytes) break;
    usize part = end - page;
    if (part > out.size() - got) part = out.size() - got;
    std::memcpy(out.data() + out.size() - got - part, bytes + (end - page) - part, part);
    got += part;
  }
  return got;
}

// Changes code that lies in one page of a private mapping, which then is nobody else's. Other CPUs
// may be running it: they find the page as it was, or as it is afterwards.
bool State::change_code(Mapping& mapping, u64 at, std::span<const u8> bytes) {
  const u64 page = align_down(at, kPageSize);
  // The table may be one that fork(2) lent.
  if (!pmap->own(UserAddr(page), 1).ok() || !fault(mapping, page, Protection::kRead).ok())
    return false;
  Pmap::Mapping present;
  if (!pmap->lookup(UserAddr(page), present)) return false;
  const bool own =
      frame_kind(present.frame) == FrameKind::kAnonymous && frame_refs(present.frame) == 1;
  if (own && platform::cpu_count() == 1) {
    std::memcpy(platform::direct_map(present.frame) + at % kPageSize, bytes.data(), bytes.size());
    return true;
  }
  auto copy = FrameRef::allocate_for_program(FrameContent::kAny);
  if (!copy.ok()) return false;
  copy_page(copy.value().data(), platform::direct_map(present.frame));
  std::memcpy(copy.value().data() + at % kPageSize, bytes.data(), bytes.size());
  set_frame_kind(copy.value().address(), FrameKind::kAnonymous);
  if (!map_frame(mapping, page, copy.take(), mapping.protection).ok()) return false;
  count(present.frame, -1);
  frame_drop_ref(present.frame);
  return true;
}

u64 State::place_for_stubs(u64 call) const {
  const u64 site = align_down(call, kPageSize);
  const auto fits = [&](u64 at) { return at != 0 && rewrite::in_reach(site, at); };
  u64 at = mmap_base < kUserEnd.value - kRoomForStubs
               ? find_free(kPageSize, mmap_base, mmap_base + kRoomForStubs)
               : 0;
  if (fits(at)) return at;
  const u64 low = site > kFar + kUserMin.value ? site - kFar : kUserMin.value;
  at = find_free(kPageSize, low, low + kRoomForStubs);
  if (fits(at)) return at;
  at = find_free(kPageSize, low, site);
  if (fits(at)) return at;
  const u64 high = site < kUserEnd.value - kFar ? site + kFar : kUserEnd.value;
  at = find_free(kPageSize, site, high);
  return fits(at) ? at : 0;
}

CallArea* State::make_call_area(u64 site) {
  const u64 start = place_for_stubs(site);
  if (start == 0) return nullptr;
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
  std::memcpy(frame.value().data(), &rewriter->entry, sizeof rewriter->entry);
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

bool State::rewrite_call(u64 call, u64 number) {
  std::byte code[rewrite::kMostMoved * 8];
  const usize size = code_before(call, code);
  rewrite::Site site;
  if (!rewriter->find_site(std::span(code).last(size), call, number, site)) return false;
  Mapping* mapping = find(site.at);
  const u64 last = call + rewrite::kCallSize - 1;
  if (!mapping || !mapping->contains(last) || !may_rewrite(*mapping)) return false;
  if (align_down(site.at, kPageSize) != align_down(site.at + rewrite::kJumpSize - 1, kPageSize))
    return false;
  CallArea* area = calls->areas.load();
  while (area && !(area->open && area->there && area->used.load() < CallArea::kSites &&
                   rewrite::in_reach(area->start, site.at)))
    area = area->next;
  if (!area) area = make_call_area(site.at);
  if (!area) return false;
  std::byte* const page = bytes_at(*pmap, area->start);
  if (!page) return false;
  const u32 slot = area->used.load();
  const u64 stub = area->stub(slot);
  area->entries[slot] = {site, true};
  // Nothing leads there yet, so it may be written in place.
  rewrite::write_stub(
      std::span<std::byte, rewrite::kStubSize>(page + (stub - area->start), rewrite::kStubSize),
      stub, site, area->start, rewriter->cpu_block);
  area->used.store(slot + 1, Order::kRelease);
  u8 jump[rewrite::kJumpSize];
  rewrite::write_jump(std::as_writable_bytes(std::span(jump)), site.at, stub);
  if (change_code(*mapping, site.at, jump)) return true;
  area->entries[slot].live = false;
  return false;
}

bool AddressSpace::note_caught_call(UserAddr call, u64 number) {
  if (!rewriter) return false;
  State& s = *state_;
  Session session(s);
  if (s.calls_stay) return false;
  if (!s.calls) s.calls = Own(new (std::nothrow) CallSites());
  if (!s.calls || s.calls->undone >= kMostUndone) return false;
  CallSites::Seen& seen = s.calls->seen_at(call.value);
  if (seen.call != call.value) seen = {.call = call.value};
  // What could not be done then may be possible later, for other code at the same place.
  ++seen.times;
  if (seen.times < kTimesBefore || !std::has_single_bit(seen.times)) return false;
  return s.rewrite_call(call.value, number);
}

// --- taking back

bool State::undo_call(CallArea& area, u32 slot) {
  CallArea::Entry& entry = area.entries[slot];
  const rewrite::Site& site = entry.site;
  Mapping* mapping = find(site.at);
  const std::byte* bytes = mapping ? bytes_at(*pmap, site.at) : nullptr;
  if (bytes && has_jump(bytes, area, slot) &&
      !change_code(*mapping, site.at, std::span(site.original).first(rewrite::kJumpSize)))
    return false;
  entry.live = false;
  ++calls->undone;
  // It may become one again.
  if (CallSites::Seen& seen = calls->seen_at(site.call()); seen.call == site.call()) seen = {};
  return true;
}

Result<> State::undo_calls(u64 start, u64 end) {
  if (!calls) return {};
  bool all = true;
  for_each_jump(*calls, start, end,
                [&](CallArea& area, u32 slot, CallArea::Entry&) { all &= undo_call(area, slot); });
  return all ? Result<>() : Result<>(Errno::kNoMem);
}

Result<> State::clear_stubs(u64 start, u64 end) {
  if (!calls) return {};
  for (CallArea* area = calls->areas.load(); area; area = area->next) {
    if (!area->there || !overlaps(area->start, area->start + kPageSize, start, end)) continue;
    const u32 used = area->used.load();
    for (u32 slot = 0; slot < used; ++slot)
      if (area->entries[slot].live && !undo_call(*area, slot)) return Errno::kNoMem;
    Mapping* mapping = find(area->start);
    TRY(pmap->own(UserAddr(area->start), 1));
    drop_pages(mapping->start, mapping->end);
    remove(*mapping);
    mapping->next_removed = removed;
    removed = mapping;
    area->there = false;
  }
  return {};
}

bool State::claim(u64 start, u64 end) {
  return clear_stubs(start, end).ok() && is_free(start, end);
}

Result<> State::yield(u64 start, u64 end) {
  TRY(undo_calls(start, end));
  return clear_stubs(start, end);
}

void AddressSpace::keep_calls() {
  State& s = *state_;
  Session session(s);
  s.calls_stay = true;
  // Without memory for it, what reads the code sees the original nevertheless.
  s.undo_calls(0, kUserEnd.value).ignore();
}

void AddressSpace::undo_call(UserAddr site) {
  State& s = *state_;
  Session session(s);
  s.undo_calls(site.value, site.value + 1).ignore();
  if (!s.calls) return;
  // Whoever steps through it would come here each time.
  ++s.calls->undone;
}

// --- hiding

void State::show_originals(u64 at, std::span<std::byte> bytes) const {
  if (!calls) return;
  for_each_jump(*calls, at, at + bytes.size(),
                [&](CallArea& area, u32 slot, CallArea::Entry& entry) {
                  const rewrite::Site& site = entry.site;
                  const std::byte* there = bytes_at(*pmap, site.at);
                  if (!there || !has_jump(there, area, slot)) return;
                  for (usize i = 0; i < rewrite::kJumpSize; ++i)
                    if (const u64 offset = site.at + i - at; offset < bytes.size())
                      bytes[offset] = std::byte{site.original[i]};
                });
}

const rewrite::Site* AddressSpace::stub_at(UserAddr address, bool& begun) const {
  const CallSites* calls = state_->calls.get();
  if (!calls) return nullptr;
  for (const CallArea* area = calls->areas.load(Order::kAcquire); area; area = area->next) {
    const u64 offset = address.value - area->start - rewrite::kAreaHeader;
    if (offset >= kPageSize - rewrite::kAreaHeader) continue;
    const u64 slot = offset / rewrite::kStubSize;
    if (slot >= area->used.load(Order::kAcquire)) continue;
    begun = offset % rewrite::kStubSize != 0;
    return &area->entries[slot].site;
  }
  return nullptr;
}

// --- fork(2)

Result<> State::copy_calls(const State& from) {
  calls_stay = from.calls_stay;
  if (!from.calls) return {};
  calls = Own(new (std::nothrow) CallSites());
  if (!calls) return Errno::kNoMem;
  for (usize i = 0; i < CallSites::kSeen; ++i) calls->seen[i] = from.calls->seen[i];
  for (const CallArea* area = from.calls->areas.load(); area; area = area->next) {
    if (!area->there) continue;
    auto* copy = new (std::nothrow) CallArea();
    if (!copy) return Errno::kNoMem;
    const u32 used = area->used.load();
    copy->start = area->start;
    copy->open = false;
    copy->used.store(used);
    for (u32 slot = 0; slot < used; ++slot) copy->entries[slot] = area->entries[slot];
    copy->next = calls->areas.load();
    calls->areas.store(copy);
  }
  return {};
}

}  // namespace narwhal
