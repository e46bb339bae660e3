// Process-context identifiers (Intel SDM vol. 3, section 4.10.1): the CPU marks what it remembers
// of page tables with a number of ours, so that it need not forget everything when address spaces
// take turns.
//
// There are 4095 numbers, and no end of address spaces: numbers are handed out one after the other,
// and when all were, from the beginning, in a new generation. Whoever holds one of an older
// generation gets a new one when it runs next. A number's first use in a generation makes the CPU
// forget what it knew under that number.
//
// For one CPU: with more, each has its own.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

class AddressSpaceTags {
 public:
  static constexpr u64 kNumbers = 4096;  // 0 is the kernel's, between programs
  static constexpr u64 kKeepTranslations = u64{1} << 63;

  // What CR3 becomes for the tables at `root`. Their tag is kept with them: generation and number,
  // or 0 when there is none yet, or when what the CPU has under it is not true any more.
  u64 select(u64& tag, u64 root) {
    if (tag / kNumbers == generation_) return root | tag % kNumbers | kKeepTranslations;
    if (next_ == kNumbers) {
      ++generation_;
      next_ = 1;
    }
    const u64 number = next_++;
    tag = generation_ * kNumbers + number;
    return root | number;
  }

 private:
  u64 generation_ = 1;
  u64 next_ = 1;
};

}  // namespace narwhal::vm
