// sendfile(2), splice(2), tee(2), vmsplice(2), copy_file_range(2): bytes from file to file without
// a visit to the program.
#include "fs/core/inode.h"
#include "fs/pipe/pipe.h"
#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u32 kSpliceNonBlock = 2;           // SPLICE_F_NONBLOCK
constexpr u32 kSpliceFlags = 1 | 2 | 4 | 8;  // MOVE, NONBLOCK, MORE, GIFT
constexpr usize kMaxIovecs = 1024;

// Up to a page of a file: the very frame where the file has its data in pages (no copy), else a
// fresh one.
Result<Pipe::Page> read_page(File& file, u64* offset, usize limit) {
  const usize in_page = offset ? *offset % kPageSize : 0;
  const usize wanted = limit < kPageSize - in_page ? limit : kPageSize - in_page;
  if (offset && file.inode() && file.inode()->is_regular()) {
    if (auto object = file.inode()->memory_object(); object.ok()) {
      const u64 size = object.value()->size();
      if (*offset >= size) return Pipe::Page();
      auto frame = TRY(object.value()->page(*offset / kPageSize, MemoryObject::Access::kRead));
      const u64 left = size - *offset;
      if (frame) {
        const usize length = wanted < left ? wanted : usize(left);
        Pipe::Page page{std::move(frame), u32(in_page), u32(length), false};
        *offset += length;
        return page;
      }
    }
  }
  auto frame = TRY(FrameRef::allocate(FrameContent::kAny));
  IoBuffer buffer(std::span<std::byte>(frame.data(), wanted));
  const usize length = TRY(offset ? file.read_at(buffer, *offset) : file.read(buffer));
  if (offset) *offset += length;
  return Pipe::Page{std::move(frame), 0, u32(length), true};
}

// Whether a regular file has more behind this place, as far as one can see.
bool goes_on(File& file, const u64* offset) {
  if (!offset || !file.inode() || !file.inode()->is_regular()) return false;
  auto object = file.inode()->memory_object();
  return object.ok() && *offset < object.value()->size();
}

// Pages that one call writes. A stream of packets makes long ones of many, and may keep the frames.
class Pages : NonCopyable {
 public:
  // Reads up to `most` bytes; of what is no file of pages, or has no more, one page.
  Result<> read(File& file, u64* offset, usize most) {
    do {
      auto page = read_page(file, offset, most - length_);
      if (!page.ok()) return count_ == 0 ? Result<>(page.error()) : Result<>();
      push(page.take());
    } while (count_ < kMost && length_ < most && !made_ && goes_on(file, offset));
    return {};
  }
  void push(Pipe::Page page) {
    if (page.length == 0) return;
    made_ = page.owned;
    pieces_[count_] = {page.frame.address(), page.offset, page.length};
    length_ += page.length;
    pages_[count_++] = std::move(page);
  }
  usize length() const { return length_; }
  std::span<const FramePiece> pieces() const { return {pieces_ + first_, count_ - first_}; }
  void advance(usize bytes) {
    length_ -= bytes;
    while (bytes != 0) {
      FramePiece& piece = pieces_[first_];
      const u32 part = bytes < piece.length ? u32(bytes) : piece.length;
      piece.offset += part;
      piece.length -= part;
      bytes -= part;
      if (piece.length == 0) ++first_;
    }
  }
  // What is left of the only one there is.
  Pipe::Page take() {
    Pipe::Page page = std::move(pages_[0]);
    page.offset = pieces_[0].offset;
    page.length = pieces_[0].length;
    return page;
  }

 private:
  static constexpr usize kMost = 32;

  Pipe::Page pages_[kMost];
  FramePiece pieces_[kMost];
  usize first_ = 0, count_ = 0, length_ = 0;
  bool made_ = false;  // the last frame is no page of the file's
};

// Writes what it can of pages; they are advanced by what was written.
Result<usize> write_pages(File& file, u64* offset, Pages& pages, bool more_follows) {
  IoBuffer buffer(pages.pieces());
  buffer.rules.size_limit = current_process().soft_limit(abi::kLimitFileSize);
  buffer.rules.more_follows = more_follows;
  const usize written = TRY(offset ? file.write_at(buffer, *offset) : file.write(buffer));
  if (written != 0) vfs::content_written(current_task().credentials(), file);
  if (offset) *offset += written;
  pages.advance(written);
  return written;
}

