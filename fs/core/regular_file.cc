#include "fs/core/regular_file.h"

#include "fs/core/file_mapping.h"
#include "fs/core/lease.h"
#include "fs/core/notify.h"
#include "fs/core/vfs.h"
#include "kernel/abi/ioctl.h"
#include "kernel/base/format.h"

namespace narwhal {

Result<FileRef> RegularFile::open(DataInode& inode, const Path& path, OpenFlags flags,
                                  Writer writer) {
  const bool is_writer = narwhal::writable(flags) && writer == Writer::kCounts;
  if (is_writer) TRY(inode.begin_writing());
  auto* file = new (std::nothrow) RegularFile(inode, path, flags, is_writer);
  if (!file) {
    if (is_writer) inode.end_writing();
    return Errno::kNoMem;
  }
  return FileRef::adopt(file);
}

RegularFile::~RegularFile() {
  Leases::release(*this);
  inode_.closed();
  if (is_writer_) inode_.end_writing();
  notify::about_dentry(*path_.dentry, writable() ? notify::kCloseWrite : notify::kCloseNoWrite);
}

void RegularFile::accessed() {
  note_access(path_, flags());
  notify::about_dentry(*path_.dentry, notify::kAccess);
}

void RegularFile::modified() {
  notify::about_dentry(*path_.dentry, notify::kModify);
}

Result<usize> RegularFile::read(IoBuffer& to) {
  Guard guard(position_mutex_);
  auto moved = inode_.read(to, position_);
  if (!moved.ok()) return moved;
  position_ += moved.value();
  accessed();
  return moved;
}

Result<usize> RegularFile::write(IoBuffer& from) {
  Guard guard(position_mutex_);
  const bool append = has(flags(), OpenFlags::kAppend) || from.rules.append;
  auto moved = inode_.write(from, position_, append);
  if (moved.ok()) modified();
  return moved;
}

Result<usize> RegularFile::read_at(IoBuffer& to, u64 offset) {
  auto moved = inode_.read(to, offset);
  if (moved.ok()) accessed();
  return moved;
}

// With O_APPEND, Linux appends whatever the offset says (pwrite(2), BUGS).
Result<usize> RegularFile::write_at(IoBuffer& from, u64 offset) {
  const bool append = has(flags(), OpenFlags::kAppend) || from.rules.append;
  auto moved = inode_.write(from, offset, append);
  if (moved.ok()) modified();
  return moved;
}

Result<i64> RegularFile::seek(i64 offset, int whence) {
  constexpr int kSet = 0, kCurrent = 1, kEnd = 2, kData = 3, kHole = 4;
  Guard guard(position_mutex_);
  i64 base = 0;
  switch (whence) {
    case kSet:
      break;
    case kCurrent:
      if (offset == 0) return i64(position_);
      base = i64(position_);
      break;
    case kEnd:
      base = i64(TRY(inode_.current_size()));
      break;
    case kData:
    case kHole: {
      if (offset < 0) return Errno::kNxIo;
      const u64 found =
          TRY(whence == kData ? inode_.seek_data(u64(offset)) : inode_.seek_hole(u64(offset)));
      position_ = found;
      return i64(found);
    }
    default:
      return Errno::kInval;
  }
  // Beyond the largest file is EINVAL, as is what does not fit.
  i64 target;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return Errno::kInval;
  position_ = u64(target);
  return target;
}

Result<i64> RegularFile::ioctl(u32 command, UserAddr argument) {
  if (command != abi::kFionRead) return Errno::kNotTty;
  i64 left;
  {
    Guard guard(position_mutex_);
    left = i64(TRY(inode_.current_size()) - position_);
  }
  TRY(store_user(argument, i32(left)));
  return i64{0};
}

Result<> RegularFile::truncate(u64 size) {
  if (!writable()) return Errno::kInval;
  if (inode_.append_only()) return Errno::kPerm;
  TRY(inode_.truncate(size));
  modified();
  return {};
}

Result<> RegularFile::allocate(int mode, u64 offset, u64 length) {
  constexpr int kKeepSize = 1;
  if (inode_.immutable() || (inode_.append_only() && (mode & ~kKeepSize))) return Errno::kPerm;
  TRY(inode_.allocate(mode, offset, length));
  modified();
  return {};
}

Result<> RegularFile::mmap(MapRequest& request) {
  const bool shared = has(request.flags, MapFlags::kShared);
  if (has(path_.mount->flags(), MountFlags::kNoExecute)) {
    if (has(request.protection, Protection::kExecute)) return Errno::kPerm;
    request.max_protection &= ~Protection::kExecute;
  }
  if (shared) {
    if (inode_.append_only() && writable()) return Errno::kAcces;
    const auto seals = inode_.seals();
    if (seals.ok() && (seals.value() & (kSealWrite | kSealFutureWrite))) {
      if (has(request.protection, Protection::kWrite)) return Errno::kPerm;
      request.max_protection &= ~Protection::kWrite;
    }
  }
  const bool writes = shared && has(request.max_protection, Protection::kWrite);
  request.source = TRY(make_ref<FileMapping>(FileRef(this), &inode_, writes));
  request.object = TRY(inode_.memory_object());
  accessed();
  return {};
}

Result<String> RegularFile::link_text() const {
  return vfs::path_text(path_);
}

void FileMapping::describe(TextSink& path, u64& device, u64& inode) const {
  if (auto text = file_->link_text(); text.ok()) path << text.value().view();
  abi::Stat stat;
  if (!file_->stat(stat).ok()) return;
  device = stat.device;
  inode = stat.inode;
}

}  // namespace narwhal
