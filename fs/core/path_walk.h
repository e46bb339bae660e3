// One walk along a path: path_resolution(7). Only for fs/core/; others use vfs.h.
//
// The walk holds the names lock, shared, from its first component to its end, and goes with plain
// pointers. It lets go only where a file system must be asked for a name (made-up names) or a link
// leads to a place (magic links): then it first takes references to everything that it stands on.
#pragma once

#include "fs/core/vfs.h"

namespace narwhal {

class PathWalk : NonCopyable {
 public:
  enum class LastKind : u8 { kName, kDot, kDotDot, kRoot };

  // Keeps references to `actor` and `start`, and the view of the path.
  PathWalk(const vfs::Actor& actor, const Path& start, std::string_view path,
           ResolveFlags resolve = ResolveFlags::kNone);
  PathWalk(const vfs::Actor&, Path&&, std::string_view, ResolveFlags = {}) = delete;
  ~PathWalk();

  // Walks to the end. ENOENT for an empty path.
  Result<> to_end(bool follow_last);
  // Stops in the directory that holds, or would hold, the last component: last_kind() and
  // last_name() tell which. A link there is not looked at.
  Result<> to_parent();
  // After to_parent(): goes on with the last component. Success with found() false: there is no
  // such name. When it is a link and `follow`, walks along it to the parent of where it leads, and
  // so on: last_name() is then the link's own last component.
  Result<> step_last(bool follow);

  bool found() const { return found_; }
  LastKind last_kind() const { return last_kind_; }
  std::string_view last_name() const { return last_name_; }
  bool last_has_slash() const { return last_has_slash_; }

  Dentry& dentry() const { return *dentry_; }
  Mount& mount() const { return *mount_; }
  Inode& inode() const { return dentry_->inode(); }

  // Where it stands, with references. Ends the walk: gives the lock back. Fails (ENOENT) only when
  // the place went away at this moment.
  Result<Path> finish();
  // The same without counting as a use of the mount (Mount::used()).
  Result<Path> finish_unnoticed();

 private:
  // A text that is being walked: the caller's path, or that of a link.
  struct Text {
    std::string_view left;   // what is still to be walked
    Inode* owner = nullptr;  // whose link it is, when the text is the inode's own
    Ref<Inode> pin;          // keeps it, once the lock was let go
    String made;             // the text itself, when it was made for this walk
  };
  static constexpr int kMaxLinks = 40;
  Result<> begin();
  Result<> walk(bool stop_at_last, bool follow_last);
  Result<> step_into(Dentry& child, bool follow);
  Result<Dentry*> find_child(std::string_view name, u32 hash);
  Result<Dentry*> find_unpinned(std::string_view name, u32 hash);
  Result<> step_up();
  Result<> cross_mounts();
  Result<> follow_link(Dentry& link);
  Result<> enter_text(std::string_view text, Inode* owner, String made);
  void pop_text();
  Result<> jump_to(Path place);
  Result<> check_search();
  void set_position(Mount* mount, Dentry* dentry) {
    mount_ = mount;
    dentry_ = dentry;
  }
  void lock();
  void unlock();
  // Takes references to all that the walk stands on and lets the lock go.
  Result<> pin_and_unlock();
  bool at_root() const { return dentry_ == root_dentry_ && mount_ == root_mount_; }
  bool has(ResolveFlags flag) const { return narwhal::has(resolve_, flag); }

  const vfs::Actor& actor_;
  const ResolveFlags resolve_;
  bool locked_ = false;
  bool pinned_ = false;
  bool found_ = true;
  bool last_has_slash_ = false;
  LastKind last_kind_ = LastKind::kName;
  int links_ = 0;

  Text text_;  // the innermost text
  Vector<Text> outer_;
  std::string_view last_name_;
  u32 last_hash_ = 0;

  Mount* mount_ = nullptr;  // where the walk stands
  Dentry* dentry_ = nullptr;
  Mount* root_mount_ = nullptr;  // what it must not leave upwards
  Dentry* root_dentry_ = nullptr;
  const Path& start_;
  Path held_;       // references to the place, when the lock was let go on the way
  Path root_held_;  // and to the root
};

}  // namespace narwhal
