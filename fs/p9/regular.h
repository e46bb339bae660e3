// Regular files of a 9P file system.
#pragma once

#include "fs/p9/node.h"

namespace narwhal::p9 {

class RemoteRegular final : public RemoteInode<DataInode> {
 public:
  static Result<Ref<RemoteRegular>> make(P9FileSystem& file_system, File9Ref file,
                                         const Attributes& attributes);
  RemoteRegular(P9FileSystem& file_system, File9Ref file, const Attributes& attributes,
                Ref<Pages> pages)
      : RemoteInode(file_system, std::move(file), attributes, attributes.qid.path, attributes.mode,
                    attributes.uid, attributes.gid, pages),
        pages_(std::move(pages)) {
    pages_->set_size(attributes.size);
  }

  File9Ref any_file() const override;
  void note_size(const Attributes& attributes) override;
  // The number that created it is open for both.
  void set_created(File9Ref file) { pages_->set_writer(std::move(file)); }

  Result<u64> current_size() override;
  Result<usize> read(IoBuffer& to, u64 offset) override;
  Result<usize> write(IoBuffer& from, u64& offset, bool append) override;
  Result<> truncate(u64 size) override;
  // The protocol has no such call; posix_fallocate(3) then writes instead.
  Result<> allocate(int, u64, u64) override { return Errno::kOpNotSupp; }
  // Nothing is said of holes: all is data.
  Result<u64> seek_data(u64 offset) override;
  Result<u64> seek_hole(u64 offset) override;
  Result<> sync(bool data_only) override;
  Result<FileRef> open(const Path& path, OpenFlags flags) override;
  Result<Ref<MemoryObject>> memory_object() override;
  Result<> add_seals(u32) override { return Errno::kInval; }
  Result<u32> seals() override { return Errno::kInval; }

 protected:
  void writers_unmapped() override;

 private:
  Result<> open_reader();
  Result<> open_writer();

  Ref<Pages> pages_;
  // What the server said last, and whether that was news since the pages were last looked at.
  abi::TimeSpec seen_{};
  Atomic<bool> changed_{false};
};

}  // namespace narwhal::p9
