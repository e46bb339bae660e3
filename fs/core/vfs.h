// Paths to things: what system calls with a path do. See path_resolution(7).
//
// All functions take the acting FsContext and Credentials and give the errno that Linux gives.
// Paths are at most kMaxPath - 1 bytes and hold no NUL; whoever copied them from a program saw to
// that.
#pragma once

#include "fs/core/dentry.h"
#include "fs/core/inode.h"

namespace narwhal {

inline constexpr usize kMaxPath = 4096;  // PATH_MAX, the NUL included
inline constexpr usize kMaxName = 255;   // NAME_MAX

// Working directory, root and umask; shared by threads with CLONE_FS. The two places are guarded by
// the names lock, so that a path walk reads them for nothing.
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
  friend class PathWalk;
  Path root_ TA_GUARDED_BY(names_lock);
  Path working_directory_ TA_GUARDED_BY(names_lock);
  Atomic<u32> umask_;
};

enum class LookupFlags : u32 {
  kNone = 0,
  kFollow = 1,     // follow a symbolic link in the last component
  kDirectory = 2,  // the result must be a directory
  kEmptyPath = 4,  // "" means the start itself (AT_EMPTY_PATH)
};
ENABLE_FLAGS(LookupFlags);

// openat2(2), RESOLVE_*.
enum class ResolveFlags : u64 {
  kNone = 0,
  kNoXdev = 0x01,
  kNoMagicLinks = 0x02,
  kNoSymlinks = 0x04,
  kBeneath = 0x08,
  kInRoot = 0x10,
  kCached = 0x20,
};
ENABLE_FLAGS(ResolveFlags);

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
                     u32 mode, ResolveFlags resolve = ResolveFlags::kNone);
// Opens a place that was looked up before, as execve(2) and magic links do; rights are checked.
Result<FileRef> open_path(const Actor& actor, const Path& path, OpenFlags flags);
// The path of a place as getcwd(2) and /proc show it; " (deleted)" is appended when its name is
// gone, "(unreachable)" put before when it is not below the root. Without a context: seen from the
// root of all.
Result<String> path_text(const FsContext& fs, const Path& path);
Result<String> path_text(const Path& path);
// The part of its file system that a mount shows: the path of its root there.
Result<String> root_text(const Mount& mount);
// Whether path_text() would say "(unreachable)".
bool is_reachable(const FsContext& fs, const Path& path);

// Rights to read (4), write (2), execute or search (1), by mode, owner and capabilities.
enum Access : u32 { kMayExecute = 1, kMayWrite = 2, kMayRead = 4 };
// EACCES.
Result<> check_permission(const Credentials& who, const Inode& inode, u32 mask);
// access(2) of a place: adds EROFS, and EACCES for execution on a noexec mount.
Result<> check_access(const Credentials& who, const Path& path, u32 mask);
Result<> check_access(const Credentials& who, Inode& inode, u32 mask);

Result<> mkdir(const Actor& actor, const Path& start, std::string_view path, u32 mode);
// The type is in `mode`; 0 means regular. What is returned is where it was made: bind(2) of a
// unix(7) socket attaches itself there.
Result<Path> mknod(const Actor& actor, const Path& start, std::string_view path, u32 mode,
                   u64 device);
Result<> unlink(const Actor& actor, const Path& start, std::string_view path);
Result<> rmdir(const Actor& actor, const Path& start, std::string_view path);
Result<> symlink(const Actor& actor, std::string_view target, const Path& start,
                 std::string_view path);
Result<> link(const Actor& actor, const Path& from, const Path& start, std::string_view path);
enum RenameFlags : u32 { kRenameNoReplace = 1, kRenameExchange = 2, kRenameWhiteout = 4 };
Result<> rename(const Actor& actor, const Path& old_start, std::string_view old_path,
                const Path& new_start, std::string_view new_path, u32 flags);
// chmod, chown, utimensat: rights are checked, set-user-ID bits dropped where Linux drops them.
Result<> change_attributes(const Actor& actor, const Path& path, const AttributeChange& change);
// FS_IOC_SETFLAGS, for an inode that has_flags(): InodeFlag bits. EROFS; EPERM: not the owner, or no
// CAP_LINUX_IMMUTABLE for what it guards.
Result<> change_flags(const Actor& actor, const Path& path, u8 flags);
// Who changes a program's content takes its set-ID bits away, unless CAP_FSETID says otherwise
// (inode(7)). To be called by whoever writes for somebody; nothing happens to other files.
void drop_set_id(const Credentials& who, Inode& inode);
inline void content_written(const Credentials& who, File& file) {
  Inode* inode = file.inode();
  if (inode && (inode->mode() & (kSetUid | kSetGid))) [[unlikely]]
    drop_set_id(who, *inode);
}
// truncate(2): rights to write are checked. EAGAIN, as from open(), while a lease is being broken
// (fs/core/lease.h).
Result<> truncate(const Actor& actor, const Path& path, u64 size);
Result<String> read_link(const Actor& actor, const Path& path);

// xattr(7), with the rules of each name space.
Result<usize> get_xattr(const Actor& actor, const Path& path, std::string_view name,
                        std::span<std::byte> out);
Result<> set_xattr(const Actor& actor, const Path& path, std::string_view name,
                   std::span<const std::byte> value, int flags);
Result<> remove_xattr(const Actor& actor, const Path& path, std::string_view name);
Result<usize> list_xattr(const Actor& actor, const Path& path, std::span<char> out);

// The one tree of mounts. mount() sets a file system's root upon a directory.
Result<> mount_root(Ref<FileSystem> file_system);
// `source` is what /proc/mounts shows.
Result<> mount(const Actor& actor, std::string_view at, Ref<FileSystem> file_system, u32 flags,
               std::string_view source = {});
// mount(2) with MS_BIND; `recursive` takes the mounts below with it.
Result<> bind_mount(const Actor& actor, const Path& from, std::string_view at, bool recursive);
// The root of a mount that has no place yet; it goes with the last reference. fsmount(2).
Result<Path> make_mount(Ref<FileSystem> file_system, u32 flags, std::string_view source);
// Another mount of what `from` shows, without a place: open_tree(2).
Result<Path> clone_mount(const Path& from);
// Sets the mount whose root `from` is upon `to`: move_mount(2), MS_MOVE. EINVAL, ELOOP, ENOENT.
Result<> move_mount(const Path& from, const Path& to);
// The same beneath the mount whose root `to` is, which stays on top.
Result<> move_mount_beneath(const Path& from, const Path& to);
// How unmount() goes about it. kIfExpired: only what was marked by such a call before, and not used
// since; EAGAIN when it is only marked now.
enum class Unmounting : u8 { kIfUnused, kIfExpired, kLazily };
Result<> unmount(const Actor& actor, std::string_view at, Unmounting how, bool follow);
Path root_path();

}  // namespace vfs
}  // namespace narwhal
