// Pages of a file that is kept by a 9P server, for mappings of it.
//
// read(2) and write(2) go to the server each time, so that host and guest see each other's changes
// at once. Only what is mapped has pages here: brought when first touched, some ahead; changed by
// write(2) along with the file; written back by msync(2), fsync(2), and when the last mapping that
// may write is gone. A page that was written back is taken out of the mappings, so that the next
// write to it is noticed.
#pragma once

#include "fs/p9/calls.h"
#include "kernel/mm/memory_object.h"
#include "kernel/mm/page_marks.h"

namespace narwhal::p9 {

class Pages final : public MemoryObject, public WriteWatcher {
 public:
  // EIO when the server fails.
  Result<FrameRef> page(u64 index, Access access) override;
  bool notes_writes() const override { return true; }
  Result<> write_back() override { return write_back(true); }
  // For when nobody can write through a mapping any more.
  Result<> write_back_unmapped() { return write_back(false); }

  // Opened for reading, for writing; each once, before there is a mapping that needs it.
  void set_reader(File9Ref file);
  void set_writer(File9Ref file);
  File9Ref reader() const;
  File9Ref writer() const;

  // Lets go of pages that nobody has changed, since the file has changed elsewhere.
  void forget_clean();
  bool has_changes() const;

  // Bytes from the server, before the program gets them: pages that were changed here hide them.
  void patch(u64 offset, std::span<std::byte> bytes);
  // Bytes that went to the server: pages that are here change with them.
  void written(u64 offset, std::span<const std::byte> bytes) override;

 private:
  static constexpr u64 kReadAhead = 16;  // pages

  Result<> write_back(bool mapped);
  Result<FrameRef> bring(u64 index);
  Result<> mark_changed(u64 index);
  // Takes the first run of changed pages out of the marks.
  PageMarks::Run take_changed();

  mutable SpinLock<LockRank::kSpinOther> lock_;
  File9Ref reader_ TA_GUARDED_BY(lock_);
  File9Ref writer_ TA_GUARDED_BY(lock_);
  PageMarks changed_ TA_GUARDED_BY(lock_);
};

}  // namespace narwhal::p9
