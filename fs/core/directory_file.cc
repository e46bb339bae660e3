#include "fs/core/directory_file.h"

#include <cstring>

#include "fs/core/inode_extras.h"
#include "fs/core/notify.h"
#include "fs/core/vfs.h"

namespace narwhal {

DirectoryFile::~DirectoryFile() {
  stop_notices();
  notify::about_dentry(*path_.dentry, notify::kCloseNoWrite);
}

void DirectoryFile::stop_notices() {
  Ref<DirectoryNotice> old;
  {
    Guard guard(position_mutex_);
    std::swap(old, notice_);
  }
  if (old) path_.dentry->inode().extras_if_any()->watches.remove(*old);
}

Result<> DirectoryFile::notify_of_entries(u32 mask, i32 fd) {
  if (!(mask & DirectoryNotice::kEvents)) {
    stop_notices();
    return {};
  }
  AsyncSignals* signals = TRY(async_signals());
  TRY(signals->expect_posts(fd));
  InodeExtras* extras = TRY(path_.dentry->inode().extras());
  Guard guard(position_mutex_);
  // What has done its work is off the list and asks for nothing any more.
  if (notice_ && extras->watches.remove(*notice_)) mask |= notice_->mask();
  notice_ = TRY(make_ref<DirectoryNotice>(*signals, mask));
  extras->watches.add(*notice_);
  return {};
}

Result<i64> DirectoryFile::seek(i64 offset, int whence) {
  Guard guard(position_mutex_);
  constexpr int kSet = 0, kCurrent = 1, kEnd = 2;
  switch (whence) {
    case kSet:
      break;
    case kCurrent:
      offset += i64(position_);
      break;
    case kEnd:
      // Offsets are not sizes; there is no place behind the last that stays there.
      return Errno::kInval;
    default:
      return Errno::kInval;
  }
  if (offset < 0) return Errno::kInval;
  position_ = u64(offset);
  last_ = nullptr;
  return offset;
}

namespace {

constexpr i64 kDots = 2;  // the positions that "." and ".." take

// Passes entries on and keeps the position: an entry that was taken moves it.
class PositionKeeper final : public DirectoryVisitor {
 public:
  PositionKeeper(DirectoryVisitor& visitor, u64& position)
      : visitor_(visitor), position_(position) {}
  bool entry(std::string_view name, u64 inode, FileType type, i64 next_offset) override {
    next_offset += kDots;
    if (!visitor_.entry(name, inode, type, next_offset)) return false;
    position_ = u64(next_offset);
    return true;
  }

 private:
  DirectoryVisitor& visitor_;
  u64& position_;
};

}  // namespace

// Names are copied out one at a time: the visitor may touch the program's memory, which nobody may
// do under the names lock.
bool DirectoryFile::visit_pinned(DirectoryVisitor& visitor) {
  const Dentry& directory = *path_.dentry;
  // Position 2 is before the first child; a child's position is that of what comes after it.
  for (;;) {
    char name[255];
    usize size;
    Ref<Dentry> next;
    i64 offset;
    {
      NamesReadGuard guard;
      Dentry* child = last_ && !last_->unlinked() && last_->parent() == &directory &&
                              DentryTree::offset(*last_) == position_
                          ? DentryTree::next_child(directory, *last_)
                          : DentryTree::first_child(directory, position_);
      if (!child) return true;
      next = Ref<Dentry>(child);
      size = child->name().size();
      std::memcpy(name, child->name().data(), size);
      offset = i64(DentryTree::offset(*child));
    }
    const Inode& inode = next->inode();
    if (!visitor.entry({name, size}, inode.number(), inode.type(), offset)) return false;
    position_ = u64(offset);
    last_ = std::move(next);
  }
}

Result<> DirectoryFile::read_directory(DirectoryVisitor& visitor) {
  Guard guard(position_mutex_);
  Inode& inode = path_.dentry->inode();
  if (path_.dentry->unlinked()) return Errno::kNoEnt;
  note_access(path_, flags());
  notify::about_dentry(*path_.dentry, notify::kAccess);
  PositionKeeper keeper(visitor, position_);
  if (position_ == 0 && !keeper.entry(".", inode.number(), FileType::kDirectory, 1 - kDots))
    return {};
  if (position_ == 1) {
    u64 parent;
    {
      NamesReadGuard names;
      const Ref<Dentry>& up = path_.dentry->parent();
      parent = up ? up->inode().number() : inode.number();
    }
    if (!keeper.entry("..", parent, FileType::kDirectory, 0)) return {};
  }
  if (!inode.file_system().names_pinned()) return visit_names(i64(position_) - kDots, keeper);
  visit_pinned(visitor);
  return {};
}

Result<String> DirectoryFile::link_text() const {
  return vfs::path_text(path_);
}

}  // namespace narwhal