// Writes pages, all of them if it can: the error that ended it, or none. What is written before a
// pipe is full ends the call; to a stream it is only the beginning.
Errno write_whole(File& out, u64* offset, Pages& pages, bool may_wait, usize& total,
                  bool more_follows = false) {
  while (pages.length() != 0) {
    const bool waits =
        may_wait && !out.nonblocking() && (total == 0 || out.kind() != File::Kind::kPipe);
    auto written = attempt_on(out, kPollWritable, waits,
                              [&] { return write_pages(out, offset, pages, more_follows); });
    if (!written.ok()) return written.error();
    total += written.value();
  }
  return Errno{};
}

// Directories and what is no stream of bytes have no part in it.
bool can_be_spliced(const File& file) {
  switch (file.kind()) {
    case File::Kind::kDirectory:
    case File::Kind::kEpoll:
    case File::Kind::kEventFd:
    case File::Kind::kTimerFd:
    case File::Kind::kSignalFd:
    case File::Kind::kInotify:
    case File::Kind::kPidFd:
    case File::Kind::kMountContext:
      return false;
    default:
      return true;
  }
}

// Where a transfer reads or writes: at an offset that the program gave, at the file's own position,
// or in a stream.
class Cursor : NonCopyable {
 public:
  // `user` may be null. ESPIPE: an offset for what has no position.
  Result<> open(File& file, UserAddr user, bool needs_position) {
    file_ = &file;
    user_ = user;
    if (user.value != 0) {
      if (!file.seekable()) return Errno::kSPipe;
      const i64 given = TRY(load_user<i64>(user));
      if (given < 0) return Errno::kInval;
      offset_ = u64(given);
      positioned_ = true;
    } else if (file.seekable() && needs_position) {
      offset_ = u64(TRY(file.seek(0, 1)));
      positioned_ = true;
    }
    return {};
  }
  u64* offset() { return positioned_ ? &offset_ : nullptr; }
  // Stores how far it came.
  Result<> close() {
    if (!positioned_) return {};
    if (user_.value != 0) return store_user(user_, i64(offset_));
    TRY(file_->seek(i64(offset_), 0));
    return {};
  }

 private:
  File* file_ = nullptr;
  UserAddr user_{};
  u64 offset_ = 0;
  bool positioned_ = false;
};

// The position moves by what was transferred, and an error counts only when nothing was.
SysResult finish(Cursor& cursor, usize total, Errno error) {
  TRY(cursor.close());
  broken_pipe_raised(current_task(), error);
  if (total == 0 && error != Errno{}) return error;
  return i64(total);
}

Result<Pipe*> pipe_of(File& file) {
  if (file.kind() != File::Kind::kPipe) return Errno::kInval;
  return &static_cast<PipeFile&>(file).pipe();
}

// File or stream to pipe.
SysResult fill_pipe(File& in, UserAddr in_offset, PipeFile& out, usize count, bool may_wait) {
  Cursor from;
  TRY(from.open(in, in_offset, true));
  usize total = 0;
  Errno error{};
  while (total < count) {
    auto page = attempt_on(in, kPollReadable, may_wait && total == 0 && !in.nonblocking(),
                           [&] { return read_page(in, from.offset(), count - total); });
    if (!page.ok()) {
      error = page.error();
      break;
    }
    Pipe::Page piece = page.take();
    if (piece.length == 0) break;
    const usize length = piece.length;
    // Once something is in the pipe, its being full ends the call.
    const bool may_wait_for_room = may_wait && total == 0 && !out.nonblocking();
    auto pushed = attempt_on(out, kPollWritable, may_wait_for_room, [&]() -> Result<> {
      if (!(has(out.pipe().poll(false, true), PollEvents::kOut | PollEvents::kErr)))
        return Errno::kAgain;
      return out.pipe().push(std::move(piece));
    });
    if (!pushed.ok()) {
      if (from.offset()) *from.offset() -= length;
      error = pushed.error();
      break;
    }
    total += length;
  }
  return finish(from, total, error);
}

