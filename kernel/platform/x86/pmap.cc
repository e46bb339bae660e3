// The program's half of the page tables.
#include "kernel/platform/x86/pmap_tables.h"

namespace narwhal {

using Implementation = PmapImplementation;

Result<Own<Pmap>> Pmap::create() {
  return Implementation::create();
}

Pmap::~Pmap() {
  if (root_ == 0) return;
  deactivate();
  while (tables_aside_ != 0) free_frames(PhysAddr(Implementation::take_table_aside(*this)), 0);
  Implementation::free_tables(root_, 3, x86::kEntries / 2);
}

Result<> Pmap::map(UserAddr at, PhysAddr frames, usize pages, Protection protection) {
  usize done = 0;
  while (done < pages) {
    const u64 address = at.value + done * kPageSize, frame = frames.value + done * kPageSize;
    const usize left = pages - done;
    if (left >= x86::kEntries && is_aligned(address, kLargePageSize) &&
        is_aligned(frame, kLargePageSize) && protection != Protection::kNone) {
      const u64 directory = TRY(Implementation::table_for(*this, address, 1));
      u64& entry = table_at(directory)[x86::level_index(address, 1)];
      if (!in_use(entry) && Implementation::set_table_aside(*this).ok()) {
        set_entry(entry, make_entry(frame, protection) | kLarge);
        x86::entries_made(root_, tag_, address, frame, x86::kEntries, protection, false);
        done += x86::kEntries;
        continue;
      }
    }
    const u64 table = TRY(Implementation::table_for(*this, address, 0));
    u64* entries = table_at(table);
    usize index = x86::level_index(address, 0);
    const usize before = done;
    bool replaced = false;
    for (; index < x86::kEntries && done < pages; ++index, ++done) {
      replaced |= in_use(entries[index]);
      set_entry(entries[index], make_entry(frames.value + done * kPageSize, protection));
    }
    x86::entries_made(root_, tag_, address, frame, done - before, protection, replaced);
  }
  return {};
}

void Pmap::unmap(UserAddr at, usize pages) {
  Implementation::Removal removal;
  Implementation::remove(*this, root_, 3, at.value, at.value + pages * kPageSize, removal);
  Implementation::finish(*this, at.value, pages, removal);
}

usize Pmap::take(UserAddr& at, UserAddr end, std::span<PhysAddr> frames,
                 bool (*wants)(PhysAddr frame)) {
  Implementation::Removal removal{frames, wants};
  const UserAddr start = at;
  at = UserAddr(Implementation::remove(*this, root_, 3, at.value, end.value, removal));
  if (removal.count != 0)
    Implementation::finish(*this, start.value, (at - start) / kPageSize, removal);
  return removal.count;
}

void Pmap::protect(UserAddr at, usize pages, Protection protection) {
  u64 only = 0;
  Implementation::for_each_entry(
      *this, at.value, at.value + pages * kPageSize, [&](u64& entry, u64, u64 size) {
        const u64 keep = entry & (x86::kAccessed | x86::kDirty | (size > kPageSize ? kLarge : 0));
        entry = make_entry(entry & kAddressMask, protection) | keep;
        only = entry & kAddressMask;
      });
  // One page is most often the one that a write just faulted on.
  if (pages == 1 && only != 0)
    x86::entries_made(root_, tag_, at.value, only, 1, protection, true);
  else
    Implementation::flush(*this, at.value, pages);
}

bool Pmap::lookup(UserAddr at, Mapping& out) const {
  UserAddr found;
  return next_mapped(at, at.page() + kPageSize, found, out);
}

bool Pmap::next_mapped(UserAddr at, UserAddr end, UserAddr& found, Mapping& out) const {
  for (u64 address = at.page().value; address < end.value;) {
    u64 table = root_;
    u64 denied = 0;
    for (unsigned level = 3;; --level) {
      const u64 size = x86::level_size(level);
      usize index = x86::level_index(address, level);
      const u64* const entries = table_at(table);
      // Of the pages of one table, the next without another walk.
      if (level == 0)
        for (; !in_use(entries[index]) && address < end.value && index + 1 < x86::kEntries; ++index)
          address += kPageSize;
      const u64 entry = entries[index] & ~denied;
      if (!in_use(entry)) {
        address = align_down(address, size) + size;
        break;
      }
      if (level == 0 || (entry & kLarge)) {
        if (address >= end.value) return false;
        found = UserAddr(address);
        out = {PhysAddr((entry & kAddressMask) + (address & (size - 1))), protection_of(entry),
               (entry & x86::kAccessed) != 0, (entry & x86::kDirty) != 0, level > 0};
        return true;
      }
      if (entry & kLent) denied = x86::kWritable;
      table = entry & kAddressMask;
    }
  }
  return false;
}

void Pmap::clear_marks(UserAddr at, bool accessed, bool dirty) {
  const u64 marks = (accessed ? x86::kAccessed : 0) | (dirty ? x86::kDirty : 0);
  Implementation::for_each_entry(*this, at.value, at.value + kPageSize,
                                 [&](u64& entry, u64, u64) { entry &= ~marks; });
  Implementation::flush(*this, at.value, 1);
}

void Pmap::deactivate() {
  stop_using_root(root_);
}

void Pmap::activate() {
  use_root(root_, tag_);
}

usize Pmap::table_bytes() const {
  return table_pages_ * kPageSize;
}

}  // namespace narwhal
