// Vector and floating-point state by XSAVE, or FXSAVE where the CPU has no better (Intel SDM vol.
// 1, chapter 13).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

// Chooses the components, sets XCR0. Needs cpu_init().
void fpu_init();
// Saves into an area from which the current registers were loaded last: unchanged components may be
// left out.
void fpu_save_for_switch(std::byte* area);

}  // namespace narwhal::vm
