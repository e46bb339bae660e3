// What prctl(2) says of an address space: PR_SET_VMA, PR_SET_MDWE, PR_SET_MM_AUXV.
#include "kernel/mm/address_space_state.h"
#include "kernel/mm/page_range.h"

namespace narwhal {

using State = AddressSpace::State;

Result<> AddressSpace::set_name(UserAddr start, usize length, Ref<MappingName> name) {
  const auto checked = PageRange::of(start, length);
  if (!checked.ok()) return checked.failed(Errno::kNoMem) ? Errno::kInval : checked.error();
  const PageRange range = checked.value();
  if (range.start == range.end) return {};
  State& s = *state_;
  Session session(s);
  TRY(s.clear_stubs(range.start, range.end));
  TRY(s.split(range.start));
  TRY(s.split(range.end));
  Errno outcome{};
  u64 at = range.start;
  Mapping* mapping = s.first_above(at);
  for (; mapping && mapping->start < range.end; mapping = s.mappings.next(*mapping)) {
    // What lies behind a hole gets its name still, as with madvise(2).
    if (mapping->start > at) outcome = Errno::kNoMem;
    if (mapping->source) {
      outcome = Errno::kBadF;
      break;
    }
    mapping->name = name;
    at = mapping->end;
  }
  if (outcome == Errno{} && at < range.end) outcome = Errno::kNoMem;
  s.merge_range(range.start, range.end);
  if (outcome != Errno{}) return outcome;
  return {};
}

bool AddressSpace::maps_above(UserAddr address) {
  Session session(*state_);
  Mapping* mapping = state_->first_above(address.value);
  while (mapping && mapping->stubs) mapping = state_->mappings.next(*mapping);
  return mapping != nullptr;
}

u8 AddressSpace::write_exec_rule() {
  Session session(*state_);
  return state_->write_exec_rule;
}

Result<> AddressSpace::set_write_exec_rule(u8 rule) {
  Session session(*state_);
  if (state_->write_exec_rule != 0 && state_->write_exec_rule != rule) return Errno::kPerm;
  state_->write_exec_rule = rule;
  return {};
}

u8 AddressSpace::inherited_write_exec_rule() {
  Session session(*state_);
  return State::inherited(state_->write_exec_rule);
}

Result<> AddressSpace::set_auxiliary_words(std::span<const u64> words) {
  Vector<u64> copy;
  for (const u64 word : words) TRY(copy.push_back(word));
  Session session(*state_);
  std::swap(state_->auxiliary_words, copy);
  return {};
}

Result<Vector<u64>> AddressSpace::auxiliary_words() {
  Vector<u64> copy;
  Session session(*state_);
  for (const u64 word : state_->auxiliary_words) TRY(copy.push_back(word));
  return copy;
}

}  // namespace narwhal
