// What a file does that has no say of its own.
#include "fs/core/file.h"

#include "fs/core/dentry.h"

namespace narwhal {

Result<usize> File::read(IoBuffer&) {
  return Errno::kInval;
}
Result<usize> File::write(IoBuffer&) {
  return Errno::kInval;
}
Result<usize> File::read_at(IoBuffer&, u64) {
  return Errno::kSPipe;
}
Result<usize> File::write_at(IoBuffer&, u64) {
  return Errno::kSPipe;
}
Result<i64> File::seek(i64, int) {
  return Errno::kSPipe;
}
Result<i64> File::ioctl_about(u32, UserAddr, FileRef) {
  return Errno::kNotTty;
}
Result<> File::notify_of_entries(u32, i32) {
  return Errno::kNotDir;
}
Result<FileRef> File::open_peer(OpenFlags) {
  return Errno::kNotTty;
}
Result<i64> File::ioctl(u32, UserAddr) {
  return Errno::kNotTty;
}
Result<> File::mmap(MapRequest&) {
  return Errno::kNoDev;
}
Result<> File::truncate(u64) {
  return Errno::kInval;
}
Result<> File::allocate(int, u64, u64) {
  // fallocate(2): ESPIPE for pipes and FIFOs, ENODEV for what else is no regular file.
  return kind() == Kind::kPipe ? Errno::kSPipe : Errno::kNoDev;
}
Result<> File::sync(bool) {
  return Errno::kInval;
}
Result<> File::read_directory(DirectoryVisitor&) {
  return Errno::kNotDir;
}
Result<FileRef> File::reopen(OpenFlags) {
  return Errno::kNxIo;
}

Result<> File::set_flags(OpenFlags wanted) {
  // F_SETFL changes these and leaves the rest as it was opened (fcntl(2)).
  constexpr u32 kMask = raw(OpenFlags::kAppend | OpenFlags::kNonBlock | OpenFlags::kAsync |
                            OpenFlags::kDirect | OpenFlags::kNoAccessTime);
  flags_.store((flags_.load(Order::kRelaxed) & ~kMask) | (raw(wanted) & kMask), Order::kRelaxed);
  return {};
}

Result<usize> File::read_at_position(IoBuffer& to) {
  Guard guard(position_mutex_);
  const usize moved = TRY(read_at(to, position_));
  position_ += moved;
  return moved;
}

Result<usize> File::write_at_position(IoBuffer& from) {
  Guard guard(position_mutex_);
  const usize moved = TRY(write_at(from, position_));
  position_ += moved;
  return moved;
}

Result<i64> File::seek_position(i64 offset, int whence, u64 end, u64 most) {
  constexpr int kSet = 0, kCurrent = 1, kEnd = 2;
  if (whence != kSet && whence != kCurrent && whence != kEnd) return Errno::kInval;
  Guard guard(position_mutex_);
  const i64 base = whence == kSet ? 0 : i64(whence == kCurrent ? position_ : end);
  i64 target;
  if (__builtin_add_overflow(base, offset, &target) || target < 0 || u64(target) > most)
    return Errno::kInval;
  position_ = u64(target);
  return target;
}

Result<AsyncSignals*> File::async_signals() {
  if (AsyncSignals* there = async_signals_if_any()) return there;
  auto made = TRY(make_own<AsyncSignals>(*this));
  AsyncSignals* none = nullptr;
  if (async_signals_.compare_exchange(none, made.get())) return made.release();
  return none;
}

Dentry* File::dentry() const {
  const Path* place = path();
  return place ? place->dentry.get() : nullptr;
}
Inode* File::inode() const {
  const Path* place = path();
  return place && place->dentry ? &place->dentry->inode() : nullptr;
}

}  // namespace narwhal
