#include "fs/core/path_walk.h"

namespace narwhal {

PathWalk::PathWalk(const vfs::Actor& actor, const Path& start, std::string_view path,
                   ResolveFlags resolve)
    : actor_(actor), resolve_(resolve), start_(start) {
  text_.left = path;
}

PathWalk::~PathWalk() {
  if (locked_) unlock();
}

void PathWalk::lock() TA_NO_ANALYSIS {
  names_lock.lock_shared();
  locked_ = true;
}

void PathWalk::unlock() TA_NO_ANALYSIS {
  locked_ = false;
  names_lock.unlock_shared();
}

Result<> PathWalk::begin() {
  if (text_.left.empty()) return Errno::kNoEnt;
  if (text_.left.size() >= kMaxPath) return Errno::kNameTooLong;
  lock();
  const FsContext& fs = actor_.fs;
  const Path& from = start_ ? start_ : fs.working_directory_;
  const bool confined = has(ResolveFlags::kBeneath | ResolveFlags::kInRoot);
  const Path& root = confined ? from : fs.root_;
  root_mount_ = root.mount.get();
  root_dentry_ = root.dentry.get();
  if (text_.left.front() == '/') {
    if (has(ResolveFlags::kBeneath)) return Errno::kXDev;
    set_position(root_mount_, root_dentry_);
  } else {
    set_position(from.mount.get(), from.dentry.get());
  }
  return {};
}

Result<> PathWalk::check_search() {
  const Inode& inode = dentry_->inode();
  if (!inode.is_directory()) return Errno::kNotDir;
  constexpr u32 kAllMaySearch = 0111;
  if ((inode.mode() & kAllMaySearch) == kAllMaySearch) return {};
  return vfs::check_permission(actor_.who, inode, vfs::kMayExecute);
}

Result<> PathWalk::to_end(bool follow_last) {
  TRY(begin());
  return walk(false, follow_last);
}

Result<> PathWalk::to_parent() {
  TRY(begin());
  return walk(true, false);
}

Result<> PathWalk::walk(bool stop_at_last, bool follow_last) {
  last_kind_ = LastKind::kRoot;
  for (;;) {
    std::string_view& left = text_.left;
    while (!left.empty() && left.front() == '/') left.remove_prefix(1);
    if (left.empty()) {
      if (outer_.empty()) break;
      pop_text();
      continue;
    }
    TRY(check_search());
    u32 hash;
    const usize size = DentryTree::scan_component(left, hash);
    const std::string_view name = left.substr(0, size);
    left.remove_prefix(size);
    const bool slash = !left.empty();
    while (!left.empty() && left.front() == '/') left.remove_prefix(1);
    const bool is_last = left.empty() && outer_.empty();

    LastKind kind = LastKind::kName;
    if (name.front() == '.') {
      if (size == 1)
        kind = LastKind::kDot;
      else if (size == 2 && name[1] == '.')
        kind = LastKind::kDotDot;
    }
    if (is_last) {
      last_has_slash_ |= slash;
      last_kind_ = kind;
      if (stop_at_last) {
        last_name_ = name;
        last_hash_ = hash;
        return {};
      }
    }
    if (kind == LastKind::kDot) continue;
    if (kind == LastKind::kDotDot) {
      TRY(step_up());
      continue;
    }
    Dentry* child = TRY(find_child(name, hash));
    if (!child) return Errno::kNoEnt;
    TRY(step_into(*child, !is_last || follow_last || last_has_slash_));
  }
  if (last_has_slash_ && !dentry_->inode().is_directory()) return Errno::kNotDir;
  return {};
}

Result<> PathWalk::step_last(bool follow) {
  for (;;) {
    found_ = true;
    if (last_kind_ == LastKind::kRoot || last_kind_ == LastKind::kDot) return {};
    if (last_kind_ == LastKind::kDotDot) return step_up();
    Dentry* child = TRY(find_child(last_name_, last_hash_));
    if (!child) {
      found_ = false;
      return {};
    }
    const bool is_link = child->inode().is_symlink();
    const int links_before = links_;
    TRY(step_into(*child, follow || last_has_slash_));
    // A link that led to a text is walked on to the parent of where it leads; a magic link has
    // jumped there already.
    if (!is_link || links_ == links_before || text_.left.empty()) return {};
    TRY(walk(true, false));
  }
}

Result<Dentry*> PathWalk::find_child(std::string_view name, u32 hash) {
  if (name.size() > kMaxName) return Errno::kNameTooLong;
  names_lock.assert_shared();
  Dentry* child = DentryTree::find(*dentry_, name, hash);
  const FileSystem::Names names = dentry_->inode().file_system().names();
  if (names == FileSystem::Names::kPinned) return child;
  if (names == FileSystem::Names::kMadeUp && child && child->inode().still_valid()) return child;
  return find_unpinned(name, hash);
}

namespace {

// Whether a name that is in the tree is what lookup() has found just now.
bool is_same(const Dentry& there, const Dentry& found) {
  if (there.inode().file_system().names() == FileSystem::Names::kRemote)
    return &there.inode() == &found.inode();
  return there.inode().still_valid();
}

}  // namespace

Result<Dentry*> PathWalk::find_unpinned(std::string_view name, u32 hash) {
  TRY(pin_and_unlock());
  auto inode = held_.dentry->inode().lookup(name);
  if (inode.failed(Errno::kNoEnt)) {
    lock();
    return nullptr;
  }
  if (!inode.ok()) return inode.error();
  TRY(DentryTree::reserve(*held_.dentry));
  Ref<Dentry> child = TRY(Dentry::create(held_.dentry, name, inode.take()));
  {
    Ref<Dentry> unused;
    NamesWriteGuard guard;
    // Another walk may have made the same name meanwhile. One that is on its way out, or stands
    // for what is no more, gives up its place.
    Dentry* other = DentryTree::find(*held_.dentry, name, hash);
    if (other && is_same(*other, *child) && other->try_add_ref()) {
      unused = std::move(child);
      child = Ref<Dentry>::adopt(other);
    } else {
      if (other) static_cast<void>(DentryTree::unlink(*other).release());
      DentryTree::link(*child);
    }
  }
  // The child keeps its parent, on which the walk still stands.
  Dentry* result = child.get();
  held_.dentry = std::move(child);
  lock();
  return result;
}

Result<> PathWalk::cross_mounts() {
  names_lock.assert_shared();
  while (dentry_->covered()) {
    Mount* mount = MountTree::find(*mount_, *dentry_);
    if (!mount) return {};
    if (has(ResolveFlags::kNoXdev)) return Errno::kXDev;
    set_position(mount, mount->root().get());
  }
  return {};
}

Result<> PathWalk::step_up() {
  names_lock.assert_shared();
  Mount* mount = mount_;
  Dentry* dentry = dentry_;
  for (;;) {
    if (dentry == root_dentry_ && mount == root_mount_)
      return has(ResolveFlags::kBeneath) ? Result<>(Errno::kXDev) : Result<>();
    if (dentry != mount->root().get()) break;
    // The root of all, or of a mount that was taken away: nothing is above.
    if (!mount->parent()) return {};
    if (has(ResolveFlags::kNoXdev)) return Errno::kXDev;
    dentry = mount->mountpoint();
    mount = mount->parent();
  }
  if (dentry->parent()) dentry = dentry->parent().get();
  set_position(mount, dentry);
  return cross_mounts();
}

Result<> PathWalk::step_into(Dentry& child, bool follow) {
  if (child.inode().is_symlink()) {
    if (follow) return follow_link(child);
    set_position(mount_, &child);
    return {};
  }
  set_position(mount_, &child);
  return child.covered() ? cross_mounts() : Result<>();
}

Result<> PathWalk::follow_link(Dentry& link) {
  if (links_++ >= kMaxLinks || has(ResolveFlags::kNoSymlinks)) return Errno::kLoop;
  if (narwhal::has(mount_->flags(), MountFlags::kNoSymlinkFollow)) return Errno::kLoop;
  Inode& inode = link.inode();
  if (std::string_view stable = inode.stable_link(); !stable.empty())
    return enter_text(stable, &inode, String());

  // What is dropped on this way may be the last reference, whose end takes the lock: all of it goes
  // before the lock is taken again.
  if (!link.try_add_ref()) return Errno::kNoEnt;
  Ref<Dentry> link_ref = Ref<Dentry>::adopt(&link);
  TRY(pin_and_unlock());
  Path place = TRY(inode.follow_magic_link());
  if (place) {
    if (has(ResolveFlags::kNoMagicLinks)) return Errno::kLoop;
    if (has(ResolveFlags::kBeneath | ResolveFlags::kInRoot)) return Errno::kXDev;
    if (has(ResolveFlags::kNoXdev) && place.mount != held_.mount) return Errno::kXDev;
    held_ = std::move(place);
    link_ref = nullptr;
    lock();
    set_position(held_.mount.get(), held_.dentry.get());
    return {};
  }
  String made = TRY(inode.read_link());
  link_ref = nullptr;
  lock();
  const std::string_view text = made.view();
  return enter_text(text, nullptr, std::move(made));
}

Result<> PathWalk::enter_text(std::string_view text, Inode* owner, String made) {
  if (!text_.left.empty()) TRY(outer_.push_back(std::move(text_)));
  text_ = Text{text, owner, nullptr, std::move(made)};
  if (pinned_ && owner) text_.pin = Ref<Inode>(owner);
  if (text.empty()) return Errno::kNoEnt;
  if (text.front() != '/') return {};
  if (has(ResolveFlags::kBeneath)) return Errno::kXDev;
  if (has(ResolveFlags::kNoXdev) && mount_ != root_mount_) return Errno::kXDev;
  set_position(root_mount_, root_dentry_);
  return {};
}

void PathWalk::pop_text() {
  text_ = std::move(outer_.back());
  outer_.pop_back();
}

Result<> PathWalk::pin_and_unlock() {
  if (has(ResolveFlags::kCached)) return Errno::kAgain;
  if (!dentry_->try_add_ref()) return Errno::kNoEnt;
  Path place{Ref<Mount>(mount_), Ref<Dentry>::adopt(dentry_)};
  if (!pinned_) {
    root_held_ = Path{Ref<Mount>(root_mount_), Ref<Dentry>(root_dentry_)};
    pinned_ = true;
  }
  if (text_.owner) text_.pin = Ref<Inode>(text_.owner);
  for (Text& text : outer_)
    if (text.owner) text.pin = Ref<Inode>(text.owner);
  unlock();
  std::swap(held_, place);
  return {};
}

Result<Path> PathWalk::finish() {
  mount_->used();
  return finish_unnoticed();
}

Result<Path> PathWalk::finish_unnoticed() {
  if (!dentry_->try_add_ref()) return Errno::kNoEnt;
  Path place{Ref<Mount>(mount_), Ref<Dentry>::adopt(dentry_)};
  unlock();
  return place;
}

}  // namespace narwhal
