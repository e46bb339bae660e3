// read(2), write(2), their relatives with offsets and pieces, and lseek(2).
#include "kernel/abi/resource.h"
#include "syscalls/file_transfer.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// RWF_* of preadv2(2).
constexpr u32 kHighPriority = 1;
constexpr u32 kDataSync = 2;
constexpr u32 kSync = 4;
constexpr u32 kNoWait = 8;
constexpr u32 kAppend = 16;
constexpr u32 kKnownFlags = kHighPriority | kDataSync | kSync | kNoWait | kAppend;

// A short write to these means that there was no room for the moment, and a blocking call goes on.
// To others it is the whole truth.
bool goes_on_after_short_write(const File& file) {
  switch (file.kind()) {
    case File::Kind::kPipe:
    case File::Kind::kSocket:
    case File::Kind::kTerminal:
    case File::Kind::kHostStream:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<> check_transfer_flags(const File& file, u32 flags) {
  if (flags & ~kKnownFlags) return Errno::kOpNotSupp;
  if ((flags & kNoWait) && file.kind() == File::Kind::kRegular) return Errno::kOpNotSupp;
  return {};
}

SysResult read_file(File& file, IoBuffer& to, TransferPlace place, u32 flags) {
  // Nothing to read from a stream is nothing to wait for.
  if (to.remaining() == 0 && file.kind() == File::Kind::kSocket) return i64{0};
  const bool may_wait = !file.nonblocking() && !(flags & kNoWait);
  auto moved = attempt_on(file, kPollReadable, may_wait, [&] {
    return place.positioned ? file.read_at(to, place.offset) : file.read(to);
  });
  if (!moved.ok()) return moved.error();
  return i64(moved.value());
}

SysResult write_file(Task& task, File& file, IoBuffer& from, TransferPlace place, u32 flags) {
  const u64 size_limit = task.process().soft_limit(abi::kLimitFileSize);
  from.rules.size_limit = size_limit;
  from.rules.append = flags & kAppend;
  const bool may_wait = !file.nonblocking() && !(flags & kNoWait);
  const bool goes_on = may_wait && goes_on_after_short_write(file);
  usize total = 0;
  for (;;) {
    auto moved = attempt_on(file, kPollWritable, may_wait, [&] {
      return place.positioned ? file.write_at(from, place.offset) : file.write(from);
    });
    if (!moved.ok()) {
      const Errno error = moved.error();
      // A pipe's reader may leave in the middle; a socket says so only when nothing was sent.
      if (total == 0 || file.kind() != File::Kind::kSocket) broken_pipe_raised(task, error);
      if (total != 0) break;
      if (error == Errno::kFBig && size_limit != ~u64{0}) raise_signal(task, Signal::kXfsz);
      return error;
    }
    total += moved.value();
    if (!goes_on || from.remaining() == 0 || moved.value() == 0) break;
  }
  if (from.remaining() != 0) file.note_lack_of_room();
  if (total != 0) vfs::content_written(task.credentials(), file);
  if ((flags & (kSync | kDataSync)) && total != 0) TRY(file.sync(!(flags & kSync)));
  return i64(total);
}

Result<UserBuffer> checked_buffer(UserAddr address, usize size) {
  if (!user_range_ok(address, size)) return Errno::kFault;
  return UserBuffer{address, size < kMaxIoBytes ? size : kMaxIoBytes};
}

namespace {

Result<Hold<File>> get_readable(Task& task, Fd fd) {
  auto file = TRY(task.files().use(fd.value));
  if (!file->readable()) return Errno::kBadF;
  return file;
}

Result<Hold<File>> get_writable(Task& task, Fd fd) {
  auto file = TRY(task.files().use(fd.value));
  if (!file->writable()) return Errno::kBadF;
  return file;
}

// A file that has a position, for a call that names one. ESPIPE comes before a wrong access mode.
Result<Hold<File>> get_seekable(Task& task, Fd fd, i64 offset) {
  if (offset < 0) return Errno::kInval;
  auto file = TRY(task.files().use(fd.value));
  if (!file->seekable()) return Errno::kSPipe;
  return file;
}

// The bytes from `offset` on must have numbers.
Result<> check_end(i64 offset, usize size) {
  i64 end;
  if (__builtin_add_overflow(offset, i64(size), &end)) return Errno::kInval;
  return {};
}

SysResult read_pieces(Task& task, Fd fd, UserAddr iovecs, usize count, TransferPlace place,
                      u32 flags) {
  auto file = TRY(place.positioned ? get_seekable(task, fd, i64(place.offset))
                                   : task.files().use(fd.value));
  if (!file->readable()) return Errno::kBadF;
  auto pieces = TRY(load_iovecs(iovecs, count));
  IoBuffer to{std::span<const abi::IoVec>(pieces)};
  if (to.remaining() == 0) return i64{0};
  if (place.positioned) TRY(check_end(i64(place.offset), to.remaining()));
  TRY(check_transfer_flags(*file, flags));
  return read_file(*file, to, place, flags);
}

SysResult write_pieces(Task& task, Fd fd, UserAddr iovecs, usize count, TransferPlace place,
                       u32 flags) {
  auto file = TRY(place.positioned ? get_seekable(task, fd, i64(place.offset))
                                   : task.files().use(fd.value));
  if (!file->writable()) return Errno::kBadF;
  auto pieces = TRY(load_iovecs(iovecs, count));
  IoBuffer from{std::span<const abi::IoVec>(pieces)};
  if (from.remaining() == 0) return i64{0};
  if (place.positioned) TRY(check_end(i64(place.offset), from.remaining()));
  TRY(check_transfer_flags(*file, flags));
  return write_file(task, *file, from, place, flags);
}

TransferPlace at(i64 offset) {
  return {true, u64(offset)};
}
// preadv2(2): -1 stands for the file's own position.
TransferPlace at_or_here(i64 offset) {
  return offset == -1 ? TransferPlace{} : at(offset);
}

}  // namespace

SysResult sys::read(Task& task, Fd fd, UserAddr buffer, usize size) {
  auto file = TRY(get_readable(task, fd));
  IoBuffer to(TRY(checked_buffer(buffer, size)));
  return read_file(*file, to, {});
}

SysResult sys::write(Task& task, Fd fd, UserAddr buffer, usize size) {
  auto file = TRY(get_writable(task, fd));
  IoBuffer from(TRY(checked_buffer(buffer, size)));
  return write_file(task, *file, from, {});
}

SysResult sys::pread64(Task& task, Fd fd, UserAddr buffer, usize size, i64 offset) {
  auto file = TRY(get_seekable(task, fd, offset));
  if (!file->readable()) return Errno::kBadF;
  IoBuffer to(TRY(checked_buffer(buffer, size)));
  TRY(check_end(offset, to.remaining()));
  return read_file(*file, to, at(offset));
}

SysResult sys::pwrite64(Task& task, Fd fd, UserAddr buffer, usize size, i64 offset) {
  auto file = TRY(get_seekable(task, fd, offset));
  if (!file->writable()) return Errno::kBadF;
  IoBuffer from(TRY(checked_buffer(buffer, size)));
  TRY(check_end(offset, from.remaining()));
  return write_file(task, *file, from, at(offset));
}

SysResult sys::readv(Task& task, Fd fd, UserAddr iovecs, usize count) {
  return read_pieces(task, fd, iovecs, count, {}, 0);
}
SysResult sys::writev(Task& task, Fd fd, UserAddr iovecs, usize count) {
  return write_pieces(task, fd, iovecs, count, {}, 0);
}
SysResult sys::preadv(Task& task, Fd fd, UserAddr iovecs, usize count, i64 offset) {
  return read_pieces(task, fd, iovecs, count, at(offset), 0);
}
SysResult sys::pwritev(Task& task, Fd fd, UserAddr iovecs, usize count, i64 offset) {
  return write_pieces(task, fd, iovecs, count, at(offset), 0);
}
// The upper half of the offset is for machines whose registers are smaller.
SysResult sys::preadv2(Task& task, Fd fd, UserAddr iovecs, usize count, i64 offset, u64,
                       HexInt flags) {
  return read_pieces(task, fd, iovecs, count, at_or_here(offset), flags.value);
}
SysResult sys::pwritev2(Task& task, Fd fd, UserAddr iovecs, usize count, i64 offset, u64,
                        HexInt flags) {
  return write_pieces(task, fd, iovecs, count, at_or_here(offset), flags.value);
}

SysResult sys::lseek(Task& task, Fd fd, i64 offset, i32 whence) {
  auto file = TRY(task.files().use(fd.value));
  constexpr i32 kLastWhence = 4;  // SEEK_HOLE
  if (whence < 0 || whence > kLastWhence) return Errno::kInval;
  return file->seek(offset, whence);
}

}  // namespace narwhal
