// Which processors a machine has, as firmware tells it: ACPI's table of interrupt controllers (ACPI
// 6.4, section 5.2.12), or the tables of the older MultiProcessor Specification (Intel, version
// 1.4, chapter 4), which virtual machines without ACPI have (microvm, Firecracker).
#pragma once

#include <span>

#include "kernel/platform/vm/table_fields.h"

namespace narwhal::vm {

// The processors' numbers as the interrupt controllers know them.
class ProcessorList {
 public:
  static constexpr usize kMost = 64;

  void add(u32 apic_id) {
    if (size_ == kMost) return;
    for (usize i = 0; i < size_; ++i)
      if (ids_[i] == apic_id) return;
    ids_[size_++] = apic_id;
  }
  std::span<const u32> ids() const { return {ids_, size_}; }

 private:
  u32 ids_[kMost] = {};
  usize size_ = 0;
};

// `table` is the whole ACPI table with signature "APIC".
inline void add_acpi_processors(std::span<const std::byte> table, ProcessorList& out) {
  constexpr usize kFirstEntry = 44;
  constexpr u8 kLocalApic = 0, kLocalX2Apic = 9;
  constexpr u32 kEnabled = 1;
  for (usize at = kFirstEntry; at + 2 <= table.size();) {
    const std::byte* entry = table.data() + at;
    const u8 type = field<u8>(entry, 0), size = field<u8>(entry, 1);
    if (size < 2 || at + size > table.size()) return;
    if (type == kLocalApic && size >= 8 && (field<u32>(entry, 4) & kEnabled))
      out.add(field<u8>(entry, 3));
    if (type == kLocalX2Apic && size >= 16 && (field<u32>(entry, 8) & kEnabled))
      out.add(field<u32>(entry, 4));
    at += size;
  }
}

// Where the MultiProcessor tables are, from the structure that points to them, which lies somewhere
// in `area` at a multiple of 16 bytes; 0 when it is not there.
inline u32 find_mp_table(std::span<const std::byte> area) {
  constexpr usize kPointerSize = 16;
  for (usize at = 0; at + kPointerSize <= area.size(); at += kPointerSize) {
    const std::byte* pointer = area.data() + at;
    if (std::memcmp(pointer, "_MP_", 4) != 0) continue;
    u8 sum = 0;
    for (usize i = 0; i < kPointerSize; ++i) sum = u8(sum + u8(pointer[i]));
    if (sum == 0) return field<u32>(pointer, 4);
  }
  return 0;
}

// Bytes of the table that begins with these 44, 0 if it is none.
inline usize mp_table_size(std::span<const std::byte> header) {
  if (header.size() < 44 || std::memcmp(header.data(), "PCMP", 4) != 0) return 0;
  const usize size = field<u16>(header.data(), 4);
  return size < 44 ? 0 : size;
}

// The table says how many entries it has, too, but qboot, the firmware of microvm, leaves that at
// 0.
inline void add_mp_processors(std::span<const std::byte> table, ProcessorList& out) {
  constexpr usize kFirstEntry = 44;
  constexpr u8 kProcessor = 0;
  constexpr usize kProcessorSize = 20, kOtherSize = 8;
  constexpr u8 kEnabled = 1;
  for (usize at = kFirstEntry; at < table.size();) {
    const std::byte* entry = table.data() + at;
    const usize size = field<u8>(entry, 0) == kProcessor ? kProcessorSize : kOtherSize;
    if (at + size > table.size()) return;
    if (size == kProcessorSize && (field<u8>(entry, 3) & kEnabled)) out.add(field<u8>(entry, 1));
    at += size;
  }
}

}  // namespace narwhal::vm
