// The page tables of one address space, or whatever a home has in their place.
//
// A Pmap only knows which frame is mapped where, with which rights; why it is so is AddressSpace's
// business (mm/). All calls are made under the AddressSpace's lock. Ranges are page-aligned and in
// the program's half. Changes are visible to every CPU when a call returns (TLB shootdown
// included), except that making rights wider may be seen late: a spurious fault on a page that is
// mapped well enough is simply retried.
//
// Prefer long runs: one call for 16 pages is one host call in a process home, and can become one
// large page in a vm.
#pragma once

#include <span>

#include "kernel/base/addr.h"
#include "kernel/base/flags.h"
#include "kernel/base/ref.h"

namespace narwhal {

enum class Protection : u8 { kNone = 0, kRead = 1, kWrite = 2, kExecute = 4 };
ENABLE_FLAGS(Protection);

class Pmap : NonCopyable {
 public:
  struct Mapping {
    PhysAddr frame;
    Protection protection;
    bool accessed;
    bool dirty;
    bool large = false;  // part of a large page
  };

  // ENOMEM.
  static Result<Own<Pmap>> create();
  // The caller has unmapped everything that it counts references for; the tables themselves are
  // freed here.
  ~Pmap();

  // Maps `pages` frames that follow one another in physical memory. What was mapped there before is
  // replaced without notice: the caller has dropped its references. ENOMEM (for page tables): then
  // a prefix may be mapped.
  Result<> map(UserAddr at, PhysAddr frames, usize pages, Protection protection);
  // Removes mappings; holes are fine.
  void unmap(UserAddr at, usize pages);
  // Removes the first mappings in [at, end) that `wants` names (null: all), as many as `frames` has
  // room for, and tells what they mapped: the caller drops the references. `at` goes on to where
  // the next call begins, or to `end`.
  usize take(UserAddr& at, UserAddr end, std::span<PhysAddr> frames,
             bool (*wants)(PhysAddr frame) = nullptr);
  // Changes the rights of what is mapped in the range; holes stay holes.
  void protect(UserAddr at, usize pages, Protection protection);

  // What is mapped at a page; false if nothing is.
  bool lookup(UserAddr at, Mapping& out) const;
  // The first mapped page at or above `at` and below `end`; false if there is none. Skips empty
  // tables quickly.
  bool next_mapped(UserAddr at, UserAddr end, UserAddr& found, Mapping& out) const;
  // fork(2): gives `to` those pages of the range that `wants` names, at the same place, with a
  // reference to their frames, and takes the right to write from both sides. ENOMEM: then a prefix
  // is done.
  Result<> share(UserAddr at, usize pages, Pmap& to, bool (*wants)(PhysAddr frame));

  // Takes back the accessed and dirty marks of a page.
  void clear_marks(UserAddr at, bool accessed, bool dirty);

  // The longest run, as a power of two of pages, that is worth bringing in for a program that
  // writes its memory page by page: 0 where a fault costs little.
  static const unsigned kMostRunOrder;

  // Of a run of kLargePageSize, aligned to it, that is about to be written and mapped as one: what
  // the home does to have one page of it, where it has to do something. A hint.
  static void prepare_large(PhysAddr run);

  // What the home keeps of the program's half for itself: nothing is to be mapped there. Whole
  // pages; empty in most homes.
  struct KeptRange {
    u64 start = 0, end = 0;
    bool overlaps(u64 from, u64 to) const { return from < end && start < to; }
  };
  static KeptRange kept();

  // --- tables that a parent lends to its child
  //
  // fork(2) of a large process would copy a table entry for each page, and most children never look
  // at them. Instead the child may use the parent's tables. Both sides read through a lent table;
  // neither writes to its pages, and neither changes it (none of the calls above that do may touch
  // one), before own() has given it a table for itself. A lent table holds the references to its
  // frames as a whole, whoever uses it; own() takes more when it copies one.

  // Pages of one table: whole tables are lent, aligned to their size. 0: this home lends none.
  static const usize kLendPages;
  // Lends the tables of [at, at + pages), all of them whole, to `to`, which has nothing mapped
  // there. ENOMEM: then a prefix is lent.
  Result<> lend(UserAddr at, usize pages, Pmap& to);
  // The first lent table that maps a page at or above `at` and below `end`: its first page.
  bool next_lent(UserAddr at, UserAddr end, UserAddr& found) const;
  // Makes every lent table that the range touches this space's own. Where others go on using it, no
  // page can be written on either side, until protect() says so. ENOMEM: then a prefix is done.
  Result<> own(UserAddr at, usize pages);
  // Takes the lent tables that lie wholly in the range out of this space, with all that they map.
  // Those that nobody else uses become its own instead, unchanged. Needs no memory.
  void give_back(UserAddr at, usize pages);

  // Makes this the current CPU's address space. Cheap when it is so already: the scheduler calls it
  // whenever a thread with a user side comes after a kernel thread.
  void activate();
  // Leaves them, if this CPU uses them, for tables of the kernel's own: nobody will run here again,
  // and what is taken out need not be told to the CPU.
  void deactivate();
  // Bytes of page tables, for /proc/PID/status (VmPTE) and accounting.
  usize table_bytes() const;

 private:
  friend struct PmapImplementation;
  Pmap() = default;
  // What a home needs to find its tables; not every home needs all.
  [[maybe_unused]] u64 root_ = 0;          // vm: physical address of the top-level table
  [[maybe_unused]] u64 table_pages_ = 0;   // tables allocated below the root, the root included
  [[maybe_unused]] u64 tables_aside_ = 0;  // vm: list of empty tables, one for each large page
  [[maybe_unused]] u64 tag_ = 0;           // vm: what the CPU knows them by; 0: nothing
  [[maybe_unused]] u64 lent_tables_ = 0;   // those of table_pages_ that others may use as well
};

}  // namespace narwhal
