// A copy for fork(2), and what others may know of an address space.
#include <cstring>

#include "kernel/mm/address_space_state.h"

namespace narwhal {

using State = AddressSpace::State;

namespace {

// Shows the child every private page of the parent in [start, end), neither with the right to
// write. Pages of objects are left to faults. ENOMEM: what is done so far is the child's to undo.
Result<> share_pages(State& parent, State& child, u64 start, u64 end) {
  const usize pages = (end - start) / kPageSize;
  TRY(parent.pmap->own(UserAddr(start), pages));
  return parent.pmap->share(UserAddr(start), pages, *child.pmap, [](PhysAddr frame) {
    return frame_kind(frame) == FrameKind::kAnonymous;
  });
}

// The same for a whole mapping: what it has of whole page tables is lent.
Result<> share_pages(State& parent, State& child, const Mapping& mapping) {
  const u64 table = Pmap::kLendPages * kPageSize;
  const u64 start = mapping.start, end = mapping.end;
  const u64 first = table == 0 ? end : align_up(start, table);
  const u64 last = table == 0 ? end : align_down(end, table);
  if (mapping.object || first >= last) return share_pages(parent, child, start, end);
  TRY(share_pages(parent, child, start, first));
  TRY(parent.pmap->lend(UserAddr(first), (last - first) / kPageSize, *child.pmap));
  return share_pages(parent, child, last, end);
}

}  // namespace

Result<Ref<AddressSpace>> AddressSpace::clone() {
  auto child = TRY(create());
  child->layout = layout;
  State& from = *state_;
  State& to = *child->state_;
  Session session(from);
  to.limits = from.limits;
  to.mmap_base = from.mmap_base;
  to.heap_start = from.heap_start;
  to.heap_end = from.heap_end;
  to.huge_pages_allowed = from.huge_pages_allowed;
  to.has_seals = from.has_seals;
  to.write_exec_rule = State::inherited(from.write_exec_rule);
  for (const u64 word : from.auxiliary_words) TRY(to.auxiliary_words.push_back(word));
  TRY(to.copy_calls(from));
  // Counted by what stays behind, so that nobody has to look into the tables that are lent.
  u64 left_behind = 0;
  for (Mapping* mapping = from.mappings.first(); mapping; mapping = from.mappings.next(*mapping)) {
    if (mapping->keep_from_child || mapping->wipe_in_child)
      left_behind += from.anonymous_pages(mapping->start, mapping->end);
    if (mapping->keep_from_child) continue;
    TRY(State::promise(*mapping, mapping->size()));
    Own<Mapping> copy = TRY(from.copy(*mapping, mapping->start, mapping->end, to));
    copy->flags &= ~MapFlags::kLocked;  // locks are not inherited (mlock(2))
    to.insert(*copy.release());
    if (!mapping->shared() && !mapping->wipe_in_child) TRY(share_pages(from, to, *mapping));
  }
  to.resident_anonymous = to.peak_resident = from.resident_anonymous - left_behind;
  return child;
}

Result<AddressSpace::SharedLocation> AddressSpace::shared_location(UserAddr address) {
  Session session(*state_);
  Mapping* mapping = state_->find(address.value);
  if (!mapping) return Errno::kFault;
  if (!mapping->shared()) return SharedLocation{};
  return SharedLocation{mapping->object, mapping->object_offset + (address.value - mapping->start)};
}

void AddressSpace::for_each_mapping(void (*visit)(const MappingInfo& info, void* argument),
                                    void* argument, bool with_residency) {
  State& s = *state_;
  Session session(s);
  for (Mapping* mapping = s.mappings.first(); mapping; mapping = s.mappings.next(*mapping)) {
    if (mapping->stubs) continue;
    MappingInfo info{};
    info.start = UserAddr(mapping->start);
    info.end = UserAddr(mapping->end);
    info.protection = mapping->protection;
    info.shared = mapping->shared();
    info.grows_down = has(mapping->flags, MapFlags::kGrowsDown);
    info.offset = mapping->object ? mapping->object_offset : 0;
    info.source = mapping->source.get();
    info.special_name = mapping->special_name;
    info.name = mapping->name.get();
    info.keep_from_dump = mapping->keep_from_dump;
    info.huge_pages = mapping->huge_pages;
    info.locked = has(mapping->flags, MapFlags::kLocked) ? mapping->pages() : 0;
    UserAddr where;
    Pmap::Mapping present;
    for (u64 at = mapping->start;
         with_residency && s.pmap->next_mapped(UserAddr(at), info.end, where, present);
         at = where.value + kPageSize) {
      const FrameKind kind = frame_kind(present.frame);
      if (kind != FrameKind::kAnonymous && kind != FrameKind::kObject) continue;
      ++info.resident_pages;
      if (kind != FrameKind::kAnonymous) continue;
      ++info.private_dirty_pages;
      info.large_pages += present.large;
    }
    visit(info, argument);
  }
}

void AddressSpace::page_map(UserAddr start, std::span<u64> out) {
  constexpr u64 kPresent = u64{1} << 63, kOfFile = u64{1} << 61, kExclusive = u64{1} << 56;
  State& s = *state_;
  Session session(s);
  for (usize i = 0; i < out.size(); ++i) {
    const UserAddr at = start + i * kPageSize;
    out[i] = 0;
    Pmap::Mapping present;
    const Mapping* mapping = s.find(at.value);
    if (!mapping || !s.pmap->lookup(at, present)) continue;
    out[i] = kPresent | present.frame.value / kPageSize;
    if (mapping->object && frame_kind(present.frame) != FrameKind::kAnonymous)
      out[i] |= kOfFile;
    else if (frame_refs(present.frame) == 1)
      out[i] |= kExclusive;
  }
}

namespace {

// Calls piece(kernel pointer, offset from `at`, size) for each page's part of a range, as far as it
// is mapped with the right to `access`. Returns how much that was.
template <typename Piece>
usize for_each_piece(State& s, u64 at, usize size, Protection access, Piece piece) {
  usize done = 0;
  while (done < size) {
    const UserAddr where(at + done);
    Mapping* mapping = s.find(where.value);
    if (!mapping || !has(mapping->protection, access)) break;
    if (!s.fault(*mapping, where.page().value, access).ok()) break;
    Pmap::Mapping present;
    if (!s.pmap->lookup(where, present)) break;
    const usize room = kPageSize - where.page_offset();
    const usize part = size - done < room ? size - done : room;
    piece(platform::direct_map(present.frame.page()) + where.page_offset(), done, part);
    done += part;
  }
  return done;
}

}  // namespace

usize AddressSpace::read_memory(UserAddr from, std::span<std::byte> to) {
  if (!user_range_ok(from, to.size())) return 0;
  Session session(*state_);
  const usize done = for_each_piece(*state_, from.value, to.size(), Protection::kRead,
                                    [&](const std::byte* page, usize offset, usize size) {
                                      std::memcpy(to.data() + offset, page, size);
                                    });
  state_->show_originals(from.value, to.first(done));
  return done;
}

usize AddressSpace::write_memory(UserAddr to, std::span<const std::byte> from) {
  if (!user_range_ok(to, from.size())) return 0;
  Session session(*state_);
  return for_each_piece(*state_, to.value, from.size(), Protection::kWrite,
                        [&](std::byte* page, usize offset, usize size) {
                          std::memcpy(page, from.data() + offset, size);
                        });
}

AddressSpace::Statistics AddressSpace::statistics() {
  State& s = *state_;
  Session session(s);
  Statistics result{};
  result.total = s.total_pages;
  result.resident_anonymous = s.resident_anonymous;
  result.resident_file = s.resident_object;
  result.locked = s.locked_pages;
  result.peak_total = s.peak_pages;
  result.peak_resident = s.peak_resident;
  for (Mapping* mapping = s.mappings.first(); mapping; mapping = s.mappings.next(*mapping)) {
    if (mapping->stubs) continue;
    const bool writable = has(mapping->protection, Protection::kWrite);
    if (has(mapping->flags, MapFlags::kGrowsDown))
      result.stack += mapping->pages();
    else if (writable && !mapping->shared())
      result.data += mapping->pages();
    else if (!writable && has(mapping->protection, Protection::kExecute))
      result.executable += mapping->pages();
  }
  return result;
}

}  // namespace narwhal
