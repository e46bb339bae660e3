#include "fs/core/inode.h"

#include "fs/core/clock.h"
#include "fs/core/dentry.h"
#include "fs/core/directory_file.h"
#include "fs/core/inode_extras.h"
#include "fs/core/special_file.h"

namespace narwhal {

Inode::Inode(FileSystem& file_system, FileType type, u64 number, u32 mode, u32 uid, u32 gid)
    : file_system_(file_system),
      number_(number),
      type_(type),
      mode_(mode & kPermissionMask),
      uid_(uid),
      gid_(gid) {}

Inode::~Inode() {
  delete extras_.load(Order::kRelaxed);
}

Result<InodeExtras*> Inode::extras() {
  if (InodeExtras* extras = extras_if_any()) return extras;
  Own<InodeExtras> fresh = TRY(make_own<InodeExtras>());
  InodeExtras* none = nullptr;
  if (!extras_.compare_exchange(none, fresh.get(), Order::kAcqRel, Order::kAcquire)) return none;
  return fresh.release();
}

Result<> Inode::stat(abi::Stat& out) {
  out = {};
  out.device = file_system_.device();
  out.inode = number_;
  out.links = links();
  out.mode = u32(type_) | mode();
  out.uid = uid();
  out.gid = gid();
  out.special_device = special_device_;
  out.block_size = kPageSize;
  out.accessed = accessed_;
  out.modified = modified_;
  out.changed = changed_;
  return {};
}

Result<> Inode::set_attributes(const AttributeChange&) {
  return Errno::kPerm;
}

void Inode::apply_attributes(const AttributeChange& change) {
  const abi::TimeSpec now = current_file_time();
  using Change = AttributeChange;
  if (change.fields & Change::kMode) set_mode(change.mode);
  if (change.fields & Change::kUid) uid_.store(change.uid, Order::kRelaxed);
  if (change.fields & Change::kGid) gid_.store(change.gid, Order::kRelaxed);
  if (change.fields & Change::kAccessTime) accessed_ = change.accessed;
  if (change.fields & Change::kModifyTime) modified_ = change.modified;
  if (change.fields & Change::kAccessTimeNow) accessed_ = now;
  if (change.fields & Change::kModifyTimeNow) modified_ = now;
  changed_ = now;
}

void Inode::touch_accessed(bool strict) {
  if (flags() & kInodeNoAccessTime) return;
  constexpr i64 kDay = 24 * 60 * 60;
  const abi::TimeSpec now = current_file_time();
  if (!strict && accessed_ > modified_ && accessed_ > changed_ &&
      now.seconds - accessed_.seconds < kDay)
    return;
  accessed_ = now;
}

Result<Ref<Inode>> Inode::lookup(std::string_view) {
  return is_directory() ? Errno::kNoEnt : Errno::kNotDir;
}
Result<Ref<Inode>> Inode::create(std::string_view, FileType, u32, u64, const Credentials&) {
  return Errno::kPerm;
}
Result<Ref<Inode>> Inode::create_symlink(std::string_view, std::string_view, const Credentials&) {
  return Errno::kPerm;
}
Result<Ref<Inode>> Inode::create_unnamed(u32, const Credentials&) {
  return Errno::kOpNotSupp;
}
Result<> Inode::link(std::string_view, Inode&) {
  return Errno::kPerm;
}
Result<> Inode::unlink(std::string_view, Inode&) {
  return Errno::kPerm;
}
Result<> Inode::rename(std::string_view, Inode&, Inode&, std::string_view, Inode*, u32) {
  return Errno::kPerm;
}
Result<> Inode::read_directory(i64, DirectoryVisitor&) {
  return Errno::kNotDir;
}

Result<String> Inode::read_link() {
  return Errno::kInval;
}
Result<Path> Inode::follow_magic_link() {
  return Path();
}

Result<FileRef> Inode::open(const Path& path, OpenFlags flags) {
  switch (type_) {
    case FileType::kDirectory:
      return FileRef(TRY(make_ref<DirectoryFile>(path, flags)));
    case FileType::kCharacterDevice:
    case FileType::kBlockDevice:
      return open_device(path, flags);
    case FileType::kFifo:
      return open_fifo(path, flags);
    case FileType::kSocket:
      return Errno::kNxIo;
    case FileType::kSymlink:
      return Errno::kLoop;
    case FileType::kRegular:
      return Errno::kInval;
  }
  return Errno::kNxIo;
}

Result<> Inode::truncate(u64) {
  return Errno::kInval;
}
Result<Ref<MemoryObject>> Inode::memory_object() {
  return Errno::kNoDev;
}

Result<usize> Inode::get_xattr(std::string_view, std::span<std::byte>) {
  return Errno::kOpNotSupp;
}
Result<> Inode::set_xattr(std::string_view, std::span<const std::byte>, int) {
  return Errno::kOpNotSupp;
}
Result<> Inode::remove_xattr(std::string_view) {
  return Errno::kOpNotSupp;
}
Result<usize> Inode::list_xattr(std::span<char>, bool) {
  return usize{0};
}

Result<> Inode::begin_writing() {
  i32 writers = writers_.load(Order::kRelaxed);
  do {
    if (writers < 0) return Errno::kTxtBsy;
  } while (!writers_.compare_exchange(writers, writers + 1));
  return {};
}

Result<> Inode::deny_writing() {
  i32 writers = writers_.load(Order::kRelaxed);
  do {
    if (writers > 0) return Errno::kTxtBsy;
  } while (!writers_.compare_exchange(writers, writers - 1));
  return {};
}

}  // namespace narwhal
