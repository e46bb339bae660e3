#include "kernel/platform/vm/fpu.h"

#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/context.h"
#include "kernel/platform/vm/cpu.h"

namespace narwhal {
namespace vm {
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
constinit usize area_size = kLegacySize;
constinit u32 mxcsr_mask = 0xffbf;

void xsave(std::byte* area, bool optimised) {
  const u32 low = u32(components), high = u32(components >> 32);
  if (!cpu_features.xsave)
    asm volatile("fxsave64 (%0)" ::"r"(area) : "memory");
  else if (optimised && cpu_features.xsaveopt)
    asm volatile("xsaveopt64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
  else
    asm volatile("xsave64 (%0)" ::"r"(area), "a"(low), "d"(high) : "memory");
}

template <typename T>
void put(std::byte* area, usize at, T value) {
  std::memcpy(area + at, &value, sizeof value);
}

}  // namespace

void fpu_init() {
  if (cpu_features.xsave) {
    const auto supported = x86::cpuid(0xd);
    components = (u64{supported.edx} << 32 | supported.eax) & kWantedComponents;
    if ((components & 0xe0) != 0xe0) components &= ~u64{0xe0};  // AVX-512 only whole
    x86::write_xcr0(components);
    area_size = x86::cpuid(0xd).ebx;  // of what XCR0 now enables
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

}  // namespace vm

namespace platform {

usize fpu_area_size() {
  return vm::area_size;
}
u64 fpu_feature_mask() {
  return vm::components;
}

void fpu_area_init(std::byte* area) {
  std::memset(area, 0, vm::area_size);
  vm::put(area, 0, vm::kDefaultControlWord);
  vm::put(area, vm::kMxcsrAt, vm::kDefaultMxcsr);
  vm::put(area, vm::kMxcsrMaskAt, vm::mxcsr_mask);
  // The header says that the legacy parts are there; all others then load as they are after reset.
  if (vm::cpu_features.xsave) vm::put(area, vm::kHeaderAt, u64{3});
}

void fpu_save(std::byte* area) {
  vm::xsave(area, false);
}

void fpu_load(const std::byte* area) {
  if (vm::cpu_features.xsave)
    asm volatile("xrstor64 (%0)" ::"r"(area), "a"(u32(vm::components)),
                 "d"(u32(vm::components >> 32))
                 : "memory");
  else
    asm volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

Result<> fpu_area_sanitize(std::byte* area, usize size) {
  if (size < vm::area_size) return Errno::kInval;
  u32 mxcsr;
  std::memcpy(&mxcsr, area + vm::kMxcsrAt, sizeof mxcsr);
  vm::put(area, vm::kMxcsrAt, mxcsr & vm::mxcsr_mask);
  if (!vm::cpu_features.xsave) return {};
  u64 present;
  std::memcpy(&present, area + vm::kHeaderAt, sizeof present);
  vm::put(area, vm::kHeaderAt, present & vm::components);
  // The rest of the header must be zero: standard format, nothing reserved.
  std::memset(area + vm::kHeaderAt + sizeof present, 0, vm::kHeaderSize - sizeof present);
  return {};
}

}  // namespace platform
}  // namespace narwhal
