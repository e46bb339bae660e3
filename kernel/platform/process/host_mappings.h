// The host's view of the program's half: a cache of the current page tables, as a TLB is in a
// machine.
#pragma once

#include "kernel/platform/pmap.h"

namespace narwhal::process_home {

// The host refused an access at a program's address. True: the page tables allow it, it was not in
// the cache, and is now. `present`: the tables have a page there.
bool bring_in(u64 address, Protection access, bool& present);

}  // namespace narwhal::process_home
