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

// Where a dump goes, from its beginning to its end.
class CoreOutput {
 public:
  virtual Result<> write(std::span<const std::byte> bytes) = 0;
  virtual Result<> skip(u64 size) = 0;  // as many zeros
  virtual Result<> finish() = 0;

 protected:
  ~CoreOutput() = default;
};

class CoreFileOutput final : public CoreOutput {
 public:
  explicit CoreFileOutput(File& file) : file_(file) {}
  Result<> write(std::span<const std::byte> bytes) override;
  Result<> skip(u64 size) override;
  Result<> finish() override;

 private:
  File& file_;
  u64 offset_ = 0;
};

// Writes headers, notes and memory, as far as `limit` (RLIMIT_CORE, bytes) reaches.
Result<> write_core_file(CoreOutput& output, u64 limit, AddressSpace& space,
                         const CoreMemory& memory, std::span<const std::byte> notes);

}  // namespace narwhal
