// What stands behind a mapping of a file: keeps the open file alive and names it in /proc/PID/maps.
#pragma once

#include "fs/core/regular_file.h"

namespace narwhal {

class FileMapping final : public MappingSource {
 public:
  // `inode` is counted as written by a shared mapping when `writes`.
  FileMapping(FileRef file, DataInode* inode, bool writes)
      : file_(std::move(file)), written_inode_(writes ? inode : nullptr) {
    if (written_inode_) written_inode_->writable_mapping_made();
  }
  ~FileMapping() override {
    if (written_inode_) written_inode_->writable_mapping_gone();
  }

  void describe(TextSink& path, u64& device, u64& inode) const override;
  File& file() const { return *file_; }

 private:
  const FileRef file_;
  DataInode* const written_inode_;
};

}  // namespace narwhal
