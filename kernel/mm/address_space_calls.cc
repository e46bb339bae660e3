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
// Nor is a page for the stubs of few sites worth it before they are known to be called often.
constexpr u32 kTimesBeforePage = 16;
// A program that goes on changing its code is left alone.
constexpr u32 kMostUndone = 1000;

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
  const rewrite::Site& site = area.entries[slot].site;
  std::byte jump[rewrite::kJumpSize];
  rewrite::write_jump(jump, site.at, area.stub(slot));
  return std::memcmp(bytes, jump, site.changed()) == 0;
}

// Calls visit(area, slot, entry) for the jumps that lie in a range, and what they are made of.
template <typename Visit>
void for_each_jump(CallSites& calls, u64 start, u64 end, Visit visit) {
  for (CallArea* area = calls.areas.load(Order::kAcquire); area; area = area->next) {
    if (!overlaps(area->low, area->high, start, end)) continue;
    area->for_each_taken([&](u32 slot) {
      CallArea::Entry& entry = area->entries[slot];
      if (entry.live && overlaps(entry.site.at, entry.site.end(), start, end))
        visit(*area, slot, entry);
    });
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
  show_originals(call - got, out.last(got));
  return got;
}

// Changes code that lies in one page of a private mapping, which then is nobody else's. Other CPUs
// may be running it: they find the page as it was, or as it is afterwards. (To a stub that is being
// written no jump leads yet.)
bool State::change_code(Mapping& mapping, u64 at, std::span<const std::byte> bytes) {
  const u64 page = align_down(at, kPageSize);
  // The table may be one that fork(2) lent.
  if (!pmap->own(UserAddr(page), 1).ok() || !fault(mapping, page, Protection::kRead).ok())
    return false;
  Pmap::Mapping present;
  if (!pmap->lookup(UserAddr(page), present)) return false;
  const bool own =
      frame_kind(present.frame) == FrameKind::kAnonymous && frame_refs(present.frame) == 1;
  if (own && (platform::cpu_count() == 1 || mapping.stubs)) {
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

bool State::rewrite_call(u64 call, u64 number, u32 times) {
  std::byte code[rewrite::kMostMoved * 8];
  const usize size = code_before(call, code);
  rewrite::Site site;
  if (!rewriter->find_site(std::span(code).last(size), call, number, site)) return false;
  Mapping* mapping = find(site.at);
  if (!mapping || !mapping->contains(site.end() - 1) || !may_rewrite(*mapping)) return false;
  const u64 jump_end = site.at + rewrite::kJumpSize;
  if (align_down(site.at, kPageSize) != align_down(jump_end - 1, kPageSize)) return false;
  // No jump may be made of what is another's.
  bool is_near = false;
  for_each_jump(*calls, site.at, jump_end, [&](CallArea&, u32, CallArea::Entry& other) {
    is_near |= overlaps(site.at, jump_end, other.site.at, other.site.at + rewrite::kJumpSize);
  });
  const std::byte* const now = bytes_at(*pmap, site.at);
  if (is_near || !now) return false;
  StubPlace place;
  const std::span<const std::byte, rewrite::kJumpSize> begin(now, rewrite::kJumpSize);
  if (!find_stub_place(site, rewrite::stub_range(site, begin), rewriter->entry,
                       times >= kTimesBeforePage, place))
    return false;
  CallArea& area = *place.area;
  const u64 stub = area.stub(place.slot);
  std::byte code_of_stub[rewrite::kStubSize];
  rewrite::write_stub(code_of_stub, stub, site, area.start);
  if (!change_code(*find(stub), stub, code_of_stub)) return false;
  area.take(place.slot, site);
  std::byte jump[rewrite::kJumpSize];
  rewrite::write_jump(jump, site.at, stub);
  if (change_code(*mapping, site.at, std::span(jump).first(site.changed()))) return true;
  area.entries[place.slot].live = false;
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
  return s.rewrite_call(call.value, number, seen.times);
}

// --- taking back

bool State::undo_call(CallArea& area, u32 slot) {
  CallArea::Entry& entry = area.entries[slot];
  const rewrite::Site& site = entry.site;
  Mapping* mapping = find(site.at);
  const std::byte* bytes = mapping ? bytes_at(*pmap, site.at) : nullptr;
  if (bytes && has_jump(bytes, area, slot) &&
      !change_code(*mapping, site.at,
                   std::as_bytes(std::span(site.original).first(site.changed()))))
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
    bool all = true;
    area->for_each_taken([&](u32 slot) {
      if (area->entries[slot].live) all &= undo_call(*area, slot);
    });
    if (!all) return Errno::kNoMem;
    Mapping* mapping = find(area->start);
    TRY(pmap->own(UserAddr(area->start), 1));
    drop_pages(mapping->start, mapping->end);
    remove(*mapping);
    mapping->next_removed = removed;
    removed = mapping;
    area->there = false;
    calls->areas_for_short -= area->for_short;
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
                  for (usize i = 0; i < site.changed(); ++i)
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
    if (slot >= CallArea::kSites || !area->is_taken(u32(slot))) continue;
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
  calls->areas_for_short = from.calls->areas_for_short;
  for (usize i = 0; i < CallSites::kSeen; ++i) calls->seen[i] = from.calls->seen[i];
  for (CallArea* area = from.calls->areas.load(); area; area = area->next) {
    if (!area->there) continue;
    auto* copy = new (std::nothrow) CallArea();
    if (!copy) return Errno::kNoMem;
    copy->start = area->start;
    copy->for_short = area->for_short;
    area->for_each_taken([&](u32 slot) {
      copy->take(slot, area->entries[slot].site);
      copy->entries[slot].live = area->entries[slot].live;
    });
    copy->next = calls->areas.load();
    calls->areas.store(copy);
  }
  return {};
}

}  // namespace narwhal
