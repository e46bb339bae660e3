#include "kernel/base/symbols/symbol_table.h"

#include <algorithm>

namespace narwhal {

SymbolTable::SymbolTable(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(SymbolTableHeader)) return;
  const auto* header = reinterpret_cast<const SymbolTableHeader*>(bytes.data());
  if (header->magic != SymbolTableHeader::kMagic) return;
  const size_t room = bytes.size() - sizeof(SymbolTableHeader);
  const uint64_t entry_bytes = uint64_t{header->count} * sizeof(SymbolEntry);
  if (entry_bytes > room || header->name_bytes > room - entry_bytes) return;
  const std::byte* const first = bytes.data() + sizeof(SymbolTableHeader);
  entries_ = {reinterpret_cast<const SymbolEntry*>(first), header->count};
  names_ = {reinterpret_cast<const char*>(first + entry_bytes), header->name_bytes};
}

SymbolTable::Found SymbolTable::find(uint64_t image_offset) const {
  const auto after = std::ranges::upper_bound(entries_, image_offset, {}, &SymbolEntry::start);
  if (after == entries_.begin()) return {};
  const SymbolEntry& entry = *(after - 1);
  const uint64_t offset = image_offset - entry.start;
  // The address after a call that does not return may be one past its function's last byte.
  if (entry.size != 0 && offset > entry.size) return {};
  if (entry.name >= names_.size()) return {};
  const std::string_view rest = names_.substr(entry.name);
  return {rest.substr(0, rest.find('\0')), static_cast<uint32_t>(offset)};
}

}  // namespace narwhal
