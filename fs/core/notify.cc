#include "fs/core/notify.h"

#include <cstring>

#include "fs/core/dentry.h"
#include "fs/core/inode_extras.h"

namespace narwhal {

constinit Atomic<u32> notify::watch_count{0};

void WatchList::add(Watch& watch) {
  watch.add_ref();
  notify::watch_count.fetch_add(1);
  SpinGuard guard(lock_);
  watch.listed_ = true;
  watches_.push_back(watch);
}

bool WatchList::remove(Watch& watch) {
  {
    SpinGuard guard(lock_);
    if (!watch.listed_) return false;
    watch.listed_ = false;
    watch.node_.unlink();
  }
  notify::watch_count.fetch_sub(1);
  watch.drop_ref();
  return true;
}

bool WatchList::empty() {
  SpinGuard guard(lock_);
  return watches_.empty();
}

void WatchList::send(u32 event, u32 cookie, std::string_view name) {
  List<Watch, &Watch::node_> done;
  {
    SpinGuard guard(lock_);
    for (Watch* watch = watches_.front(); watch;) {
      Watch* next = watches_.next(*watch);
      if (!watch->on_event(event, cookie, name)) {
        watch->listed_ = false;
        watch->node_.unlink();
        done.push_back(*watch);
      }
      watch = next;
    }
  }
  while (Watch* watch = done.pop_front()) {
    notify::watch_count.fetch_sub(1);
    watch->removed();
    watch->drop_ref();
  }
}

void WatchList::send_last(u32 event) {
  List<Watch, &Watch::node_> done;
  {
    SpinGuard guard(lock_);
    for (Watch& watch : watches_) {
      watch.on_event(event, 0, {});
      watch.listed_ = false;
    }
    done.splice_back(watches_);
  }
  while (Watch* watch = done.pop_front()) {
    notify::watch_count.fetch_sub(1);
    watch->removed();
    watch->drop_ref();
  }
}

namespace notify {

void about_inode_slowly(Inode& inode, u32 event) {
  InodeExtras* extras = inode.extras_if_any();
  if (!extras) return;
  // Linux marks directories in what concerns their content and attributes only.
  if (inode.is_directory() && event != kMoveSelf) event |= kIsDirectory;
  extras->watches.send(event, 0, {});
}

void about_entry_slowly(Inode& directory, u32 event, std::string_view name, u32 cookie) {
  if (InodeExtras* extras = directory.extras_if_any()) extras->watches.send(event, cookie, name);
}

void about_dentry_slowly(Dentry& dentry, u32 event) {
  Inode& inode = dentry.inode();
  if (inode.is_directory()) event |= kIsDirectory;
  Ref<Inode> directory;
  u32 gone = 0;
  char name[255];
  usize size = 0;
  {
    NamesReadGuard guard;
    if (dentry.parent()) {
      if (dentry.unlinked()) gone = kNameGone;
      directory = dentry.parent()->inode_ref();
      size = dentry.name().size();
      std::memcpy(name, dentry.name().data(), size);
    }
  }
  if (directory) about_entry_slowly(*directory, event | gone, {name, size}, 0);
  if (InodeExtras* extras = inode.extras_if_any()) extras->watches.send(event, 0, {});
}

void inode_gone_slowly(Inode& inode) {
  if (InodeExtras* extras = inode.extras_if_any()) extras->watches.send_last(kDeleteSelf);
}

u32 next_cookie() {
  static constinit Atomic<u32> last{0};
  return last.fetch_add(1) + 1;
}

}  // namespace notify
}  // namespace narwhal
