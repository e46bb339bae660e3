// An open directory whose names are in the tree of dentries, or are made up by its inode.
#pragma once

#include "fs/core/dentry.h"
#include "fs/core/directory_notice.h"

namespace narwhal {

class DirectoryFile : public File {
 public:
  DirectoryFile(const Path& path, OpenFlags flags) : File(flags), path_(path) {}
  ~DirectoryFile() override;

  Result<usize> read(IoBuffer&) override { return Errno::kIsDir; }
  Result<usize> read_at(IoBuffer&, u64) override { return Errno::kIsDir; }
  Result<i64> seek(i64 offset, int whence) override;
  bool seekable() const override { return true; }
  Result<> stat(abi::Stat& out) override { return path_.dentry->inode().stat(out); }
  Result<> sync(bool) override { return {}; }
  // Holds the position lock. Offsets: 1 after ".", 2 after "..", then what the names have.
  Result<> read_directory(DirectoryVisitor& visitor) override;
  Result<> notify_of_entries(u32 mask, i32 fd) override;
  void descriptor_closed() override { stop_notices(); }
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override;
  Kind kind() const override { return Kind::kDirectory; }

 protected:
  // Entries from `offset` on (0: from the first after "." and ".."), of names that are not pinned.
  virtual Result<> visit_names(i64 offset, DirectoryVisitor& visitor) {
    return path_.dentry->inode().read_directory(offset, visitor);
  }

 private:
  void stop_notices();
  bool visit_pinned(DirectoryVisitor& visitor);

  Path path_;
  // The last entry that was given out, so that going on need not search for it. Holding it does not
  // keep its name.
  Ref<Dentry> last_;
  Ref<DirectoryNotice> notice_;  // under the position lock
};

}  // namespace narwhal