// Pipe to file, stream or pipe.
SysResult drain_pipe(PipeFile& in, File& out, UserAddr out_offset, usize count, bool may_wait) {
  Cursor to;
  TRY(to.open(out, out_offset, !has(out.flags(), OpenFlags::kAppend)));
  usize total = 0;
  Errno error{};
  while (total < count) {
    auto page = attempt_on(in, kPollReadable, may_wait && total == 0 && !in.nonblocking(),
                           [&] { return in.pipe().pop(count - total); });
    if (!page.ok()) {
      error = page.error();
      break;
    }
    Pages pages;
    pages.push(page.take());
    if (pages.length() == 0) break;
    error = write_whole(out, to.offset(), pages, may_wait, total);
    if (pages.length() != 0) {
      in.pipe().unpop(pages.take());
      break;
    }
  }
  return finish(to, total, error);
}

SysResult send_file(Task& task, Fd out_fd, Fd in_fd, UserAddr offset, usize count) {
  auto in = TRY(task.files().use(in_fd.value));
  auto out = TRY(task.files().use(out_fd.value));
  if (!in->readable() || !out->writable()) return Errno::kBadF;
  if (has(out->flags(), OpenFlags::kAppend)) return Errno::kInval;
  if (!in->seekable() && offset.value != 0) return Errno::kSPipe;
  if (!can_be_spliced(*in) || !can_be_spliced(*out)) return Errno::kInval;
  if (!in->seekable() && in->kind() != File::Kind::kPipe) return Errno::kInval;
  if (count > kMaxIoBytes) count = kMaxIoBytes;
  Cursor from;
  TRY(from.open(*in, offset, true));
  usize total = 0;
  Errno error{};
  while (total < count && error == Errno{}) {
    Pages pages;
    if (auto read = pages.read(*in, from.offset(), count - total); !read.ok()) {
      error = read.error();
      break;
    }
    if (pages.length() == 0) break;
    const bool more = pages.length() < count - total && goes_on(*in, from.offset());
    error = write_whole(*out, nullptr, pages, true, total, more);
    if (from.offset()) *from.offset() -= pages.length();  // what could not be sent
  }
  return finish(from, total, error);
}

// --- copy_file_range

Result<> check_copied_file(const File& file) {
  const Inode* inode = file.inode();
  if (inode && inode->is_directory()) return Errno::kIsDir;
  return inode && inode->is_regular() ? Result<>() : Result<>(Errno::kInval);
}

// How much there is to copy: up to the end of the source. EOVERFLOW for a range that ends beyond
// all numbers, EFBIG for a place where none may grow, EINVAL for a file copied onto itself.
Result<usize> bytes_to_copy(File& in, u64 from, File& out, u64 to, usize count) {
  constexpr u64 kLargest = ~u64{0} >> 1;
  if (from + count < from || to + count < to) return Errno::kOverflow;
  abi::Stat status;
  TRY(in.stat(status));
  const u64 size = u64(status.size);
  if (from >= size) return usize{0};
  if (count > size - from) count = usize(size - from);
  if (count != 0 && to >= kLargest) return Errno::kFBig;
  if (count > kLargest - to) count = usize(kLargest - to);
  if (in.inode() == out.inode() && to + count > from && to < from + count) return Errno::kInval;
  return count < kMaxIoBytes ? count : kMaxIoBytes;
}

SysResult copy_range(File& in, Cursor& from, File& out, Cursor& to, usize count) {
  usize total = 0;
  Errno error{};
  while (total < count && error == Errno{}) {
    Pages pages;
    if (auto read = pages.read(in, from.offset(), count - total); !read.ok()) {
      error = read.error();
      break;
    }
    if (pages.length() == 0) break;
    error = write_whole(out, to.offset(), pages, true, total);
    *from.offset() -= pages.length();  // what could not be written
  }
  TRY(from.close());
  return finish(to, total, error);
}

}  // namespace

SysResult sys::copy_file_range(Task& task, Fd in_fd, UserAddr in_offset, Fd out_fd,
                               UserAddr out_offset, usize count, HexInt flags) {
  auto in = TRY(task.files().get(in_fd.value));
  auto out = TRY(task.files().get(out_fd.value));
  if (flags.value != 0) return Errno::kInval;
  TRY(check_copied_file(*in));
  TRY(check_copied_file(*out));
  if (!in->readable() || !out->writable() || has(out->flags(), OpenFlags::kAppend))
    return Errno::kBadF;
  if (out->inode()->immutable()) return Errno::kPerm;
  Cursor from, to;
  TRY(from.open(*in, in_offset, true));
  TRY(to.open(*out, out_offset, true));
  count = TRY(bytes_to_copy(*in, *from.offset(), *out, *to.offset(), count));
  return copy_range(*in, from, *out, to, count);
}

