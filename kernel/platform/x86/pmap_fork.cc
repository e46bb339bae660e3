// What fork(2) does to page tables: entries of small mappings are copied, whole tables of large
// ones are lent.
#include "kernel/platform/x86/pmap_tables.h"

namespace narwhal {

using Implementation = PmapImplementation;

void PmapImplementation::end_lending(Pmap& pmap, u64& entry, u64 table) {
  entry = table | kTableBits;
  --pmap.lent_tables_;
}

// The last one to leave a lent table returns what it maps.
void PmapImplementation::drop_lent_table(u64 table) {
  if (frame_at(PhysAddr(table)).references.fetch_sub(1, Order::kAcqRel) != 1) return;
  for (usize i = 0; i < x86::kEntries; ++i)
    if (const u64 entry = table_at(table)[i]; in_use(entry))
      frame_drop_ref(PhysAddr(entry & kAddressMask));
  free_frames(PhysAddr(table), 0);
}

// A table of our own in the place of a lent one. Others may be doing the same at this moment:
// all of us take rights away, and nobody gives any while there are others.
Result<> PmapImplementation::own_table(Pmap& pmap, u64& entry, u64 address) {
  const u64 lent = entry & kAddressMask;
  if (frame_refs(PhysAddr(lent)) == 1) {
    end_lending(pmap, entry, lent);
    return {};
  }
  const u64 own = TRY(new_table(pmap));
  --pmap.table_pages_;  // it comes in the place of the other
  u64* const from = table_at(lent);
  u64* const to = table_at(own);
  usize used = 0;
  for (usize i = 0; i < x86::kEntries; ++i) {
    if (!in_use(from[i])) continue;
    from[i] &= ~x86::kWritable;
    to[i] = from[i];
    frame_add_ref(PhysAddr(to[i] & kAddressMask));
    ++used;
  }
  used_entries(own) = used;
  end_lending(pmap, entry, own);
  // The CPU may remember where the table was; one page is enough to make it forget that.
  flush(pmap, address, 1);
  drop_lent_table(lent);
  return {};
}

Result<> Pmap::share(UserAddr at, usize pages, Pmap& to, bool (*wants)(PhysAddr frame)) {
  const u64 end = at.value + pages * kPageSize;
  bool complete = true, narrowed = false;
  Implementation::for_each_table(*this, at, pages, [&](u64& directory_entry, u64 first) {
    ASSERT(!(directory_entry & kLent));
    if (directory_entry & kLarge) {
      // All of them are an object's, or all are a program's own.
      if (!wants(PhysAddr(directory_entry & kAddressMask))) return true;
      Implementation::split(*this, directory_entry);
    }
    u64* const mine = table_at(directory_entry & kAddressMask);
    u64* others = nullptr;
    const u64 stop = first + kLargePageSize < end ? first + kLargePageSize : end;
    for (u64 address = first > at.value ? first : at.value; address < stop; address += kPageSize) {
      u64& entry = mine[x86::level_index(address, 0)];
      if (!in_use(entry)) continue;
      const PhysAddr frame(entry & kAddressMask);
      if (!wants(frame)) continue;
      if (!others) {
        const auto table = Implementation::table_for(to, address, 0);
        complete = table.ok();
        if (!complete) return false;
        others = table_at(table.value());
      }
      frame_add_ref(frame);
      if (entry & x86::kWritable) narrowed = true;
      entry &= ~x86::kWritable;
      set_entry(others[x86::level_index(address, 0)], entry);
    }
    return true;
  });
  if (narrowed) Implementation::flush(*this, at.value, pages);
  return complete ? Result<>() : Errno::kNoMem;
}

const usize Pmap::kLendPages = x86::kEntries;

Result<> Pmap::lend(UserAddr at, usize pages, Pmap& to) {
  DEBUG_ASSERT(is_aligned(at.value, kLargePageSize) && pages % kLendPages == 0);
  bool complete = true, narrowed = false;
  Implementation::for_each_table(*this, at, pages, [&](u64& entry, u64 address) {
    if (entry & kLarge) Implementation::split(*this, entry);
    const auto upper = Implementation::table_for(to, address, 1);
    complete = upper.ok();
    if (!complete) return false;
    if (!(entry & kLent)) {
      entry = (entry & ~x86::kWritable) | kLent;
      ++lent_tables_;
      narrowed = true;
    }
    frame_add_ref(PhysAddr(entry & kAddressMask));
    set_entry(table_at(upper.value())[x86::level_index(address, 1)], entry);
    ++to.table_pages_;
    ++to.lent_tables_;
    return true;
  });
  if (narrowed) Implementation::flush(*this, at.value, pages);
  return complete ? Result<>() : Errno::kNoMem;
}

bool Pmap::next_lent(UserAddr at, UserAddr end, UserAddr& found) const {
  if (lent_tables_ == 0 || at >= end) return false;
  bool any = false;
  Implementation::for_each_table(*this, at, (end - at) / kPageSize, [&](u64& entry, u64 address) {
    if (entry & kLent) {
      found = UserAddr(address);
      any = true;
    }
    return !any;
  });
  return any;
}

Result<> Pmap::own(UserAddr at, usize pages) {
  if (lent_tables_ == 0) return {};
  bool complete = true;
  Implementation::for_each_table(*this, at, pages, [&](u64& entry, u64 address) {
    if (entry & kLent) complete = Implementation::own_table(*this, entry, address).ok();
    return complete;
  });
  return complete ? Result<>() : Errno::kNoMem;
}

void Pmap::give_back(UserAddr at, usize pages) {
  if (lent_tables_ == 0) return;
  const UserAddr end = at + pages * kPageSize;
  Implementation::for_each_table(*this, at, pages, [&](u64& entry, u64 address) {
    if (!(entry & kLent) || address < at.value || address + kLargePageSize > end.value) return true;
    const u64 table = entry & kAddressMask;
    Implementation::end_lending(*this, entry, table);
    if (frame_refs(PhysAddr(table)) == 1) return true;
    clear_entry(entry);
    --table_pages_;
    Implementation::flush(*this, address, kLendPages);
    Implementation::drop_lent_table(table);
    return lent_tables_ != 0;
  });
}

}  // namespace narwhal
