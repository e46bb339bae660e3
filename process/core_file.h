// The content of a core file. Everything is decided, and all sizes are known, before the first byte
// is written: the headers come first.
#pragma once

#include "kernel/base/vector.h"
#include "process/task.h"

namespace narwhal {

// A range of memory, and how much of it goes into the file.
struct CoreSegment {
  UserAddr start;
  u64 size;
  u64 dumped;
  Protection protection;
};

// Segments, and what NT_FILE says of files.
struct CoreMemory {
  Vector<CoreSegment> segments;
  struct File {
    u64 start, end, page_offset;
  };
  Vector<File> files;
  Vector<char> file_names;  // each with its NUL

  // `filter`: core_filter::*.
  static Result<CoreMemory> collect(AddressSpace& memory, u32 filter);
};

// All notes, ready to be written. `tasks`: the one that dumps first, all of them at rest. ENOMEM.
Result<Vector<std::byte>> make_core_notes(std::span<Task* const> tasks, const abi::SignalInfo& info,
                                          const CoreMemory& memory);

// Writes headers, notes and memory, as far as `limit` (RLIMIT_CORE, bytes) reaches.
Result<> write_core_file(File& file, u64 limit, AddressSpace& space, const CoreMemory& memory,
                         std::span<const std::byte> notes);

}  // namespace narwhal
