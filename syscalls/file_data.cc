// What a file's content is held to, without moving it: fsync(2), ftruncate(2), fallocate(2),
// posix_fadvise(2) and their kin.
#include "fs/block/write_back.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

SysResult sync_file(Task& task, Fd fd, bool data_only) {
  auto file = TRY(task.files().get(fd.value));
  TRY(file->sync(data_only));
  return i64{0};
}

// Kept on a store, or named like what is.
bool is_stored(const File& file) {
  const Inode* inode = file.inode();
  return inode && (inode->is_regular() || inode->is_directory() || inode->is_symlink() ||
                   inode->type() == FileType::kBlockDevice);
}

}  // namespace

SysResult sys::fsync(Task& task, Fd fd) {
  return sync_file(task, fd, false);
}
SysResult sys::fdatasync(Task& task, Fd fd) {
  return sync_file(task, fd, true);
}

// File systems live in memory; behind disks there is something.
SysResult sys::sync(Task&) {
  sync_all_disks();
  return i64{0};
}
SysResult sys::syncfs(Task& task, Fd fd) {
  TRY(task.files().get(fd.value));
  return i64{0};
}

SysResult sys::sync_file_range(Task& task, Fd fd, i64 offset, i64 size, HexInt flags) {
  constexpr u32 kKnownFlags = 7;  // SYNC_FILE_RANGE_*
  auto file = TRY(task.files().get(fd.value));
  i64 end;
  if (flags.value & ~kKnownFlags) return Errno::kInval;
  if (offset < 0 || __builtin_add_overflow(offset, size, &end) || end < offset)
    return Errno::kInval;
  if (!is_stored(*file)) return Errno::kSPipe;
  // More than was asked for, and no less.
  if (file->kind() == File::Kind::kDisk && flags.value != 0) TRY(file->sync(true));
  return i64{0};
}

SysResult sys::ftruncate(Task& task, Fd fd, i64 size) {
  if (size < 0) return Errno::kInval;
  auto file = TRY(task.files().get(fd.value));
  Inode* inode = file->inode();
  if (!inode || !inode->is_regular() || !file->writable()) return Errno::kInval;
  TRY(check_size_limit(task, *inode, u64(size)));
  TRY(file->truncate(u64(size)));
  vfs::content_written(task.credentials(), *file);
  return i64{0};
}

SysResult sys::fallocate(Task& task, Fd fd, HexInt mode, i64 offset, i64 length) {
  constexpr u32 kKeepSize = 1, kPunchHole = 2, kZeroRange = 16;
  auto file = TRY(task.files().get(fd.value));
  if (offset < 0 || length <= 0) return Errno::kInval;
  // What moves content (collapse, insert) or shares it is refused, as by Linux's tmpfs; clearing a
  // range is something that only disks do.
  if (mode.value & ~(kKeepSize | kPunchHole | kZeroRange)) return Errno::kOpNotSupp;
  if ((mode.value & kPunchHole) && mode.value != (kPunchHole | kKeepSize)) return Errno::kOpNotSupp;
  if (!file->writable()) return Errno::kBadF;
  i64 end;
  if (__builtin_add_overflow(offset, length, &end)) return Errno::kFBig;
  if (Inode* inode = file->inode(); inode && mode.value == 0)
    TRY(check_size_limit(task, *inode, u64(end)));
  TRY(file->allocate(int(mode.value), u64(offset), u64(length)));
  vfs::content_written(task.credentials(), *file);
  return i64{0};
}

// Advice about reading from a disk: checked and done with.
SysResult sys::fadvise64(Task& task, Fd fd, i64, i64 length, i32 advice) {
  constexpr i32 kLastAdvice = 5;  // POSIX_FADV_NOREUSE
  auto file = TRY(task.files().get(fd.value));
  if (file->kind() == File::Kind::kPipe) return Errno::kSPipe;
  if (length < 0 || advice < 0 || advice > kLastAdvice) return Errno::kInval;
  return i64{0};
}

SysResult sys::readahead(Task& task, Fd fd, i64, usize) {
  auto file = TRY(task.files().get(fd.value));
  if (!file->readable()) return Errno::kBadF;
  const Inode* inode = file->inode();
  if (!inode || !inode->is_regular()) return Errno::kInval;
  return i64{0};
}

// Pages of a file that are in memory. Nothing is ever dirty or written back where memory is the
// only place that there is.
SysResult sys::cachestat(Task& task, Fd fd, UserAddr range_address, UserAddr statistics,
                         HexInt flags) {
  struct Range {  // struct cachestat_range
    u64 offset, length;
  };
  struct Statistics {  // struct cachestat
    u64 cached, dirty, written_back, evicted, recently_evicted;
  };
  auto file = TRY(task.files().get(fd.value));
  const auto range = TRY(load_user<Range>(range_address));
  if (flags.value != 0) return Errno::kInval;
  Statistics counted{};
  Inode* inode = file->inode();
  if (inode && inode->is_regular()) {
    if (auto object = inode->memory_object(); object.ok()) {
      const MemoryObject& pages = *object.value();
      const u64 first = range.offset >> kPageShift;
      u64 end = ~u64{0};
      if (u64 last;
          range.length != 0 && !__builtin_add_overflow(range.offset, range.length - 1, &last))
        end = (last >> kPageShift) + 1;
      for (u64 data = pages.next_data(first); data < end;) {
        const u64 hole = pages.next_hole(data);
        counted.cached += (hole < end ? hole : end) - data;
        if (hole >= end) break;
        data = pages.next_data(hole);
      }
    }
  }
  TRY(store_user(statistics, counted));
  return i64{0};
}

}  // namespace narwhal
