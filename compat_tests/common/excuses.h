// What a guest need not be able to, because what it runs on is not: QEMU's software emulation of a
// processor lacks a few things that every real one does, and a host shares some with nobody.
#pragma once

#include <cpuid.h>
#include <gtest/gtest.h>
#include <string.h>

namespace compat {

// By the signature of the hypervisor's CPUID leaves.
inline bool processor_is_emulated() {
  constexpr unsigned kHypervisorPresent = 1u << 31, kHypervisorLeaf = 0x4000'0000;
  unsigned a, b, c, d;
  __cpuid(1, a, b, c, d);
  if (!(c & kHypervisorPresent)) return false;
  unsigned name[3];
  __cpuid(kHypervisorLeaf, a, name[0], name[1], name[2]);
  return memcmp(name, "TCGTCGTCGTCG", sizeof name) == 0;
}

}  // namespace compat

// End a check that found the processor, or the host, at fault. run_compat knows these words.
#define SKIP_FOR_EMULATED_PROCESSOR() \
  GTEST_SKIP() << "skipped: the emulated processor does not do this"
#define SKIP_WITHOUT_DEBUG_REGISTERS() \
  GTEST_SKIP() << "skipped: the host keeps the debug registers to itself"
