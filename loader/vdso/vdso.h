// The vDSO: its page of code (vdso.S) and the page of data before it, shared by all programs.
#pragma once

#include "kernel/mm/address_space.h"

namespace narwhal {

// What the code in vdso.S reads; its offsets are written there. `sequence` is odd while it changes.
struct VdsoData {
  u32 sequence;
  u32 usable;  // 0: the time-stamp counter can't be used, ask the kernel
  u64 base_tsc;
  u64 base_ns;  // monotonic time at base_tsc
  u32 mult;
  u32 shift;
  i64 wall_offset;  // wall-clock time minus monotonic time, ns
  u32 slew_mult;    // before base_tsc, instead of `mult` (platform::TscClock)
};

// Makes the two pages. Called once; from then on they say what the clocks say. ENOMEM.
Result<> vdso_init();
// Maps it; returns the address of its ELF header (AT_SYSINFO_EHDR). ENOMEM.
Result<UserAddr> vdso_map(AddressSpace& memory);

}  // namespace narwhal
