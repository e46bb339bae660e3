// Instructions that C++ has no words for.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::x86 {

struct CpuidResult {
  u32 eax, ebx, ecx, edx;
};
inline CpuidResult cpuid(u32 leaf, u32 subleaf = 0) {
  CpuidResult r;
  asm volatile("cpuid"
               : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
               : "a"(leaf), "c"(subleaf));
  return r;
}

inline u64 read_msr(u32 msr) {
  u32 low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return u64{high} << 32 | low;
}
inline void write_msr(u32 msr, u64 value) {
  asm volatile("wrmsr" ::"c"(msr), "a"(u32(value)), "d"(u32(value >> 32)) : "memory");
}

inline u64 read_tsc() {
  u32 low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return u64{high} << 32 | low;
}
// Not before what stands before it in the program.
inline u64 read_tsc_ordered() {
  asm volatile("lfence" ::: "memory");
  return read_tsc();
}

// Control registers and debug registers.
#define NARWHAL_REGISTER(name)                                    \
  inline u64 read_##name() {                                      \
    u64 value;                                                    \
    asm volatile("movq %%" #name ", %0" : "=r"(value)::"memory"); \
    return value;                                                 \
  }                                                               \
  inline void write_##name(u64 value) {                           \
    asm volatile("movq %0, %%" #name ::"r"(value) : "memory");    \
  }
NARWHAL_REGISTER(cr0)
NARWHAL_REGISTER(cr2)
NARWHAL_REGISTER(cr3)
NARWHAL_REGISTER(cr4)
NARWHAL_REGISTER(dr0)
NARWHAL_REGISTER(dr1)
NARWHAL_REGISTER(dr2)
NARWHAL_REGISTER(dr3)
NARWHAL_REGISTER(dr6)
NARWHAL_REGISTER(dr7)
#undef NARWHAL_REGISTER

inline void write_xcr0(u64 value) {
  asm volatile("xsetbv" ::"c"(0), "a"(u32(value)), "d"(u32(value >> 32)));
}

inline u64 read_xcr0() {
  u32 low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return u64{high} << 32 | low;
}

inline void out8(u16 port, u8 value) {
  asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline void out16(u16 port, u16 value) {
  asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void out32(u16 port, u32 value) {
  asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}
inline u8 in8(u16 port) {
  u8 value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline u16 in16(u16 port) {
  u16 value;
  asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline u32 in32(u16 port) {
  u32 value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

inline void invalidate_page(u64 address) {
  asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}

inline u64 read_flags() {
  u64 flags;
  asm volatile("pushfq; popq %0" : "=r"(flags)::"memory");
  return flags;
}
inline void enable_interrupts() {
  asm volatile("sti" ::: "memory");
}
inline void disable_interrupts() {
  asm volatile("cli" ::: "memory");
}
inline constexpr u64 kFlagInterrupt = 1 << 9;

// Fields of device registers in memory.
inline u32 load32(const volatile void* address) {
  return *static_cast<const volatile u32*>(address);
}
inline void store32(volatile void* address, u32 value) {
  *static_cast<volatile u32*>(address) = value;
}

}  // namespace narwhal::x86
