// Page tables as a sorted map. Strict: unaligned or foreign ranges stop the test.
#include "kernel/platform/pmap.h"

#include <map>
#include <set>
#include <unordered_map>

#include "kernel/platform/fake/state.h"

namespace narwhal {

struct PmapImplementation {
  struct Tables {
    std::map<u64, Pmap::Mapping> pages;  // by address
  };
  static std::unordered_map<const Pmap*, Tables>& all() {
    static auto& all = *new std::unordered_map<const Pmap*, Tables>;
    return all;
  }
  static Tables& of(const Pmap* pmap) { return all().at(pmap); }
  static Result<Own<Pmap>> make() {
    Own<Pmap> pmap(new Pmap);
    all()[pmap.get()];
    return pmap;
  }
};

namespace {

Pmap* active = nullptr;
usize budget = ~usize{0};

auto& pages_of(const Pmap* pmap) {
  return PmapImplementation::of(pmap).pages;
}
void check_range(UserAddr at, usize pages) {
  ASSERT(at.page_aligned());
  ASSERT(pages <= kUserEnd.value / kPageSize && user_range_ok(at, pages * kPageSize));
}

}  // namespace

Pmap* fake::active_pmap() {
  return active;
}
void fake::set_pmap_budget(usize pages) {
  budget = pages;
}

Result<Own<Pmap>> Pmap::create() {
  return PmapImplementation::make();
}
Pmap::~Pmap() {
  if (active == this) active = nullptr;
  PmapImplementation::all().erase(this);
}

Result<> Pmap::map(UserAddr at, PhysAddr frames, usize pages, Protection protection) {
  check_range(at, pages);
  ASSERT(frames.page_aligned());
  for (usize i = 0; i < pages; ++i) {
    if (budget == 0) return Errno::kNoMem;
    --budget;
    pages_of(this)[at.value + i * kPageSize] = {frames + i * kPageSize, protection, false, false};
  }
  return {};
}

void Pmap::unmap(UserAddr at, usize pages) {
  check_range(at, pages);
  auto& all = pages_of(this);
  all.erase(all.lower_bound(at.value), all.lower_bound(at.value + pages * kPageSize));
}

void Pmap::protect(UserAddr at, usize pages, Protection protection) {
  check_range(at, pages);
  auto& all = pages_of(this);
  const auto end = all.lower_bound(at.value + pages * kPageSize);
  for (auto page = all.lower_bound(at.value); page != end; ++page)
    page->second.protection = protection;
}

bool Pmap::lookup(UserAddr at, Mapping& out) const {
  const auto& all = pages_of(this);
  const auto found = all.find(at.page().value);
  if (found == all.end()) return false;
  out = found->second;
  return true;
}

bool Pmap::next_mapped(UserAddr at, UserAddr end, UserAddr& found, Mapping& out) const {
  const auto& all = pages_of(this);
  const auto next = all.lower_bound(at.value);
  if (next == all.end() || next->first >= end.value) return false;
  found = UserAddr(next->first);
  out = next->second;
  return true;
}

void Pmap::clear_marks(UserAddr at, bool accessed, bool dirty) {
  auto& all = pages_of(this);
  const auto found = all.find(at.page().value);
  if (found == all.end()) return;
  if (accessed) found->second.accessed = false;
  if (dirty) found->second.dirty = false;
}

void Pmap::activate() {
  active = this;
}

usize Pmap::table_bytes() const {
  std::set<u64> tables;
  for (const auto& [address, mapping] : pages_of(this)) tables.insert(address / kLargePageSize);
  return (tables.size() + 1) * kPageSize;
}

// --- the program's memory as copies see it

namespace {

std::vector<fake::UserMemory*>& user_memories() {
  static auto& memories = *new std::vector<fake::UserMemory*>;
  return memories;
}

}  // namespace

fake::UserMemory::UserMemory(UserAddr at, usize size, Protection protection)
    : at_(at), bytes_(size), protection_(protection) {
  user_memories().push_back(this);
}
fake::UserMemory::~UserMemory() {
  std::erase(user_memories(), this);
}

std::byte* fake::user_bytes(UserAddr address, Protection access, usize& room, bool& present) {
  for (UserMemory* memory : user_memories()) {
    if (address < memory->address() || address - memory->address() >= memory->size()) continue;
    const u64 offset = address - memory->address();
    present = true;
    room = memory->size() - offset;
    return has(memory->protection(), access) ? memory->data() + offset : nullptr;
  }
  present = false;
  if (!active) return nullptr;
  auto& all = pages_of(active);
  const auto found = all.find(address.page().value);
  if (found == all.end()) return nullptr;
  present = true;
  Pmap::Mapping& mapping = found->second;
  // x86 has no pages that can be written or executed but not read.
  const bool allowed = access == Protection::kRead ? mapping.protection != Protection::kNone
                                                   : has(mapping.protection, access);
  if (!allowed) return nullptr;
  mapping.accessed = true;
  if (access == Protection::kWrite) mapping.dirty = true;
  room = kPageSize - address.page_offset();
  return platform::direct_map(mapping.frame) + address.page_offset();
}

}  // namespace narwhal