SysResult sys::sendfile(Task& task, Fd out, Fd in, UserAddr offset, usize count) {
  return send_file(task, out, in, offset, count);
}

SysResult sys::splice(Task& task, Fd in_fd, UserAddr in_offset, Fd out_fd, UserAddr out_offset,
                      usize count, HexInt flags) {
  if (flags.value & ~kSpliceFlags) return Errno::kInval;
  auto in = TRY(task.files().get(in_fd.value));
  auto out = TRY(task.files().get(out_fd.value));
  if (!in->readable() || !out->writable()) return Errno::kBadF;
  if (count == 0) return i64{0};
  if (count > kMaxIoBytes) count = kMaxIoBytes;
  const bool may_wait = !(flags.value & kSpliceNonBlock);
  const bool in_pipe = in->kind() == File::Kind::kPipe, out_pipe = out->kind() == File::Kind::kPipe;
  if ((in_pipe && in_offset.value != 0) || (out_pipe && out_offset.value != 0))
    return Errno::kSPipe;
  if (!can_be_spliced(*in) || !can_be_spliced(*out)) return Errno::kInval;
  if ((in_offset.value != 0 && !in->seekable()) || (out_offset.value != 0 && !out->seekable()))
    return Errno::kInval;
  if (in_pipe) {
    if (has(out->flags(), OpenFlags::kAppend)) return Errno::kInval;
    if (out_pipe && TRY(pipe_of(*in)) == TRY(pipe_of(*out))) return Errno::kInval;
    return drain_pipe(static_cast<PipeFile&>(*in), *out, out_offset, count, may_wait);
  }
  if (out_pipe) return fill_pipe(*in, in_offset, static_cast<PipeFile&>(*out), count, may_wait);
  return Errno::kInval;
}

SysResult sys::tee(Task& task, Fd in_fd, Fd out_fd, usize count, HexInt flags) {
  if (flags.value & ~kSpliceFlags) return Errno::kInval;
  auto in = TRY(task.files().get(in_fd.value));
  auto out = TRY(task.files().get(out_fd.value));
  if (!in->readable() || !out->writable()) return Errno::kBadF;
  Pipe* from = TRY(pipe_of(*in));
  Pipe* to = TRY(pipe_of(*out));
  if (from == to) return Errno::kInval;
  const bool may_wait = !(flags.value & kSpliceNonBlock);
  usize total = 0;
  while (total < count) {
    auto page = attempt_on(*in, kPollReadable, may_wait && total == 0 && !in->nonblocking(),
                           [&] { return from->peek(total, count - total); });
    if (!page.ok()) {
      if (total == 0) return page.error();
      break;
    }
    Pipe::Page piece = page.take();
    if (piece.length == 0) break;
    const usize length = piece.length;
    auto pushed = attempt_on(*out, kPollWritable, may_wait && total == 0 && !out->nonblocking(),
                             [&]() -> Result<> {
                               if (!has(to->poll(false, true), PollEvents::kOut | PollEvents::kErr))
                                 return Errno::kAgain;
                               return to->push(std::move(piece));
                             });
    if (!pushed.ok()) {
      broken_pipe_raised(task, pushed.error());
      if (total == 0) return pushed.error();
      break;
    }
    total += length;
  }
  return i64(total);
}

SysResult sys::vmsplice(Task& task, Fd fd, UserAddr iovecs, usize count, HexInt flags) {
  if (flags.value & ~kSpliceFlags) return Errno::kInval;
  if (count > kMaxIovecs) return Errno::kInval;
  auto file = TRY(task.files().get(fd.value));
  if (file->kind() != File::Kind::kPipe) return Errno::kBadF;
  auto pieces = TRY(load_iovecs(iovecs, count));
  IoBuffer buffer{std::span<const abi::IoVec>(pieces)};
  // Pages are copied, not gifted: what a program can see is the same.
  const bool may_wait = !(flags.value & kSpliceNonBlock) && !file->nonblocking();
  const bool writing = file->writable();
  auto moved = attempt_on(*file, writing ? kPollWritable : kPollReadable, may_wait,
                          [&] { return writing ? file->write(buffer) : file->read(buffer); });
  if (!moved.ok()) return broken_pipe_raised(task, moved.error());
  return i64(moved.value());
}

}  // namespace narwhal
