// Where pages shall lie, get_mempolicy(2) and its family; and remap_file_pages(2).
#include "kernel/mm/address_space_state.h"
#include "kernel/mm/page_range.h"

namespace narwhal {

using State = AddressSpace::State;

Result<> AddressSpace::set_memory_policy(UserAddr start, usize length, u32 policy) {
  const PageRange range = TRY(PageRange::of(start, length));
  State& s = *state_;
  Session session(s);
  if (!s.is_covered(range.start, range.end)) return Errno::kFault;
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  for (Mapping* mapping = s.find(range.start); mapping && mapping->start < range.end;
       mapping = s.mappings.next(*mapping))
    mapping->memory_policy = policy;
  s.merge_range(range.start, range.end);
  return {};
}

Result<u32> AddressSpace::memory_policy(UserAddr address) {
  State& s = *state_;
  Session session(s);
  const Mapping* mapping = s.find(address.value);
  if (!mapping) return Errno::kFault;
  return mapping->memory_policy;
}

Result<> AddressSpace::find_page(UserAddr address) {
  State& s = *state_;
  Session session(s);
  if (!s.find(address.value)) return Errno::kFault;
  Pmap::Mapping present;
  return s.pmap->lookup(address.page(), present) ? Result<>() : Result<>(Errno::kNoEnt);
}

Result<> AddressSpace::remap_file_pages(UserAddr start, usize length, u64 object_offset,
                                        MapFlags populate) {
  MapRequest request;
  request.hint = start;
  request.length = length;
  request.object_offset = object_offset;
  {
    State& s = *state_;
    Session session(s);
    Mapping* first = s.find(start.value);
    if (!first || !first->shared() || !first->object) return Errno::kInval;
    // What was remapped before is in pieces; all of them have to show the same file.
    for (Mapping* part = first; part->end < start.value + length;) {
      Mapping* next = s.mappings.next(*part);
      if (!next || next->start != part->end || next->object != first->object ||
          next->protection != first->protection || next->flags != first->flags)
        return Errno::kInval;
      part = next;
    }
    request.protection = first->protection;
    request.max_protection = first->max_protection;
    request.flags = first->flags | MapFlags::kFixed | populate;
    request.object = first->object;
    request.source = first->source;
  }
  TRY(map(request));
  return {};
}

}  // namespace narwhal
