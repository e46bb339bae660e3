// Reading ELF files: what execve(2) must know of them, and nothing else. Whatever a file says is
// checked before use.
#pragma once

#include <span>

#include "kernel/abi/elf.h"
#include "kernel/base/addr.h"
#include "kernel/base/vector.h"

namespace narwhal {

// Bytes of a file by offset; a file in the kernel, a buffer in tests.
class ByteSource {
 public:
  // Short at the end. EIO and the like.
  virtual Result<usize> read_at(u64 offset, std::span<std::byte> to) = 0;

 protected:
  ~ByteSource() = default;
};

struct ElfFile {
  bool position_independent = false;
  u64 entry = 0;  // as in the file: the base is still to be added
  u64 program_headers_at =
      0;  // address of the headers when loaded, as in the file; 0: not in a segment
  u16 program_header_count = 0;
  Vector<abi::ElfProgramHeader> segments;  // PT_LOAD, in order of address, not overlapping
  u64 lowest = 0;  // [lowest, highest): what the segments cover, page-aligned
  u64 highest = 0;
  u64 alignment = kPageSize;  // the largest of the segments'
  bool executable_stack = false;
  Vector<char> interpreter;  // path with its NUL; empty: none
};

// What Linux checks before it gives up the old program, and, so that a bad file does not cost the
// caller its life, what it finds out after that. ENOEXEC: no ELF file for this machine, or one that
// contradicts itself. EIO: it ends within its header or the interpreter's name. EINVAL: that name
// at a negative offset. ENOMEM.
Result<ElfFile> read_elf(ByteSource& source);

}  // namespace narwhal
