// Names for addresses in the kernel's text, for backtraces: the table that the build appends to the
// image (tools/image). Reading it allocates nothing and believes nothing, since a panic reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace narwhal {

// The table's layout, little-endian, 4-byte aligned:
//   SymbolTableHeader
//   SymbolEntry[count]   sorted by `start`, none twice
//   char[name_bytes]     the names, each ended by a NUL byte
struct SymbolTableHeader {
  static constexpr uint32_t kMagic = 0x4d59534e;  // "NSYM"

  uint32_t magic;
  uint32_t count;
  uint32_t name_bytes;
};

struct SymbolEntry {
  uint32_t start;  // bytes from the image's start
  uint32_t size;   // bytes; 0 means up to the next entry
  uint32_t name;   // bytes from the first name
};

class SymbolTable {
 public:
  struct Found {
    std::string_view name;  // empty where nothing covers the address
    uint32_t offset = 0;    // bytes from the function's start
  };

  // `bytes` is the table, 4-byte aligned, and must outlive this object. A table that is empty or
  // damaged finds nothing.
  explicit SymbolTable(std::span<const std::byte> bytes);

  // The function that covers `image_offset`, in bytes from the image's start.
  [[nodiscard]] Found find(uint64_t image_offset) const;

  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  std::span<const SymbolEntry> entries_;
  std::string_view names_;
};

}  // namespace narwhal
