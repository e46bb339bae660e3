// A standard stream that is no terminal on the host's side: a pipe, a file. The program sees one
// end of a pipe (pipe(7)): ENOTTY, ESPIPE, and end of file when the host closes its end.
#pragma once

#include "fs/core/anonymous_file.h"
#include "kernel/base/vector.h"
#include "kernel/drivers/console_port.h"

namespace narwhal {

// What all open descriptions of one stream share.
class HostStream final : public RefCounted {
 public:
  explicit HostStream(Ref<ConsolePort> port)
      : port_(std::move(port)), inode_number_(next_anonymous_inode()) {}

  Result<usize> read(IoBuffer& to);
  Result<usize> write(IoBuffer& from);
  PollEvents poll();
  // Bytes that can be read at once, of those that are here already.
  usize bytes_ready();
  WaitQueue& queue() { return port_->queue(); }
  u64 inode_number() const { return inode_number_; }

 private:
  // At most so many bytes go to the host, or come from it, at once.
  static constexpr usize kBufferSize = 16 * kKiB;

  // Takes at most so many bytes from the port, if none are here. EAGAIN; 0 at the end; ENOMEM.
  Result<usize> take(usize most) TA_REQUIRES(mutex_);
  // For who does not read yet, but wants to know whether there is something, and how much.
  Result<usize> look_ahead() TA_REQUIRES(mutex_);

  const Ref<ConsolePort> port_;
  const u64 inode_number_;
  Mutex<LockRank::kTerminal> mutex_;
  // Both are empty until they are used. In `buffer_`, [begin_, end_), what was taken from the port
  // and not read yet; what is being written has its own place, since /dev/stdin can be opened for
  // writing.
  Vector<std::byte> outgoing_ TA_GUARDED_BY(mutex_);
  Vector<std::byte> buffer_ TA_GUARDED_BY(mutex_);
  usize begin_ TA_GUARDED_BY(mutex_) = 0;
  usize end_ TA_GUARDED_BY(mutex_) = 0;
};

class HostStreamFile final : public AnonymousFile {
 public:
  HostStreamFile(Ref<HostStream> stream, OpenFlags flags);

  Result<usize> read(IoBuffer& to) override { return stream_->read(to); }
  Result<usize> write(IoBuffer& from) override { return stream_->write(from); }
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &stream_->queue(); }
  Result<> stat(abi::Stat& out) override;
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<> allocate(int, u64, u64) override { return Errno::kSPipe; }
  Result<FileRef> reopen(OpenFlags flags) override;
  Result<String> link_text() const override;
  Kind kind() const override { return Kind::kHostStream; }

 private:
  const Ref<HostStream> stream_;
};

// The standard stream over a port, as the first process gets it. ENOMEM.
Result<FileRef> open_host_stream(Ref<ConsolePort> port, OpenFlags flags);

}  // namespace narwhal
