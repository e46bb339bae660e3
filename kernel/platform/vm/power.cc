// Ending the machine, in the order of docs/boot-contract.md: debug exit, ACPI, keyboard controller,
// triple fault.
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/pvh.h"
#include "kernel/platform/vm/window.h"

namespace narwhal {
namespace vm {
namespace {

constexpr u16 kDebugExitPort = 0x501;
constexpr u16 kKeyboardPort = 0x64;
constexpr u8 kKeyboardReset = 0xfe;

// ACPI 6.4, section 5.2. Tables may lie anywhere, so each is mapped before it is read.
struct Header {
  char signature[4];
  u32 length;
  u8 rest[28];
};
static_assert(sizeof(Header) == 36);

const Header* map_table(u64 address) {
  if (address == 0) return nullptr;
  auto header = platform::map_device(PhysAddr(address), sizeof(Header));
  if (!header.ok()) return nullptr;
  u32 length;
  std::memcpy(&length, header.value() + 4, sizeof length);
  if (length < sizeof(Header) || length > 16 * kMiB) return nullptr;
  auto whole = platform::map_device(PhysAddr(address), length);
  return whole.ok() ? reinterpret_cast<const Header*>(whole.value()) : nullptr;
}

template <typename T>
T field(const void* base, usize at) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(base) + at, sizeof value);
  return value;
}

const Header* find_table(const char* signature) {
  const auto& info =
      *reinterpret_cast<const PvhStartInfo*>(platform::direct_map(PhysAddr(boot_state.start_info)));
  if (info.rsdp == 0) return nullptr;
  auto rsdp = platform::map_device(PhysAddr(info.rsdp), 36);
  if (!rsdp.ok() || std::memcmp(rsdp.value(), "RSD PTR ", 8) != 0) return nullptr;
  const bool wide = field<u8>(rsdp.value(), 15) >= 2 && field<u64>(rsdp.value(), 24) != 0;
  const Header* root =
      map_table(wide ? field<u64>(rsdp.value(), 24) : field<u32>(rsdp.value(), 16));
  if (!root) return nullptr;
  const usize entry = wide ? 8 : 4;
  for (usize at = sizeof(Header); at + entry <= root->length; at += entry) {
    const Header* table = map_table(wide ? field<u64>(root, at) : field<u32>(root, at));
    if (table && std::memcmp(table->signature, signature, 4) == 0) return table;
  }
  return nullptr;
}

// The sleep type of S5 is in a package named _S5_ of the machine's AML: name, package opcode,
// length, count, first value.
bool find_sleep_type(const Header& dsdt, u16& type) {
  const auto* bytes = reinterpret_cast<const u8*>(&dsdt);
  for (u32 at = sizeof(Header); at + 10 < dsdt.length; ++at) {
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
  const Header* fadt = find_table("FACP");
  if (!fadt || fadt->length < kPm1aControl + 4) return;
  const Header* dsdt = map_table(field<u32>(fadt, kDsdt));
  const u16 port = u16(field<u32>(fadt, kPm1aControl));
  u16 type;
  if (dsdt && port != 0 && find_sleep_type(*dsdt, type))
    x86::out16(port, u16(type << 10 | kSleepEnable));
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
