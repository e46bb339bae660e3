// Where the parts of the FPU state lie in a thread's area (context.h).
#pragma once

#include <span>

#include "kernel/base/types.h"

namespace narwhal::platform {

// A part beyond x87 and SSE, whose places are fixed: CPUID.(EAX=0DH, ECX=number). Processors of
// different makers place them differently. struct x86_xfeat_component of Linux's core files.
struct FpuComponent {
  u32 number;  // bit of XCR0
  u32 size;
  u32 flags;
  u32 offset;
};
// How many there are; `out` gets as many as it has room for.
usize fpu_layout(std::span<FpuComponent> out);
inline constexpr usize kMostFpuComponents = 8;

}  // namespace narwhal::platform
