// Which address spaces' translations each of several CPUs remembers: the numbers of
// address_space_tags.h are handed out by one CPU for itself, and that does not tell what another
// one has under them.
//
// Here an address space has a name that is never used again, and each CPU a few slots, numbered
// from 1, that say under which number it keeps what it knows of which name. When an address space
// changes, the CPUs that run it forget what they must, and it gets a new name, to which their slots
// are changed: what any other CPU remembers is under a name that nobody has.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

class TranslationSlots {
 public:
  static constexpr u32 kSlots = 15;

  struct Choice {
    u64 number;
    bool keep;  // what the CPU has under this number is true
  };
  // The slot for the address space that the CPU is about to run.
  Choice select(u64 name) {
    for (u32 i = 0; i < kSlots; ++i)
      if (names_[i] == name) {
        current_ = i;
        return {i + 1, true};
      }
    current_ = next_;
    next_ = (next_ + 1) % kSlots;
    names_[current_] = name;
    return {current_ + 1, false};
  }
  // What this CPU runs has a new name, and what is remembered of it is true.
  void rename_current(u64 name) { names_[current_] = name; }

 private:
  u64 names_[kSlots] = {};  // 0: nobody's
  u32 current_ = 0;
  u32 next_ = 0;
};

}  // namespace narwhal::vm
