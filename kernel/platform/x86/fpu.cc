#include "kernel/platform/x86/fpu.h"

#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/context.h"
#include "kernel/platform/fpu_layout.h"

namespace narwhal {
namespace x86 {
namespace {

constexpr usize kLegacySize = 512;
constexpr usize kHeaderSize = 64;
constexpr usize kHeaderAt = kLegacySize;
constexpr usize kMxcsrAt = 24, kMxcsrMaskAt = 28;
constexpr u32 kDefaultMxcsr = 0x1f80;
constexpr u16 kDefaultControlWord = 0x37f;
// x87, SSE, AVX, AVX-512's three, PKRU left out (no protection keys here).
constexpr u64 kWantedComponents = 0x7 | 0xe0;

constinit u64 components = 3;
constinit bool has_xsave = false;
constinit bool has_xsaveopt = false;
constinit usize area_size = kLegacySize;
constinit u32 mxcsr_mask = 0xffbf;

void xsave(std::byte* area, bool optimised) {
  const u32 low = u32(components), high = u32(components >> 32);
  if (!has_xsave)
    asm volatile("fxsave64 (%0)" ::"r"(area) : "memory");
  else if (optimised && has_xsaveopt)
    asm volatile("xsaveopt64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
  else
    asm volatile("xsave64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
}

template <typename T>
void put(std::byte* area, usize at, T value) {
  std::memcpy(area + at, &value, sizeof value);
}

}  // namespace

u64 fpu_wanted_components() {
  if (!(cpuid(1).ecx >> 26 & 1)) return 0;
  const auto supported = cpuid(0xd);
  u64 wanted = (u64{supported.edx} << 32 | supported.eax) & kWantedComponents;
  if ((wanted & 0xe0) != 0xe0) wanted &= ~u64{0xe0};  // AVX-512 only whole
  return wanted;
}

void fpu_init(u64 chosen) {
  has_xsave = chosen != 0;
  has_xsaveopt = has_xsave && (cpuid(0xd, 1).eax & 1);
  if (has_xsave) {
    components = chosen;
    // The standard format has fixed places: the end of the last component is the end of all.
    area_size = kLegacySize + kHeaderSize;
    for (u32 i = 2; i < 63; ++i) {
      if (!(components >> i & 1)) continue;
      const auto part = cpuid(0xd, i);
      if (part.ebx + part.eax > area_size) area_size = part.ebx + part.eax;
    }
  }
  alignas(16) static constinit std::byte probe[kLegacySize] = {};
  asm volatile("fxsave64 (%0)" ::"r"(probe) : "memory");
  u32 mask;
  std::memcpy(&mask, probe + kMxcsrMaskAt, sizeof mask);
  if (mask != 0) mxcsr_mask = mask;
}

void fpu_save_for_switch(std::byte* area) {
  xsave(area, true);
}

}  // namespace x86

namespace platform {

usize fpu_area_size() {
  return x86::area_size;
}
u64 fpu_feature_mask() {
  return x86::components;
}

usize fpu_layout(std::span<FpuComponent> out) {
  usize count = 0;
  for (u32 i = 2; x86::has_xsave && i < 63; ++i) {
    if (!(x86::components >> i & 1)) continue;
    const auto part = x86::cpuid(0xd, i);
    if (count < out.size()) out[count] = {i, part.eax, part.ecx, part.ebx};
    ++count;
  }
  return count;
}

void fpu_area_init(std::byte* area) {
  std::memset(area, 0, x86::area_size);
  x86::put(area, 0, x86::kDefaultControlWord);
  x86::put(area, x86::kMxcsrAt, x86::kDefaultMxcsr);
  x86::put(area, x86::kMxcsrMaskAt, x86::mxcsr_mask);
  // The header says that the legacy parts are there; all others then load as they are after reset.
  if (x86::has_xsave) x86::put(area, x86::kHeaderAt, u64{3});
}

void fpu_save(std::byte* area) {
  x86::xsave(area, false);
}

void fpu_load(const std::byte* area) {
  if (x86::has_xsave)
    asm volatile("xrstor64 (%0)" ::"r"(area), "a"(u32(x86::components)),
                 "d"(u32(x86::components >> 32))
                 : "memory");
  else
    asm volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

Result<> fpu_area_sanitize(std::byte* area, usize size) {
  if (size < x86::area_size) return Errno::kInval;
  u32 mxcsr;
  std::memcpy(&mxcsr, area + x86::kMxcsrAt, sizeof mxcsr);
  x86::put(area, x86::kMxcsrAt, mxcsr & x86::mxcsr_mask);
  if (!x86::has_xsave) return {};
  u64 present;
  std::memcpy(&present, area + x86::kHeaderAt, sizeof present);
  x86::put(area, x86::kHeaderAt, present & x86::components);
  // The rest of the header must be zero: standard format, nothing reserved.
  std::memset(area + x86::kHeaderAt + sizeof present, 0, x86::kHeaderSize - sizeof present);
  return {};
}

}  // namespace platform
}  // namespace narwhal
