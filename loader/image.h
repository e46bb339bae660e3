// Mapping ELF segments into an address space, and writing into one that is not active.
#pragma once

#include "fs/core/file.h"
#include "loader/elf.h"

namespace narwhal {

// Reads an open file.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(File& file) : file_(file) {}
  Result<usize> read_at(u64 offset, std::span<std::byte> to) override;

 private:
  File& file_;
};

// Copies into memory that need not be the current one, faulting pages in. EFAULT, ENOMEM.
Result<> write_memory(AddressSpace& memory, UserAddr at, std::span<const std::byte> from);
Result<> zero_memory(AddressSpace& memory, UserAddr at, usize size);

// Maps all segments with `bias` added to their addresses. The range must be free.
Result<> map_segments(AddressSpace& memory, File& file, const ElfFile& elf, u64 bias);

// A free range for a position-independent file, found by mapping it nowhere in particular; returns
// the bias.
Result<u64> find_bias(AddressSpace& memory, const ElfFile& elf);

}  // namespace narwhal
