// Ending the machine, in the order of docs/boot-contract.md: debug exit, ACPI, keyboard controller,
// triple fault.
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/acpi.h"
#include "kernel/platform/vm/table_fields.h"

namespace narwhal {
namespace vm {
namespace {

constexpr u16 kDebugExitPort = 0x501;
constexpr u16 kKeyboardPort = 0x64;
constexpr u8 kKeyboardReset = 0xfe;

// The sleep type of S5 is in a package named _S5_ of the machine's AML: name, package opcode,
// length, count, first value.
bool find_sleep_type(std::span<const std::byte> dsdt, u16& type) {
  constexpr usize kHeaderSize = 36;
  const auto* bytes = reinterpret_cast<const u8*>(dsdt.data());
  for (usize at = kHeaderSize; at + 10 < dsdt.size(); ++at) {
    if (std::memcmp(bytes + at, "_S5_", 4) != 0 || bytes[at + 4] != 0x12) continue;
    const u8* value = bytes + at + 5;
    value += (*value >> 6) +
             2;  // the package's length, which is as long as its first two bits say, and the count
    if (*value == 0x0a) ++value;  // a byte constant
    type = u16(*value & 7);
    return true;
  }
  return false;
}

void acpi_power_off() {
  constexpr usize kDsdt = 40, kPm1aControl = 64;
  constexpr u16 kSleepEnable = 1 << 13;
  const auto fadt = acpi_table("FACP");
  if (fadt.size() < kPm1aControl + 4) return;
  const auto dsdt = acpi_table_at(field<u32>(fadt.data(), kDsdt));
  const u16 port = u16(field<u32>(fadt.data(), kPm1aControl));
  u16 type;
  if (port != 0 && find_sleep_type(dsdt, type)) x86::out16(port, u16(type << 10 | kSleepEnable));
}

}  // namespace
}  // namespace vm

void platform::power_off(u8 status) {
  x86::disable_interrupts();
  x86::out8(vm::kDebugExitPort, status & 0x7f);
  vm::acpi_power_off();
  x86::out8(vm::kKeyboardPort, vm::kKeyboardReset);
  // An empty table of interrupts: the next one is a triple fault, which resets the machine.
  const struct [[gnu::packed]] {
    u16 limit;
    u64 base;
  } nothing{};
  asm volatile("lidt %0\nud2" ::"m"(nothing));
  __builtin_unreachable();
}

}  // namespace narwhal
