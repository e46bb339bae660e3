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
  // Changes the rights of what is mapped in the range; holes stay holes.
  void protect(UserAddr at, usize pages, Protection protection);

  // What is mapped at a page; false if nothing is.
  bool lookup(UserAddr at, Mapping& out) const;
  // The first mapped page at or above `at` and below `end`; false if there is none. Skips empty
  // tables quickly.
  bool next_mapped(UserAddr at, UserAddr end, UserAddr& found, Mapping& out) const;
  // Takes back the accessed and dirty marks of a page.
  void clear_marks(UserAddr at, bool accessed, bool dirty);

  // Makes this the current CPU's address space. Cheap when it is so already: the scheduler calls it
  // whenever a thread with a user side comes after a kernel thread. (The destructor may find itself
  // active, when the last thread of a process ends: it leaves for tables of the kernel's own.)
  void activate();
  // Bytes of page tables, for /proc/PID/status (VmPTE) and accounting.
  usize table_bytes() const;

 private:
  friend struct PmapImplementation;
  Pmap() = default;
  // What a home needs to find its tables; not every home needs all.
  [[maybe_unused]] u64 root_ = 0;          // vm: physical address of the top-level table
  [[maybe_unused]] u64 table_pages_ = 0;   // tables allocated below the root, the root included
  [[maybe_unused]] u64 tables_aside_ = 0;  // vm: list of empty tables, one for each large page
};

}  // namespace narwhal
