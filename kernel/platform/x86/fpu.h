// Vector and floating-point state by XSAVE, or FXSAVE where the CPU has no better (Intel SDM vol.
// 1, chapter 13).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::x86 {

// The components that this kernel would switch, of those that the CPU has; 0: no XSAVE.
u64 fpu_wanted_components();
// Learns the size of an area. Needs XCR0 to be as it stays; `components` are those of it that we
// save and load, 0 means FXSAVE.
void fpu_init(u64 components);
// Saves into an area from which the current registers were loaded last: unchanged components may be
// left out.
void fpu_save_for_switch(std::byte* area);

}  // namespace narwhal::x86
