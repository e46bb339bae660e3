// mount(2), umount2(2).
#include "fs/core/notify.h"
#include "fs/core/path_walk.h"
#include "fs/core/vfs.h"

namespace narwhal::vfs {
namespace {

// A file system shows a directory on a directory, and a file on a file.
// A link that was reached as such (by a descriptor of O_PATH) is no place: ENOENT, as Linux says of
// those in /proc.
Result<> check_mountpoint(const Dentry& root, const Path& at) {
  if (at.dentry->inode().is_symlink()) return Errno::kNoEnt;
  if (root.inode().is_directory() != at.dentry->inode().is_directory()) return Errno::kNotDir;
  return {};
}

Result<Ref<Mount>> mount_of(Ref<FileSystem> file_system, u32 flags, std::string_view source) {
  Ref<Dentry> root = TRY(file_system->root());
  return make_ref<Mount>(std::move(file_system), std::move(root), MountFlags(flags),
                         TRY(String::copy(source)));
}

// Another mount of the same, or of what lies below `root` of it.
Result<Ref<Mount>> copy_of(const Mount& original, Ref<Dentry> root) {
  return make_ref<Mount>(original.file_system_ref(), std::move(root), original.flags(),
                         TRY(String::copy(original.source())));
}

}  // namespace

Result<> mount_root(Ref<FileSystem> file_system) {
  return MountTree::attach_root(
      TRY(mount_of(std::move(file_system), raw(MountFlags::kRelativeAccessTime), {})));
}

Path root_path() {
  NamesReadGuard guard;
  Mount* root = MountTree::root();
  if (!root) return Path();
  return Path{Ref<Mount>(root), root->root()};
}

Result<> mount(const Actor& actor, std::string_view at, Ref<FileSystem> file_system, u32 flags,
               std::string_view source) {
  const Path place = TRY(lookup(actor, Path(), at, LookupFlags::kFollow));
  Ref<Mount> fresh = TRY(mount_of(std::move(file_system), flags, source));
  TRY(check_mountpoint(*fresh->root(), place));
  return MountTree::attach(std::move(fresh), place);
}

Result<Path> make_mount(Ref<FileSystem> file_system, u32 flags, std::string_view source) {
  Ref<Mount> fresh = TRY(mount_of(std::move(file_system), flags, source));
  Ref<Dentry> root = fresh->root();
  return Path{std::move(fresh), std::move(root)};
}

Result<Path> clone_mount(const Path& from) {
  return Path{TRY(copy_of(*from.mount, from.dentry)), from.dentry};
}

Result<> move_mount(const Path& from, const Path& to) {
  if (from.dentry != from.mount->root()) return Errno::kInval;
  if (from.dentry->inode().is_directory() != to.dentry->inode().is_directory())
    return Errno::kInval;
  return MountTree::move(from.mount, to);
}

Result<> bind_mount(const Actor& actor, const Path& from, std::string_view at, bool recursive) {
  const Path place = TRY(lookup(actor, Path(), at, LookupFlags::kFollow));
  TRY(check_mountpoint(*from.dentry, place));
  Ref<Mount> copy = TRY(copy_of(*from.mount, from.dentry));
  TRY(MountTree::attach(copy, place));
  if (!recursive) return {};

  // What is mounted below the source appears below the copy. Each mount's parent comes before it in
  // the list, so its copy is known by then.
  struct Pair {
    Ref<Mount> original, copy;
  };
  Vector<Pair> pairs;
  TRY(pairs.push_back({from.mount, copy}));
  const u32 last_id = copy->id();
  for (Ref<Mount> original = MountTree::next(nullptr); original && original->id() < last_id;
       original = MountTree::next(original.get())) {
    Path point;
    {
      NamesReadGuard guard;
      for (const Pair& pair : pairs) {
        if (original->parent() != pair.original.get()) continue;
        if (pair.original == from.mount &&
            !DentryTree::is_below(*original->mountpoint(), *from.dentry))
          continue;
        point = Path{pair.copy, Ref<Dentry>(original->mountpoint())};
      }
    }
    if (!point) continue;
    Ref<Mount> below = TRY(copy_of(*original, original->root()));
    TRY(MountTree::attach(below, point));
    TRY(pairs.push_back({original, below}));
  }
  return {};
}

Result<> move_mount_beneath(const Path& from, const Path& to) {
  if (from.dentry != from.mount->root() || to.dentry != to.mount->root()) return Errno::kInval;
  if (from.dentry->inode().is_directory() != to.dentry->inode().is_directory())
    return Errno::kInval;
  return MountTree::move_beneath(from.mount, to.mount);
}

Result<> unmount(const Actor& actor, std::string_view at, Unmounting how, bool follow) {
  Path place;
  const Path here;
  {
    PathWalk walk(actor, here, at);
    TRY(walk.to_end(follow));
    place = TRY(walk.finish_unnoticed());
  }
  // It must be the root of a mount, not a place inside.
  if (place.dentry != place.mount->root()) return Errno::kInval;
  place.dentry = nullptr;
  if (how == Unmounting::kIfExpired) {
    // One reference is the list's, one is ours.
    if (place.mount->ref_count() > 2) return Errno::kBusy;
    if (!place.mount->mark_expired()) return Errno::kAgain;
  }
  return MountTree::detach(place.mount, how == Unmounting::kLazily);
}

}  // namespace narwhal::vfs
