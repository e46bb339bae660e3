// The inside of a Pmap: entries, tables, and walks over them, for pmap.cc and pmap_fork.cc.
//
// The program's half only. What must happen besides, so that the machine sees what the tables say,
// is the home's business (table_user.h).
#pragma once

#include <span>
#include <utility>

#include "kernel/mm/frame.h"
#include "kernel/platform/pmap.h"
#include "kernel/platform/x86/table_user.h"

namespace narwhal::x86 {

inline constexpr u64 kTableBits = kPresent | x86::kWritable | x86::kUser;

inline u64 entry_bits(Protection protection) {
  // Pages without any right stay in the table as not present, with their frame: see kHidden.
  u64 bits = kPresent | x86::kUser;
  if (has(protection, Protection::kWrite)) bits |= x86::kWritable;
  if (!has(protection, Protection::kExecute)) bits |= x86::kNoExecute;
  return bits;
}
// A page that is mapped but may not be touched (PROT_NONE): not present for the CPU, and marked so
// that we know.
inline constexpr u64 kHidden = u64{1} << 9;
// In the entry of a directory: the table below is lent. The entry has no right to write then, and
// so none of the table's pages.
inline constexpr u64 kLent = u64{1} << 10;

inline u64 make_entry(u64 frame, Protection protection) {
  if (protection == Protection::kNone) return frame | kHidden | x86::kNoExecute;
  return frame | entry_bits(protection);
}
inline bool in_use(u64 entry) {
  return entry & (kPresent | kHidden);
}

inline Protection protection_of(u64 entry) {
  if (entry & kHidden) return Protection::kNone;
  Protection protection = Protection::kRead;
  if (entry & x86::kWritable) protection |= Protection::kWrite;
  if (!(entry & x86::kNoExecute)) protection |= Protection::kExecute;
  return protection;
}

// How many entries of a table are in use: in the record of its frame, so that a table that became
// empty is found without looking through it. (The lists of tables below use the same word, for
// tables that are empty.)
inline u64& used_entries(u64 table) {
  return frame_at(PhysAddr(table)).owner;
}
inline u64 table_of(const u64& entry) {
  return platform::direct_map_to_phys(&entry).page().value;
}
inline void set_entry(u64& entry, u64 value) {
  if (!in_use(entry)) ++used_entries(table_of(entry));
  entry = value;
}
inline void clear_entry(u64& entry) {
  entry = 0;
  --used_entries(table_of(entry));
}

}  // namespace narwhal::x86

namespace narwhal {

using namespace x86;  // only for the two files that include this

// Reaches into Pmap for them.
struct PmapImplementation {
  static Result<u64> new_table(Pmap& pmap) {
    const PhysAddr frame = TRY(allocate_frames(0, FrameContent::kZeroed));
    set_frame_kind(frame, FrameKind::kPageTable);
    ++pmap.table_pages_;
    return frame.value;
  }

  // A large page has a table set aside, so that taking it apart never fails: a part that is to be
  // unmapped must be unmapped, memory or not.
  static Result<> set_table_aside(Pmap& pmap) {
    const u64 table = TRY(new_table(pmap));
    --pmap.table_pages_;
    used_entries(table) = pmap.tables_aside_;
    pmap.tables_aside_ = table;
    return {};
  }
  static u64 take_table_aside(Pmap& pmap) {
    const u64 table = pmap.tables_aside_;
    pmap.tables_aside_ = used_entries(table);
    used_entries(table) = 0;
    return table;
  }

  static Result<Own<Pmap>> create() {
    Own<Pmap> pmap(new (std::nothrow) Pmap());
    if (!pmap) return Errno::kNoMem;
    pmap->root_ = TRY(new_table(*pmap));
    prepare_root(pmap->root_);
    return pmap;
  }

  static void free_tables(u64 table, unsigned level, usize entries) {
    if (level > 0)
      for (usize i = 0; i < entries; ++i) {
        const u64 entry = table_at(table)[i];
        if ((entry & kPresent) && !(entry & kLarge))
          free_tables(entry & kAddressMask, level - 1, x86::kEntries);
      }
    free_frames(PhysAddr(table), 0);
  }

  static void flush(Pmap& pmap, u64 address, usize pages) {
    forget_entries(pmap.root_, pmap.tag_, address, pages);
  }

  // The table at `level` that holds the entry of an address, made if need be. ENOMEM.
  static Result<u64> table_for(Pmap& pmap, u64 address, unsigned level) {
    u64 table = pmap.root_;
    for (unsigned at = 3; at > level; --at) {
      u64& entry = table_at(table)[x86::level_index(address, at)];
      if (!in_use(entry))
        set_entry(entry, TRY(new_table(pmap)) | kTableBits);
      else if (entry & kLarge)
        split(pmap, entry);
      table = entry & kAddressMask;
    }
    return table;
  }

