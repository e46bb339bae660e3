// Mount: a file system, or a part of one, set upon a directory. mount(2), mount_namespaces(7).
#pragma once

#include "fs/core/file_system.h"
#include "fs/core/names_lock.h"
#include "fs/core/path.h"

namespace narwhal {

// Flags of one mount (mount(2)), with the numbers of MS_*.
enum class MountFlags : u32 {
  kNone = 0,
  kReadOnly = 1,
  kNoSetUid = 2,
  kNoDevices = 4,
  kNoExecute = 8,
  kNoSymlinkFollow = 256,
  kNoAccessTime = 1024,
  kNoDirectoryAccessTime = 2048,
  kRelativeAccessTime = 1 << 21,
  kStrictAccessTime = 1 << 24,
  kInternal = 1 << 30,  // the kernel's own: its files have names for /proc only (memfd_create(2))
};
ENABLE_FLAGS(MountFlags);

// A file at `place`, opened with `flags`, was read: its time of access moves as the mount says.
void note_access(const Path& place, OpenFlags flags);

class Mount final : public RefCounted {
 public:
  // `source`: what mount(2) was told to mount, for /proc/mounts.
  Mount(Ref<FileSystem> file_system, Ref<Dentry> root, MountFlags flags, String source = {});
  ~Mount() override;

  FileSystem& file_system() const { return *file_system_; }
  const Ref<FileSystem>& file_system_ref() const { return file_system_; }
  const Ref<Dentry>& root() const { return root_; }
  MountFlags flags() const { return MountFlags(flags_.load(Order::kRelaxed)); }
  void set_flags(MountFlags flags) { flags_.store(raw(flags), Order::kRelaxed); }
  // The type where nothing else was said.
  std::string_view source() const {
    return source_.view().empty() ? file_system_->type_name() : source_.view();
  }
  bool read_only() const {
    return has(flags(), MountFlags::kReadOnly) || file_system_->read_only();
  }
  u32 id() const { return id_; }  // /proc/PID/mountinfo
  // The number that is never given again, statmount(2): above all those that may be.
  static constexpr u64 kUniqueIdOffset = u64{1} << 31;
  u64 unique_id() const { return kUniqueIdOffset + id_; }

  // MNT_EXPIRE, umount2(2): marks it, and says whether it was marked and not used since.
  bool mark_expired() { return expired_.exchange(true); }
  void used() {
    if (expired_.load(Order::kRelaxed)) [[unlikely]]
      expired_.store(false);
  }

  // Where it is; the mount at the root of all has no parent.
  Mount* parent() const NARWHAL_TSA(requires_shared_capability(names_lock)) {
    return parent_.get();
  }
  Dentry* mountpoint() const NARWHAL_TSA(requires_shared_capability(names_lock)) {
    return mountpoint_.get();
  }

 private:
  friend class MountTree;
  const Ref<FileSystem> file_system_;
  const Ref<Dentry> root_;
  const String source_;
  Atomic<u32> flags_;
  Atomic<bool> expired_{false};
  const u32 id_;
  Ref<Mount> parent_ TA_GUARDED_BY(names_lock);
  Ref<Dentry> mountpoint_ TA_GUARDED_BY(names_lock);
  u32 children_ TA_GUARDED_BY(names_lock) = 0;
  // Made and not yet set upon anything (fsmount(2), open_tree(2)); what was taken away stays away.
  bool awaits_place_ TA_GUARDED_BY(names_lock) = true;
  ListNode node_;  // in the list of all mounts, which owns one reference
};

// All mounts, in the order in which they were made.
class MountTree {
 public:
  // What is mounted on a name, or null. Only asked when the dentry says that something is.
  static Mount* find(const Mount& parent, const Dentry& mountpoint)
      NARWHAL_TSA(requires_shared_capability(names_lock));
  // The root of all. EBUSY when there is one.
  static Result<> attach_root(Ref<Mount> mount) TA_EXCLUDES(names_lock);
  // Sets `mount` upon `at`. ENOENT when the name is gone.
  static Result<> attach(Ref<Mount> mount, const Path& at) TA_EXCLUDES(names_lock);
  // Takes a mount away. EINVAL for the root of all; EBUSY when mounts are on it, or somebody uses
  // it; `lazy` takes it away all the same, and all that is mounted below.
  static Result<> detach(const Ref<Mount>& mount, bool lazy) TA_EXCLUDES(names_lock);
  // Moves it (MS_MOVE), or gives it its first place (move_mount(2)). EINVAL for the root of all and
  // for what was taken away; ELOOP when `to` is below it.
  static Result<> move(const Ref<Mount>& mount, const Path& to) TA_EXCLUDES(names_lock);

  // Sets a mount that awaits its place beneath `top`, which stands on its root from then on
  // (MOVE_MOUNT_BENEATH). EINVAL for the root of all, and for what has or had its place.
  static Result<> move_beneath(const Ref<Mount>& mount, const Ref<Mount>& top)
      TA_EXCLUDES(names_lock);
  // Whether `mount` is `top` or is mounted somewhere below it.
  static bool is_below(const Mount& mount, const Mount& top) TA_EXCLUDES(names_lock);

  // Told when a mount comes, goes or moves, with the names lock held: whoever looks comes after.
  static void set_listener(void (*listener)());

  static Mount* root() NARWHAL_TSA(requires_shared_capability(names_lock));
  // One after the other; null ends. The argument's reference keeps the place.
  static Ref<Mount> next(const Mount* after) TA_EXCLUDES(names_lock);

 private:
  using Mounts = List<Mount, &Mount::node_>;
  // Upon `at`, or upon what somebody has mounted there already.
  static void link_on_top(Mount& mount, const Path& at) TA_REQUIRES(names_lock);
  static void link(Mount& mount, Mount& parent, Dentry& mountpoint) TA_REQUIRES(names_lock);
  // What must be dropped after the lock is left in `dropped`.
  static void unlink(Mount& mount, Path& dropped) TA_REQUIRES(names_lock);
  static Mount* find_leaf_below(const Mount& mount)
      NARWHAL_TSA(requires_shared_capability(names_lock));
  static Mounts mounts_ TA_GUARDED_BY(names_lock);
  static Mount* root_ TA_GUARDED_BY(names_lock);
};

}  // namespace narwhal
