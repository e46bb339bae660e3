// What a home does with the page tables of kernel/platform/x86/pmap.cc: who reads them is the
// processor in a virtual machine, and the fault handler in a process.
#pragma once

#include "kernel/arch/x86_64/page_table.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/pmap.h"

namespace narwhal::x86 {

inline u64* table_at(u64 physical) {
  return reinterpret_cast<u64*>(platform::direct_map(PhysAddr(physical)));
}

// `tag` stands with a root for the home's use; it begins as 0.

// A new top-level table: puts in what belongs to the kernel.
void prepare_root(u64 root);
// From now on the program sees what this root maps. Cheap when it is so already.
void use_root(u64 root, u64& tag);
// The root is about to go, or to be emptied: nobody may look at it any more.
void stop_using_root(u64 root);
// Entries of these pages were changed, narrowed or taken out: what was remembered of them must not
// be used again when the call returns.
void forget_entries(u64 root, u64& tag, u64 address, usize pages);
// Entries were made for pages, all in one table: the program will touch at least one of them soon,
// and a home may remember them right away. `replaced`: some were there before, with other frames or
// rights, and what was remembered of them must not be used again.
void entries_made(u64 root, u64& tag, u64 address, u64 frames, usize pages, Protection protection,
                  bool replaced);

}  // namespace narwhal::x86
