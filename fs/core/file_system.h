// FileSystem: inodes and names that belong together, whether mounted or not.
#pragma once

#include "fs/core/inode.h"

namespace narwhal {

class Dentry;

class FileSystem : public RefCounted {
 public:
  struct Usage {  // statfs(2)
    i64 magic = 0;
    i64 block_size = i64(kPageSize);
    u64 blocks = 0, blocks_free = 0, files = 0, files_free = 0;
  };
  // What a file system promises about its names.
  enum class Names : u8 {
    // It lives in memory, and the tree of dentries is its directory: a name that is not in the tree
    // does not exist.
    kPinned,
    // Names appear and vanish by themselves: the tree holds those in use, lookup() and
    // read_directory() know the others.
    kMadeUp,
    // Somebody else changes them too: lookup() is asked each time, and gives the same inode for the
    // same file as long as anybody uses it.
    kRemote,
  };

  virtual std::string_view type_name() const = 0;
  // Called once, by root().
  virtual Ref<Inode> root_inode() = 0;
  virtual Result<Usage> usage() = 0;
  // "size=1024k,mode=755", for /proc/mounts.
  virtual void describe_options(TextSink&) const {}
  // mount(2) with MS_REMOUNT: new options.
  virtual Result<> reconfigure(std::string_view) { return Errno::kInval; }

  // The root of its names, the same each time. ENOMEM.
  Result<Ref<Dentry>> root();
  u64 device() const { return device_; }
  // Nobody writes to it, by whatever mount (fsconfig(2), "ro"); a mount may be read-only by itself.
  bool read_only() const { return read_only_.load(Order::kRelaxed); }
  void set_read_only(bool value) { read_only_.store(value, Order::kRelaxed); }
  Names names() const { return names_; }
  bool names_pinned() const { return names_ == Names::kPinned; }

  // Held over everything that adds, removes or moves a name, so that what was looked up stays true
  // until it is done. One for the whole file system: such changes are short, and renames need no
  // order between directories.
  Mutex<LockRank::kDirectory>& names_mutex() { return names_mutex_; }

 protected:
  explicit FileSystem(Names names);
  ~FileSystem() override;
  // For a file system in memory: lets go of all names. To be called by the destructor of the class
  // that owns what the inodes need.
  void drop_names();

 private:
  const u64 device_;  // st_dev, anonymous as tmpfs has it
  const Names names_;
  Atomic<bool> read_only_{false};
  Mutex<LockRank::kDirectory> names_mutex_;
  Atomic<Dentry*> root_{nullptr};  // owned
};

// Types that mount(2) knows, for /proc/filesystems too; they live for ever ([[clang::no_destroy]]).
// `options` as in mount(8): "size=1m,mode=755".
struct FileSystemType {
  ListNode node;
  std::string_view name;
  Result<Ref<FileSystem>> (*create)(std::string_view options);
  // Whether it knows these options: EINVAL. Null: it takes none, and does not mind.
  Result<> (*check)(std::string_view options) = nullptr;
};
void register_file_system_type(FileSystemType& type);
// Null when there is none.
const FileSystemType* find_file_system_type(std::string_view name);
// ENODEV.
Result<Ref<FileSystem>> create_file_system(std::string_view type, std::string_view options);
void for_each_file_system_type(void (*visit)(const FileSystemType& type, void* argument),
                               void* argument);

}  // namespace narwhal
