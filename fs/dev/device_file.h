// An open device, as far as all of them are alike.
#pragma once

#include "fs/core/dentry.h"
#include "fs/core/vfs.h"

namespace narwhal {

class DeviceFile : public File {
 public:
  DeviceFile(const Path& path, OpenFlags flags)
      : File(flags & ~(OpenFlags::kNoControllingTty | OpenFlags::kExclusive)), path_(path) {}

  Result<> stat(abi::Stat& out) override { return path_.dentry->inode().stat(out); }
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override { return vfs::path_text(path_); }

 private:
  const Path path_;
};

}  // namespace narwhal
