#include "fs/tty/host_stream.h"

#include "kernel/abi/ioctl.h"
#include "kernel/base/format.h"

namespace narwhal {

Result<usize> HostStream::take(usize most) {
  if (begin_ == end_) {
    if (buffer_.empty()) TRY(buffer_.resize(kBufferSize));
    begin_ = end_ = 0;
    end_ = TRY(port_->read({buffer_.data(), most < kBufferSize ? most : kBufferSize}));
  }
  return end_ - begin_;
}

Result<usize> HostStream::look_ahead() {
  constexpr usize kEnough = 2048;
  return take(kEnough);
}

// What the program does not ask for stays with the host, for whoever reads after it.
Result<usize> HostStream::read(IoBuffer& to) {
  if (to.remaining() == 0) return usize{0};
  Guard guard(mutex_);
  usize total = 0;
  for (;;) {
    auto ready = take(to.remaining());
    if (!ready.ok() && total == 0) return ready.error();
    if (!ready.ok() || ready.value() == 0) break;
    auto moved = to.write(buffer_.data() + begin_, ready.value());
    if (!moved.ok() && total == 0) return moved.error();
    if (!moved.ok()) break;
    begin_ += moved.value();
    total += moved.value();
    // Less than was wanted is all that there is.
    if (to.remaining() == 0 || ready.value() < kBufferSize) break;
  }
  return total;
}

Result<usize> HostStream::write(IoBuffer& from) {
  Guard guard(mutex_);
  if (outgoing_.empty()) TRY(outgoing_.resize(kBufferSize));
  usize total = 0;
  while (from.remaining() != 0) {
    // Bytes leave the program's buffer only when the port has taken them.
    usize size = from.remaining() < kBufferSize ? from.remaining() : kBufferSize;
    // Up to the first byte that can't be read.
    while (size != 0 && !from.peek(outgoing_.data(), size).ok()) size /= 2;
    if (size == 0 && total == 0) return Errno::kFault;
    if (size == 0) break;
    auto taken = port_->write({outgoing_.data(), size});
    if (!taken.ok() && total == 0) return taken.error();
    if (!taken.ok()) break;
    from.skip(taken.value());
    total += taken.value();
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
