#include "kernel/platform/vm/acpi.h"

#include <cstring>

#include "kernel/platform/machine.h"
#include "kernel/platform/vm/pvh.h"
#include "kernel/platform/vm/table_fields.h"
#include "kernel/platform/vm/window.h"

namespace narwhal::vm {

namespace {

constexpr usize kHeaderSize = 36, kLengthAt = 4;

}  // namespace

// Tables may lie anywhere, so each is mapped before it is read.
std::span<const std::byte> acpi_table_at(u64 address) {
  if (address == 0) return {};
  auto header = platform::map_device(PhysAddr(address), kHeaderSize);
  if (!header.ok()) return {};
  const u32 length = field<u32>(header.value(), kLengthAt);
  if (length < kHeaderSize || length > 16 * kMiB) return {};
  auto whole = platform::map_device(PhysAddr(address), length);
  if (!whole.ok()) return {};
  return {whole.value(), length};
}

std::span<const std::byte> acpi_table(const char* signature) {
  const auto& info =
      *reinterpret_cast<const PvhStartInfo*>(platform::direct_map(PhysAddr(boot_state.start_info)));
  if (info.rsdp == 0) return {};
  auto rsdp = platform::map_device(PhysAddr(info.rsdp), 36);
  if (!rsdp.ok() || std::memcmp(rsdp.value(), "RSD PTR ", 8) != 0) return {};
  const bool wide = field<u8>(rsdp.value(), 15) >= 2 && field<u64>(rsdp.value(), 24) != 0;
  const auto root =
      acpi_table_at(wide ? field<u64>(rsdp.value(), 24) : field<u32>(rsdp.value(), 16));
  const usize entry = wide ? 8 : 4;
  for (usize at = kHeaderSize; at + entry <= root.size(); at += entry) {
    const auto table =
        acpi_table_at(wide ? field<u64>(root.data(), at) : field<u32>(root.data(), at));
    if (!table.empty() && std::memcmp(table.data(), signature, 4) == 0) return table;
  }
  return {};
}

}  // namespace narwhal::vm
