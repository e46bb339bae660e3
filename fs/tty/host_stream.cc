#include "fs/tty/host_stream.h"

#include "kernel/abi/ioctl.h"
#include "kernel/base/format.h"

namespace narwhal {

Result<usize> HostStream::look_ahead() {
  if (ahead_begin_ == ahead_end_) {
    ahead_begin_ = ahead_end_ = 0;
    ahead_end_ = TRY(port_->read({ahead_, kAheadSize}));
  }
  return ahead_end_ - ahead_begin_;
}

Result<usize> HostStream::read(IoBuffer& to) {
  if (to.remaining() == 0) return usize{0};
  Guard guard(mutex_);
  usize total = 0;
  while (to.remaining() != 0) {
    auto ready = look_ahead();
    if (!ready.ok() && total == 0) return ready.error();
    if (!ready.ok() || ready.value() == 0) break;
    auto moved = to.write(ahead_ + ahead_begin_, ready.value());
    if (!moved.ok() && total == 0) return moved.error();
    if (!moved.ok()) break;
    ahead_begin_ += moved.value();
    total += moved.value();
  }
  return total;
}

Result<usize> HostStream::write(IoBuffer& from) {
  Guard guard(mutex_);
  usize total = 0;
  while (from.remaining() != 0) {
    // Bytes leave the buffer only when the port has taken them.
    std::byte chunk[512];
    usize size = from.remaining() < sizeof chunk ? from.remaining() : sizeof chunk;
    // Up to the first byte that can't be read.
    while (size != 0 && !from.peek(chunk, size).ok()) size /= 2;
    if (size == 0 && total == 0) return Errno::kFault;
    if (size == 0) break;
    auto taken = port_->write({chunk, size});
    if (!taken.ok() && total == 0) return taken.error();
    if (!taken.ok()) break;
    from.skip(taken.value());
    total += taken.value();
    if (taken.value() < size) break;
  }
  return total;
}

PollEvents HostStream::poll() {
  PollEvents events = port_->poll();
  Guard guard(mutex_);
  auto ready = look_ahead();
  const PollEvents readable = ready.ok() && ready.value() != 0 ? kPollReadable : PollEvents::kNone;
  return (events & ~kPollReadable) | readable;
}

usize HostStream::bytes_ready() {
  Guard guard(mutex_);
  return look_ahead().value_or(0);
}

HostStreamFile::HostStreamFile(Ref<HostStream> stream, OpenFlags flags)
    : AnonymousFile(flags, "pipe", u32(FileType::kFifo) | 0600), stream_(std::move(stream)) {}

PollEvents HostStreamFile::poll() {
  PollEvents mask = PollEvents::kNone;
  if (readable()) mask |= kPollReadable | PollEvents::kHup;
  if (writable()) mask |= kPollWritable;
  return stream_->poll() & mask;
}

Result<> HostStreamFile::stat(abi::Stat& out) {
  TRY(AnonymousFile::stat(out));
  out.inode = stream_->inode_number();
  return {};
}

Result<i64> HostStreamFile::ioctl(u32 command, UserAddr argument) {
  if (command != abi::kFionRead) return Errno::kNotTty;
  TRY(store_user(argument, i32(stream_->bytes_ready())));
  return i64{0};
}

Result<FileRef> HostStreamFile::reopen(OpenFlags flags) {
  return FileRef(TRY(make_ref<HostStreamFile>(stream_, flags)));
}

Result<String> HostStreamFile::link_text() const {
  Text<40> text;
  text << "pipe:[" << stream_->inode_number() << ']';
  return String::copy(text.view());
}

Result<FileRef> open_host_stream(Ref<ConsolePort> port, OpenFlags flags) {
  return FileRef(TRY(make_ref<HostStreamFile>(TRY(make_ref<HostStream>(std::move(port))), flags)));
}

}  // namespace narwhal
