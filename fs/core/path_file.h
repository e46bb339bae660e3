// What O_PATH opens: a place and nothing else (open(2)).
#pragma once

#include "fs/core/dentry.h"

namespace narwhal {

class PathFile final : public File {
 public:
  PathFile(const Path& path, OpenFlags flags) : File(flags), path_(path) {}

  Result<> stat(abi::Stat& out) override { return path_.dentry->inode().stat(out); }
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override;

 private:
  Path path_;
};

}  // namespace narwhal
