// Page tables as a sorted map. Strict: unaligned or foreign ranges stop the test.
#include "kernel/platform/pmap.h"

#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "kernel/platform/fake/state.h"

namespace narwhal {

struct PmapImplementation {
  using Pages = std::map<u64, Pmap::Mapping>;  // by address
  struct Tables {
    Pages pages;
    // Lent tables, by the address where they begin; who holds one is who uses it.
    std::map<u64, std::shared_ptr<Pages>> lent;
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
void (*share_frame)(PhysAddr frame) = nullptr;

auto& pages_of(const Pmap* pmap) {
  return PmapImplementation::of(pmap).pages;
}
auto& lent_of(const Pmap* pmap) {
  return PmapImplementation::of(pmap).lent;
}
constexpr u64 kTableSize = 8 * kPageSize;  // small, so that tests meet the ends of many

void check_range(UserAddr at, usize pages) {
  ASSERT(at.page_aligned());
  ASSERT(pages <= kUserEnd.value / kPageSize && user_range_ok(at, pages * kPageSize));
}
// Of a range that is about to be changed: nothing in it is lent.
void check_owned(const Pmap* pmap, UserAddr at, usize pages) {
  check_range(at, pages);
  UserAddr lent;
  ASSERT(!pmap->next_lent(at, at + pages * kPageSize, lent));
}
// Where a page is recorded, if it is mapped. Nobody writes through a lent table.
Pmap::Mapping* find_page(const Pmap* pmap, u64 page, bool& lent) {
  auto& tables = lent_of(pmap);
  const auto table = tables.find(align_down(page, kTableSize));
  lent = table != tables.end();
  auto& all = lent ? *table->second : pages_of(pmap);
  const auto found = all.find(page);
  return found == all.end() ? nullptr : &found->second;
}

}  // namespace

Pmap* fake::active_pmap() {
  return active;
}
void fake::set_pmap_budget(usize pages) {
  budget = pages;
}
void fake::set_frame_sharing(void (*add_reference)(PhysAddr frame)) {
  share_frame = add_reference;
}

Result<Own<Pmap>> Pmap::create() {
  return PmapImplementation::make();
}
Pmap::~Pmap() {
  deactivate();
  PmapImplementation::all().erase(this);
}

Result<> Pmap::map(UserAddr at, PhysAddr frames, usize pages, Protection protection) {
  check_owned(this, at, pages);
  ASSERT(frames.page_aligned());
  for (usize i = 0; i < pages; ++i) {
    if (budget == 0) return Errno::kNoMem;
    --budget;
    pages_of(this)[at.value + i * kPageSize] = {frames + i * kPageSize, protection, false, false};
  }
  return {};
}

void Pmap::unmap(UserAddr at, usize pages) {
  check_owned(this, at, pages);
  auto& all = pages_of(this);
  all.erase(all.lower_bound(at.value), all.lower_bound(at.value + pages * kPageSize));
}

usize Pmap::take(UserAddr& at, UserAddr end, std::span<PhysAddr> frames,
                 bool (*wants)(PhysAddr frame)) {
  check_owned(this, at, (end - at) / kPageSize);
  auto& all = pages_of(this);
  usize count = 0;
  auto page = all.lower_bound(at.value);
  while (count < frames.size() && page != all.end() && page->first < end.value) {
    if (wants && !wants(page->second.frame)) {
      ++page;
      continue;
    }
    frames[count++] = page->second.frame;
    page = all.erase(page);
  }
  const bool ended = page == all.end() || page->first >= end.value;
  at = ended ? end : UserAddr(page->first);
  return count;
}

void Pmap::protect(UserAddr at, usize pages, Protection protection) {
  check_owned(this, at, pages);
  auto& all = pages_of(this);
  const auto end = all.lower_bound(at.value + pages * kPageSize);
  for (auto page = all.lower_bound(at.value); page != end; ++page)
    page->second.protection = protection;
}

bool Pmap::lookup(UserAddr at, Mapping& out) const {
  bool lent;
  const Mapping* const found = find_page(this, at.page().value, lent);
  if (!found) return false;
  out = *found;
  if (lent) out.protection &= ~Protection::kWrite;
  return true;
}

bool Pmap::next_mapped(UserAddr at, UserAddr end, UserAddr& found, Mapping& out) const {
  u64 first = end.value;
  const auto look = [&](const PmapImplementation::Pages& pages) {
    const auto next = pages.lower_bound(at.page().value);
    if (next != pages.end() && next->first < first) first = next->first;
  };
  look(pages_of(this));
  for (const auto& [start, table] : lent_of(this)) look(*table);
  if (first == end.value) return false;
  found = UserAddr(first);
  return lookup(found, out);
}

void Pmap::clear_marks(UserAddr at, bool accessed, bool dirty) {
  check_owned(this, at.page(), 1);
  bool lent;
  Mapping* const found = find_page(this, at.page().value, lent);
  if (!found) return;
  if (accessed) found->accessed = false;
  if (dirty) found->dirty = false;
}

Result<> Pmap::share(UserAddr at, usize pages, Pmap& to, bool (*wants)(PhysAddr frame)) {
  check_owned(this, at, pages);
  auto& all = pages_of(this);
  const auto end = all.lower_bound(at.value + pages * kPageSize);
  for (auto page = all.lower_bound(at.value); page != end; ++page) {
    if (!wants(page->second.frame)) continue;
    page->second.protection &= ~Protection::kWrite;
    TRY(to.map(UserAddr(page->first), page->second.frame, 1, page->second.protection));
    ASSERT(share_frame);
    share_frame(page->second.frame);
  }
  return {};
}

const unsigned Pmap::kMostRunOrder = 2;

void Pmap::prepare_large(PhysAddr) {}

Pmap::KeptRange Pmap::kept() {
  return {u64{0x5000} << 32, (u64{0x5000} << 32) + kGiB};
}
const usize Pmap::kLendPages = kTableSize / kPageSize;

Result<> Pmap::lend(UserAddr at, usize pages, Pmap& to) {
  check_range(at, pages);
  ASSERT(is_aligned(at.value, kTableSize) && pages % kLendPages == 0);
  for (u64 start = at.value, end = start + pages * kPageSize; start < end; start += kTableSize) {
    auto& table = lent_of(this)[start];
    if (!table) {
      auto& mine = pages_of(this);
      const auto first = mine.lower_bound(start), last = mine.lower_bound(start + kTableSize);
      if (first == last) {
        lent_of(this).erase(start);
        continue;
      }
      table = std::make_shared<PmapImplementation::Pages>(first, last);
      mine.erase(first, last);
    }
    if (budget == 0) return Errno::kNoMem;
    --budget;
    ASSERT(!lent_of(&to).contains(start));
    lent_of(&to)[start] = table;
  }
  return {};
}

bool Pmap::next_lent(UserAddr at, UserAddr end, UserAddr& found) const {
  const auto& tables = lent_of(this);
  const auto next = tables.lower_bound(align_down(at.value, kTableSize));
  if (next == tables.end() || next->first >= end.value) return false;
  found = UserAddr(next->first);
  return true;
}

Result<> Pmap::own(UserAddr at, usize pages) {
  check_range(at, pages);
  UserAddr start;
  while (next_lent(at, at + pages * kPageSize, start)) {
    const auto table = lent_of(this)[start.value];
    const bool others = table.use_count() > 2;  // ours here, and the set's
    if (others && budget == 0) return Errno::kNoMem;
    if (others) --budget;
    for (auto& [address, mapping] : *table) {
      if (others) {
        mapping.protection &= ~Protection::kWrite;
        ASSERT(share_frame);
        share_frame(mapping.frame);
      }
      pages_of(this)[address] = mapping;
    }
    lent_of(this).erase(start.value);
  }
  return {};
}

void Pmap::give_back(UserAddr at, usize pages) {
  auto& tables = lent_of(this);
  const u64 end = at.value + pages * kPageSize;
  for (auto next = tables.lower_bound(at.value);
       next != tables.end() && next->first + kTableSize <= end; next = tables.erase(next))
    if (next->second.use_count() == 1)
      pages_of(this).insert(next->second->begin(), next->second->end());
}

void Pmap::activate() {
  active = this;
}
void Pmap::deactivate() {
  if (active == this) active = nullptr;
}

usize Pmap::table_bytes() const {
  std::set<u64> tables;
  for (const auto& [address, mapping] : pages_of(this)) tables.insert(address / kLargePageSize);
  for (const auto& [start, table] : lent_of(this)) tables.insert(start / kLargePageSize);
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
  bool lent;
  Pmap::Mapping* const found = find_page(active, address.page().value, lent);
  if (!found) return nullptr;
  present = true;
  Pmap::Mapping& mapping = *found;
  if (lent && access == Protection::kWrite) return nullptr;
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
