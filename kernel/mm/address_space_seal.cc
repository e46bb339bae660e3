// mseal(2): mappings that stay what and where they are until their process ends.
#include "kernel/mm/address_space_state.h"
#include "kernel/mm/page_range.h"

namespace narwhal {

using State = AddressSpace::State;

Result<> State::check_seals(u64 start, u64 end) const {
  if (!has_seals) return {};
  for (Mapping* mapping = first_above(start); mapping && mapping->start < end;
       mapping = mappings.next(*mapping))
    if (mapping->sealed) return Errno::kPerm;
  return {};
}

Result<> AddressSpace::seal(UserAddr start, usize length) {
  const auto checked = PageRange::of(start, length);
  if (!checked.ok()) return Errno::kInval;
  const PageRange range = checked.value();
  if (range.start == range.end) return {};
  State& s = *state_;
  Session session(s);
  TRY(s.clear_stubs(range.start, range.end));
  if (!s.is_covered(range.start, range.end)) return Errno::kNoMem;
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  s.has_seals = true;
  for (Mapping* mapping = s.find(range.start); mapping && mapping->start < range.end;
       mapping = s.mappings.next(*mapping))
    mapping->sealed = true;
  s.merge_range(range.start, range.end);
  return {};
}

}  // namespace narwhal
