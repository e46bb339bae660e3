// What happens to files, told to those who watch: the ground under inotify(7).
#pragma once

#include "fs/core/inode.h"

namespace narwhal {

namespace notify {

// Events with the numbers of inotify(7).
enum Event : u32 {
  kAccess = 0x001,
  kModify = 0x002,
  kAttributes = 0x004,
  kCloseWrite = 0x008,
  kCloseNoWrite = 0x010,
  kOpen = 0x020,
  kMovedFrom = 0x040,
  kMovedTo = 0x080,
  kCreate = 0x100,
  kDelete = 0x200,
  kDeleteSelf = 0x400,
  kMoveSelf = 0x800,
  kUnmount = 0x2000,
  kOverflow = 0x4000,
  kIgnored = 0x8000,
  // With an event that a directory's watchers are told: the name is gone. A watch that asked for
  // IN_EXCL_UNLINK, which has this number, leaves it out; nobody is shown it.
  kNameGone = 0x04000000,
  // With kMovedFrom: the name has only become another one in the same directory. For F_NOTIFY;
  // nobody is shown it.
  kInsideOnly = 0x10000000,
  kIsDirectory = 0x40000000,
};

}  // namespace notify

// One watch on one inode.
class Watch : public RefCounted {
 public:
  // `event` is one of notify::Event, with kIsDirectory where it applies. `name` is empty when it is
  // about the watched inode itself. Called under the inode's list lock, a spinlock. Returns false
  // when the watch has done its work and must go (IN_ONESHOT).
  virtual bool on_event(u32 event, u32 cookie, std::string_view name) = 0;
  // The watch was taken off by the inode's end or by on_event()'s answer. Not under the lock.
  virtual void removed() = 0;

 private:
  friend class WatchList;
  ListNode node_;
  // Under the list's lock. Not the same as node_.linked(): what is being taken off waits in another
  // list for its end.
  bool listed_ = false;
};

class WatchList : NonCopyable {
 public:
  constexpr WatchList() = default;
  ~WatchList() { ASSERT(empty()); }
  // Takes a reference.
  void add(Watch& watch);
  // Whether it was still there; its reference is dropped then.
  bool remove(Watch& watch);
  void send(u32 event, u32 cookie, std::string_view name);
  void send_last(u32 event);  // and takes all watches off
  bool empty();

 private:
  SpinLock<LockRank::kSpinOther> lock_;
  List<Watch, &Watch::node_> watches_ TA_GUARDED_BY(lock_);
};

namespace notify {

extern Atomic<u32> watch_count;
// Whether anybody watches anything: one load decides for most systems.
inline bool active() {
  return watch_count.load(Order::kRelaxed) != 0;
}

void about_inode_slowly(Inode& inode, u32 event);
void about_entry_slowly(Inode& directory, u32 event, std::string_view name, u32 cookie);
void about_dentry_slowly(Dentry& dentry, u32 event);
void inode_gone_slowly(Inode& inode);

// About an inode itself.
inline void about_inode(Inode& inode, u32 event) {
  if (active()) about_inode_slowly(inode, event);
}
// About a name in a directory, told to the directory's watchers.
inline void about_entry(Inode& directory, u32 event, std::string_view name, u32 cookie = 0) {
  if (active()) about_entry_slowly(directory, event, name, cookie);
}
// About a file, told to its own watchers and to those of the directory in which it was opened.
inline void about_dentry(Dentry& dentry, u32 event) {
  if (active()) about_dentry_slowly(dentry, event);
}
// The last name of an inode is gone, and nobody has it open by one: told by the dentry's end.
inline void inode_gone(Inode& inode) {
  if (active()) inode_gone_slowly(inode);
}
// Pairs IN_MOVED_FROM with IN_MOVED_TO.
u32 next_cookie();

}  // namespace notify
}  // namespace narwhal
