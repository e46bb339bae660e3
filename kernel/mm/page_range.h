// The arguments that most calls about memory have.
#pragma once

#include "kernel/mm/address_space.h"

namespace narwhal {

// [start, start + length) rounded to pages. EINVAL when `start` is not aligned; ENOMEM when it
// leaves the program's half.
struct PageRange {
  u64 start, end;
  static Result<PageRange> of(UserAddr start, usize length) {
    if (!start.page_aligned()) return Errno::kInval;
    const u64 size = align_up(length, kPageSize);
    if (size < length || !user_range_ok(start, size)) return Errno::kNoMem;
    return PageRange{start.value, start.value + size};
  }
};

}  // namespace narwhal
