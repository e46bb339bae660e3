// Where the kernel may fault, and where it goes on then (user_copy.S).
#pragma once

#include "kernel/base/addr.h"

namespace narwhal::x86 {

// Where to go on after a fault at this instruction of the kernel; 0: it must not fault.
u64 recovery_of(u64 rip);

#ifdef NARWHAL_HOME_PROCESS
// The kernel lies among the addresses of the program: what copies may touch leaves its window out.
bool program_may_have(UserAddr start, u64 length);
// How many bytes from here on may be the program's.
u64 program_reach(UserAddr start);
#else
constexpr bool program_may_have(UserAddr start, u64 length) {
  return user_range_ok(start, length);
}
constexpr u64 program_reach(UserAddr start) {
  return start < kUserEnd ? kUserEnd - start : 0;
}
#endif

}  // namespace narwhal::x86
