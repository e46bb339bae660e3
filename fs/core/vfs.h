// Paths to things: what system calls with a path do. See path_resolution(7).
//
// All functions take the acting FsContext and Credentials and give the errno that Linux gives.
#pragma once

#include "fs/core/dentry.h"
#include "fs/core/inode.h"

namespace narwhal {

// A place in the tree of names.
struct Path {
  Ref<Mount> mount;
  Ref<Dentry> dentry;
  explicit operator bool() const { return bool(dentry); }
};

// Working directory, root and umask; shared by threads with CLONE_FS.
class FsContext : public RefCounted {
 public:
  FsContext(Path root, Path working_directory, u32 umask)
      : root_(std::move(root)), working_directory_(std::move(working_directory)), umask_(umask) {}
  Result<Ref<FsContext>> copy() const;
  Path root() const;
  Path working_directory() const;
  void set_root(Path path);
  void set_working_directory(Path path);
  u32 umask() const { return umask_.load(Order::kRelaxed); }
  u32 exchange_umask(u32 mask) { return umask_.exchange(mask & 0777); }

 private:
  mutable Mutex<LockRank::kFsContext> mutex_;
  Path root_ TA_GUARDED_BY(mutex_);
  Path working_directory_ TA_GUARDED_BY(mutex_);
  Atomic<u32> umask_;
};

enum class LookupFlags : u32 {
  kNone = 0,
  kFollow = 1,     // follow a symbolic link in the last component
  kDirectory = 2,  // the result must be a directory
  kEmptyPath = 4,  // "" means the start itself (AT_EMPTY_PATH)
};
ENABLE_FLAGS(LookupFlags);

namespace vfs {

struct Actor {
  FsContext& fs;
  const Credentials& who;
};

// `start` is where a relative path begins: a directory descriptor's path, or an empty Path for the
// working directory.
Result<Path> lookup(const Actor& actor, const Path& start, std::string_view path,
                    LookupFlags flags);
Result<FileRef> open(const Actor& actor, const Path& start, std::string_view path, OpenFlags flags,
                     u32 mode);
// The path of a place as getcwd(2) and /proc show it; " (deleted)" is appended when its name is
// gone, "(unreachable)" put before when it is not below the root.
Result<String> path_text(const FsContext& fs, const Path& path);
// access(2)-like checks; mask of R_OK 4, W_OK 2, X_OK 1. EACCES, EROFS.
Result<> check_access(const Credentials& who, Inode& inode, u32 mask);

Result<> mkdir(const Actor& actor, const Path& start, std::string_view path, u32 mode);
Result<> mknod(const Actor& actor, const Path& start, std::string_view path, u32 mode, u64 device);
Result<> unlink(const Actor& actor, const Path& start, std::string_view path);
Result<> rmdir(const Actor& actor, const Path& start, std::string_view path);
Result<> symlink(const Actor& actor, std::string_view target, const Path& start,
                 std::string_view path);
Result<> link(const Actor& actor, const Path& from, const Path& start, std::string_view path);
Result<> rename(const Actor& actor, const Path& old_start, std::string_view old_path,
                const Path& new_start, std::string_view new_path, u32 flags);
Result<> change_attributes(const Actor& actor, const Path& path, const AttributeChange& change);

// The one tree of mounts. mount() sets a file system's root upon a directory.
Result<> mount_root(Ref<FileSystem> file_system);
Result<> mount(const Actor& actor, std::string_view at, Ref<FileSystem> file_system, u32 flags);
Path root_path();

}  // namespace vfs
}  // namespace narwhal
