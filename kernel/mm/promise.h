// What is promised to programs, and how much may be: private memory that can be written costs as
// much as it is long, whether it is touched or not (Documentation/mm/overcommit-accounting.rst).
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/base/result.h"

namespace narwhal {

// /proc/sys/vm/overcommit_memory.
enum class Overcommit : u32 {
  kHeuristic = 0,  // one request for more than all the memory is refused
  kAlways = 1,     // nothing is refused
  kNever = 2,      // all promises together stay below promise_limit()
};
Overcommit overcommit_policy();
void set_overcommit_policy(Overcommit policy);
// /proc/sys/vm/overcommit_ratio: per cent of the memory that kNever promises.
extern Atomic<u32> overcommit_ratio;

// Pages. Files in memory and shared memory cost what they have, private mappings all that they
// span; a shared anonymous mapping, which Linux charges whole, counts by what it has here.
u64 promised_pages();
u64 promise_limit();

// Whether `size` bytes more may be promised, all at once. ENOMEM. Nothing is kept back for
// administrators.
Result<> may_promise(u64 size);
// A mapping has so many pages more or fewer that are charged.
void charge_pages(i64 change);

}  // namespace narwhal
