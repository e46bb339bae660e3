// Dentry: a name in a directory that leads to an inode. Mount: a file system set upon a directory.
#pragma once

#include "fs/core/inode.h"

namespace narwhal {

// One file system that is mounted somewhere, or could be.
class FileSystem : public RefCounted {
 public:
  struct Usage {  // statfs(2)
    i64 magic;
    i64 block_size;
    u64 blocks, blocks_free, files, files_free;
  };
  virtual std::string_view type_name() const = 0;
  virtual Ref<Inode> root_inode() = 0;
  virtual Result<Usage> usage() = 0;
  u64 device() const { return device_; }

 protected:
  FileSystem();

 private:
  u64 device_;  // st_dev, anonymous as tmpfs has it
};

// Names form a tree. A file system that lives in memory keeps its dentries pinned; others let them
// go when unused.
class Dentry final : public RefCounted {
 public:
  Dentry(Ref<Dentry> parent, String name, Ref<Inode> inode);
  ~Dentry() override;

  Inode& inode() const { return *inode_; }
  // Both change under rename(2); take them through path_text() or with the directory's lock.
  const Ref<Dentry>& parent() const { return parent_; }
  std::string_view name() const { return name_; }
  bool unlinked() const { return unlinked_.load(Order::kAcquire); }

 private:
  friend class DentryTree;  // fs/core/dentry.cc: linking, unlinking, moving, looking up
  Ref<Dentry> parent_;
  String name_;
  Ref<Inode> inode_;
  Atomic<bool> unlinked_{false};
};

class Mount final : public RefCounted {
 public:
  Mount(Ref<FileSystem> file_system, Ref<Dentry> root)
      : file_system_(std::move(file_system)), root_(std::move(root)) {}
  FileSystem& file_system() const { return *file_system_; }
  const Ref<Dentry>& root() const { return root_; }
  u32 flags = 0;  // MS_RDONLY and the like

 private:
  Ref<FileSystem> file_system_;
  Ref<Dentry> root_;
};

}  // namespace narwhal
