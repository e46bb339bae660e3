#include "fs/core/mount.h"

#include "fs/core/dentry.h"

namespace narwhal {
namespace {

constinit Atomic<u32> last_mount_id{0};
constinit Atomic<void (*)()> listener{nullptr};

void announce_change() {
  if (void (*told)() = listener.load()) told();
}

}  // namespace

// Few mounts exist, and only covered names ask: a list serves.
constinit MountTree::Mounts MountTree::mounts_;
constinit Mount* MountTree::root_ = nullptr;

Mount::Mount(Ref<FileSystem> file_system, Ref<Dentry> root, MountFlags flags, String source)
    : file_system_(std::move(file_system)),
      root_(std::move(root)),
      source_(std::move(source)),
      flags_(raw(flags)),
      id_(last_mount_id.fetch_add(1) + 1) {}

void note_access(const Path& place, OpenFlags flags) {
  Inode& inode = place.dentry->inode();
  MountFlags never = MountFlags::kNoAccessTime;
  if (inode.is_directory()) never |= MountFlags::kNoDirectoryAccessTime;
  if (has(flags, OpenFlags::kNoAccessTime) || has(place.mount->flags(), never)) return;
  if (place.mount->read_only()) return;
  inode.touch_accessed(has(place.mount->flags(), MountFlags::kStrictAccessTime));
}

Mount::~Mount() = default;

Mount* MountTree::root() {
  return root_;
}

Mount* MountTree::find(const Mount& parent, const Dentry& mountpoint) {
  // The newest first: a later mount on the same name covers the earlier one by standing on its
  // root, so that at most one is found; the order is for speed only.
  for (Mount* mount = mounts_.back(); mount; mount = mounts_.previous(*mount))
    if (mount->parent_ == &parent && mount->mountpoint_ == &mountpoint) return mount;
  return nullptr;
}

void MountTree::link(Mount& mount, Mount& parent, Dentry& mountpoint) {
  mount.parent_ = Ref<Mount>(&parent);
  mount.mountpoint_ = Ref<Dentry>(&mountpoint);
  mount.awaits_place_ = false;
  ++parent.children_;
  announce_change();
  mountpoint.covers_.fetch_add(1);
}

void MountTree::unlink(Mount& mount, Path& dropped) {
  dropped.mount = std::move(mount.parent_);
  dropped.dentry = std::move(mount.mountpoint_);
  --dropped.mount->children_;
  announce_change();
  dropped.dentry->covers_.fetch_sub(1);
}

void MountTree::set_listener(void (*told)()) {
  listener.store(told);
}

Result<> MountTree::attach_root(Ref<Mount> mount) {
  NamesWriteGuard guard;
  if (root_) return Errno::kBusy;
  root_ = mount.get();
  mounts_.push_back(*mount.release());
  return {};
}

void MountTree::link_on_top(Mount& mount, const Path& at) {
  Mount* parent = at.mount.get();
  Dentry* mountpoint = at.dentry.get();
  while (Mount* covering = find(*parent, *mountpoint)) {
    parent = covering;
    mountpoint = covering->root_.get();
  }
  link(mount, *parent, *mountpoint);
}

Result<> MountTree::attach(Ref<Mount> mount, const Path& at) {
  NamesWriteGuard guard;
  if (at.dentry->unlinked()) return Errno::kNoEnt;
  link_on_top(*mount, at);
  mounts_.push_back(*mount.release());
  return {};
}

Mount* MountTree::find_leaf_below(const Mount& mount) {
  const Mount* at = &mount;
  Mount* leaf = nullptr;
  while (at->children_ != 0)
    for (Mount& candidate : mounts_)
      if (candidate.parent_ == at) {
        at = leaf = &candidate;
        break;
      }
  return leaf;
}

Result<> MountTree::detach(const Ref<Mount>& mount, bool lazy) {
  // Lazily, all that is mounted below goes as well, from the leaves up.
  while (lazy) {
    Path dropped;
    Ref<Mount> list_reference;
    NamesWriteGuard guard;
    if (mount == root_ || !mount->node_.linked()) return Errno::kInval;
    Mount* leaf = find_leaf_below(*mount);
    if (!leaf) break;
    unlink(*leaf, dropped);
    leaf->node_.unlink();
    list_reference = Ref<Mount>::adopt(leaf);
  }
  Path dropped;
  Ref<Mount> list_reference;
  NamesWriteGuard guard;
  if (mount == root_ || !mount->node_.linked()) return Errno::kInval;
  if (mount->children_ != 0) return Errno::kBusy;
  // One reference is the list's, one the caller's.
  if (!lazy && mount->ref_count() > 2) return Errno::kBusy;
  unlink(*mount, dropped);
  mount->node_.unlink();
  list_reference = Ref<Mount>::adopt(mount.get());
  return {};
}

Result<> MountTree::move(const Ref<Mount>& mount, const Path& to) {
  Path dropped;
  NamesWriteGuard guard;
  const bool is_placed = mount->node_.linked();
  if (mount == root_ || (!is_placed && !mount->awaits_place_)) return Errno::kInval;
  for (Mount* m = to.mount.get(); m; m = m->parent_.get())
    if (m == mount) return Errno::kLoop;
  if (to.dentry->unlinked()) return Errno::kNoEnt;
  if (is_placed) unlink(*mount, dropped);
  link_on_top(*mount, to);
  if (!is_placed) mounts_.push_back(*Ref<Mount>(mount).release());
  return {};
}

Result<> MountTree::move_beneath(const Ref<Mount>& mount, const Ref<Mount>& top) {
  Path dropped;
  NamesWriteGuard guard;
  if (top == root_ || !top->node_.linked()) return Errno::kInval;
  if (mount->node_.linked() || !mount->awaits_place_) return Errno::kInval;
  unlink(*top, dropped);
  link(*mount, *dropped.mount, *dropped.dentry);
  link(*top, *mount, *mount->root_);
  mounts_.push_back(*Ref<Mount>(mount).release());
  return {};
}

bool MountTree::is_below(const Mount& mount, const Mount& top) {
  NamesReadGuard guard;
  for (const Mount* at = &mount; at; at = at->parent_.get())
    if (at == &top) return true;
  return false;
}

Ref<Mount> MountTree::next(const Mount* after) {
  NamesReadGuard guard;
  if (!after) return Ref<Mount>(mounts_.front());
  if (!after->node_.linked()) return nullptr;
  return Ref<Mount>(mounts_.next(const_cast<Mount&>(*after)));
}

}  // namespace narwhal
