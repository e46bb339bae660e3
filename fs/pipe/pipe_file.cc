#include "fs/core/notify.h"
#include "fs/core/special_file.h"
#include "fs/core/vfs.h"
#include "fs/pipe/pipe.h"
#include "kernel/abi/ioctl.h"
#include "kernel/base/format.h"

namespace narwhal {

PipeFile::PipeFile(Ref<Pipe> pipe, OpenFlags flags, const Path& place)
    : AnonymousFile(flags, "pipe", u32(FileType::kFifo) | 0600),
      pipe_(std::move(pipe)),
      place_(place) {
  if (place_ && narwhal::readable(flags) && has(flags, OpenFlags::kNonBlock) &&
      !pipe_->has_writers())
    seen_writers_ = pipe_->writer_generation();
  peer_generation_ =
      narwhal::readable(flags) ? pipe_->writer_generation() : pipe_->reader_generation();
  pipe_->opened(narwhal::readable(flags), narwhal::writable(flags));
}

PipeFile::~PipeFile() {
  pipe_->closed(readable(), writable());
  if (place_)
    notify::about_dentry(*place_.dentry, writable() ? notify::kCloseWrite : notify::kCloseNoWrite);
}

Result<FileRef> PipeFile::reopen(OpenFlags flags) {
  return FileRef(TRY(make_ref<PipeFile>(pipe_, flags, place_)));
}

// fifo(7): opening one side waits for the other; O_RDWR never waits, a non-blocking writer is
// refused.
Result<> PipeFile::finish_open() {
  if (!place_) return {};  // only a FIFO's opening waits for the other side
  if (readable() && writable()) return {};
  if (readable()) {
    if (nonblocking() || pipe_->has_writers() || pipe_->writer_generation() != peer_generation_)
      return {};
    return Errno::kAgain;
  }
  if (pipe_->has_readers() || pipe_->reader_generation() != peer_generation_) return {};
  return nonblocking() ? Errno::kNxIo : Errno::kAgain;
}

Result<> PipeFile::stat(abi::Stat& out) {
  if (place_) return place_.dentry->inode().stat(out);
  TRY(AnonymousFile::stat(out));
  out.inode = pipe_->inode_number();
  return {};
}

Result<i64> PipeFile::ioctl(u32 command, UserAddr argument) {
  if (command != abi::kFionRead) return Errno::kNotTty;
  TRY(store_user(argument, i32(pipe_->bytes_ready())));
  return i64{0};
}

Result<String> PipeFile::link_text() const {
  if (place_) return vfs::path_text(place_);
  Text<40> text;
  text << "pipe:[" << pipe_->inode_number() << ']';
  return String::copy(text.view());
}

namespace {

Result<FileRef> open_fifo_end(const Path& place, OpenFlags flags) {
  Inode& inode = place.dentry->inode();
  Ref<RefCounted> pipe = inode_attachment(inode);
  if (!pipe) pipe = TRY(attach_if_none(inode, TRY(Pipe::create())));
  auto both = static_ref_cast<Pipe>(std::move(pipe));
  // Who is refused never was a writer; finish_open() would be too late to say so.
  if (!readable(flags) && has(flags, OpenFlags::kNonBlock) && !both->has_readers())
    return Errno::kNxIo;
  return FileRef(TRY(make_ref<PipeFile>(std::move(both), flags, place)));
}

}  // namespace

void register_fifos() {
  set_fifo_opener(open_fifo_end);
}

}  // namespace narwhal
