// What the CPU says of itself, and its random numbers.
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/machine.h"

namespace narwhal {

namespace {

// Whether programs are told that they may use FSGSBASE. As a process not: they could, but a GS base
// of their own makes their system calls slow, and one that they don't have reads as ours
// (docs/decisions/0043). arch_prctl(2) does the same.
bool programs_set_bases() {
#ifdef NARWHAL_HOME_PROCESS
  return false;
#else
  return x86::cpuid(0).eax >= 7 && (x86::cpuid(7).ebx & 1);
#endif
}

}  // namespace

const platform::CpuIdentity& platform::cpu_identity() {
  static constinit CpuIdentity identity{};
  if (identity.vendor[0] != '\0') return identity;
  const auto vendor = x86::cpuid(0);
  const u32 words[3] = {vendor.ebx, vendor.edx, vendor.ecx};
  for (u32 i = 0; i < 3; ++i)
    if (x86::cpuid(0x80000000).eax >= 0x80000004) {
      const auto part = x86::cpuid(0x80000002 + i);
      const u32 registers[4] = {part.eax, part.ebx, part.ecx, part.edx};
      std::memcpy(identity.brand + i * 16, registers, 16);
    }
  const auto signature = x86::cpuid(1);
  identity.family = signature.eax >> 8 & 15;
  identity.model = (signature.eax >> 4 & 15) | (signature.eax >> 16 & 15) << 4;
  if (identity.family == 15) identity.family += signature.eax >> 20 & 255;
  identity.stepping = signature.eax & 15;
  identity.hwcap = signature.edx;
  identity.hwcap2 = programs_set_bases() ? 2 : 0;
  const TscClock clock = tsc_clock();
  // ns = ticks * mult >> shift, so ticks a millisecond are 10^6 << shift over mult.
  if (clock.mult != 0) identity.tsc_khz = (u64{1'000'000} << clock.shift) / clock.mult;
  std::memcpy(identity.vendor, words, sizeof words);
  return identity;
}

usize platform::cpu_flags(std::span<char> out) {
  // By bit of CPUID.1:EDX, CPUID.1:ECX, CPUID.7:EBX, CPUID.7:ECX, CPUID.80000001:EDX,
  // CPUID.80000001:ECX.
  struct Flag {
    u8 word, bit;
    const char* name;
  };
  static constexpr Flag kFlags[] = {
      {0, 0, "fpu"},       {0, 3, "pse"},      {0, 4, "tsc"},       {0, 5, "msr"},
      {0, 6, "pae"},       {0, 8, "cx8"},      {0, 9, "apic"},      {0, 11, "sep"},
      {0, 13, "pge"},      {0, 15, "cmov"},    {0, 16, "pat"},      {0, 19, "clflush"},
      {0, 23, "mmx"},      {0, 24, "fxsr"},    {0, 25, "sse"},      {0, 26, "sse2"},
      {4, 11, "syscall"},  {4, 20, "nx"},      {4, 26, "pdpe1gb"},  {4, 27, "rdtscp"},
      {4, 29, "lm"},       {1, 0, "pni"},      {1, 1, "pclmulqdq"}, {1, 9, "ssse3"},
      {1, 12, "fma"},      {1, 13, "cx16"},    {1, 19, "sse4_1"},   {1, 20, "sse4_2"},
      {1, 22, "movbe"},    {1, 23, "popcnt"},  {1, 25, "aes"},      {1, 26, "xsave"},
      {1, 28, "avx"},      {1, 29, "f16c"},    {1, 30, "rdrand"},   {1, 31, "hypervisor"},
      {5, 0, "lahf_lm"},   {5, 5, "abm"},      {5, 6, "sse4a"},     {2, 0, "fsgsbase"},
      {2, 3, "bmi1"},      {2, 5, "avx2"},     {2, 7, "smep"},      {2, 8, "bmi2"},
      {2, 9, "erms"},      {2, 16, "avx512f"}, {2, 17, "avx512dq"}, {2, 18, "rdseed"},
      {2, 19, "adx"},      {2, 20, "smap"},    {2, 29, "sha_ni"},   {2, 30, "avx512bw"},
      {2, 31, "avx512vl"}, {3, 2, "umip"},     {3, 22, "rdpid"},
  };
  const auto basic = x86::cpuid(1), extended = x86::cpuid(7), amd = x86::cpuid(0x80000001);
  const u32 words[] = {basic.edx, basic.ecx, extended.ebx, extended.ecx, amd.edx, amd.ecx};
  usize used = 0;
  for (const Flag& flag : kFlags) {
    if (!(words[flag.word] >> flag.bit & 1)) continue;
    if (flag.word == 2 && flag.bit == 0 && !programs_set_bases()) continue;  // fsgsbase
    const usize length = std::strlen(flag.name);
    if (used + length + 1 > out.size()) break;
    if (used) out[used++] = ' ';
    std::memcpy(out.data() + used, flag.name, length);
    used += length;
  }
  return used;
}

usize platform::hardware_entropy(std::span<std::byte> out) {
  const bool rdseed = x86::cpuid(0).eax >= 7 && (x86::cpuid(7).ebx >> 18 & 1);
  const bool rdrand = x86::cpuid(1).ecx >> 30 & 1;
  usize good = 0;
  for (usize at = 0; at < out.size(); at += sizeof(u64)) {
    u64 value = 0;
    bool ok = false;
    for (int tries = 0; tries < 10 && !ok; ++tries) {
      if (rdseed) asm volatile("rdseed %0" : "=r"(value), "=@ccc"(ok));
      if (!ok && rdrand) asm volatile("rdrand %0" : "=r"(value), "=@ccc"(ok));
    }
    const usize size = out.size() - at < sizeof value ? out.size() - at : sizeof value;
    if (ok)
      good += size;
    else
      value = x86::read_tsc() * 0x9e3779b97f4a7c15;
    std::memcpy(out.data() + at, &value, size);
  }
  return good;
}

}  // namespace narwhal