  // Calls visit(entry in a directory, address where its range begins) for each table, and each
  // large page, that a range touches, until visit answers false.
  template <typename Visit>
  static void for_each_table(const Pmap& pmap, UserAddr start, usize pages, Visit visit) {
    for_each_table_in(pmap.root_, 3, start.value, start.value + pages * kPageSize, visit);
  }
  template <typename Visit>
  static bool for_each_table_in(u64 table, unsigned level, u64 start, u64 end, Visit& visit) {
    const u64 size = x86::level_size(level);
    u64* const entries = table_at(table);
    for (u64 at = start; at < end;) {
      u64& entry = entries[x86::level_index(at, level)];
      const u64 next = align_down(at, size) + size;
      if (in_use(entry)) {
        const u64 to = end < next ? end : next;
        const bool goes_on =
            level == 1 ? visit(entry, next - size)
                       : for_each_table_in(entry & kAddressMask, level - 1, at, to, visit);
        if (!goes_on) return false;
      }
      at = next;
    }
    return true;
  }

  // Turns a page of 2 MiB, present or hidden, into 512 small ones with the same rights.
  static void split(Pmap& pmap, u64& large) {
    const u64 table = take_table_aside(pmap);
    ++pmap.table_pages_;
    used_entries(table) = x86::kEntries;
    const u64 rights = large & ~kAddressMask & ~kLarge;
    const u64 frame = large & kAddressMask;
    for (usize i = 0; i < x86::kEntries; ++i) table_at(table)[i] = (frame + i * kPageSize) | rights;
    large = table | kTableBits;
  }

  // What is taken out of tables, and how much of it.
  struct Removal {
    std::span<PhysAddr> frames;  // empty: nobody asks
    bool (*wants)(PhysAddr frame) = nullptr;
    usize count = 0;
    u64 empty = 0;  // a list of tables that became so

    bool full() const { return !frames.empty() && count == frames.size(); }
  };

  // Takes out what is mapped in [start, end) below one table, until there is no room for more;
  // returns where it stopped.
  static u64 remove(Pmap& pmap, u64 table, unsigned level, u64 start, u64 end, Removal& removal) {
    const u64 size = x86::level_size(level);
    u64* const entries = table_at(table);
    u64 at = start;
    while (at < end && !removal.full()) {
      u64& entry = entries[x86::level_index(at, level)];
      const u64 first = align_down(at, size), next = first + size;
      const u64 to = end < next ? end : next;
      if (!in_use(entry)) {
        at = to;
        continue;
      }
      if (level == 0) {
        const PhysAddr frame(entry & kAddressMask);
        if (!removal.wants || removal.wants(frame)) {
          if (!removal.frames.empty()) removal.frames[removal.count++] = frame;
          clear_entry(entry);
        }
        at = to;
        continue;
      }
      if (entry & kLarge) {
        if (removal.frames.empty() && at == first && to == next) {
          clear_entry(entry);
          free_frames(PhysAddr(take_table_aside(pmap)), 0);
          at = to;
          continue;
        }
        split(pmap, entry);
      }
      DEBUG_ASSERT(!(entry & kLent));
      const u64 below = entry & kAddressMask;
      at = remove(pmap, below, level - 1, at, to, removal);
      if (used_entries(below) != 0) continue;
      clear_entry(entry);
      used_entries(below) = std::exchange(removal.empty, below);
      --pmap.table_pages_;
    }
    return at;
  }

  // After a removal. This also makes the CPU forget the tables on the way (Intel SDM vol. 3,
  // section 4.10.4.1), so only now may they become something else.
  static void finish(Pmap& pmap, u64 address, usize pages, Removal& removal) {
    flush(pmap, address, pages);
    while (removal.empty != 0) {
      const u64 table = std::exchange(removal.empty, used_entries(removal.empty));
      free_frames(PhysAddr(table), 0);
    }
  }

  // Calls visit(entry, address, size) for every entry in use in [start, end); a large page that
  // sticks out is split first.
  template <typename Visit>
  static void for_each_entry(Pmap& pmap, u64 start, u64 end, Visit visit) {
    for (u64 at = start; at < end;) {
      u64 table = pmap.root_;
      unsigned level = 3;
      for (;; --level) {
        u64& entry = table_at(table)[x86::level_index(at, level)];
        const u64 size = x86::level_size(level);
        const u64 next = align_down(at, size) + size;
        if (!in_use(entry)) {
          at = next;
          break;
        }
        const bool large = level > 0 && (entry & kLarge);
        if (large && (align_down(at, size) < start || next > end)) {
          split(pmap, entry);
          table = entry & kAddressMask;
          continue;
        }
        if (level == 0 || large) {
          visit(entry, align_down(at, size), size);
          at = next;
          break;
        }
        table = entry & kAddressMask;
      }
    }
  }

  // For lent tables (pmap_fork.cc).
  static void end_lending(Pmap& pmap, u64& entry, u64 table);
  static void drop_lent_table(u64 table);
  static Result<> own_table(Pmap& pmap, u64& entry, u64 address);
};

}  // namespace narwhal
