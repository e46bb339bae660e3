// Terminals as files: /dev/console and /dev/tty.
#pragma once

#include "fs/dev/device_file.h"
#include "fs/tty/terminal.h"

namespace narwhal {

class TerminalFile final : public DeviceFile {
 public:
  // EIO when the terminal can't be opened; EBUSY while it is somebody's alone (TIOCEXCL).
  static Result<FileRef> open(Ref<Terminal> terminal, const Path& path, OpenFlags flags);
  TerminalFile(Ref<Terminal> terminal, const Path& path, OpenFlags flags);

  Result<usize> read(IoBuffer& to) override;
  Result<usize> write(IoBuffer& from) override;
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &terminal_->queue(); }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<FileRef> open_peer(OpenFlags) override { return Errno::kIo; }
  Kind kind() const override { return Kind::kTerminal; }
  u32 foreground_group() const override { return terminal_->foreground_group(); }
  Terminal& terminal() const { return *terminal_; }

 private:
  ~TerminalFile() override { terminal_->file_closed(); }
  bool hung_up() const { return hangups_ != terminal_->hangups(); }

  const Ref<Terminal> terminal_;
  const u32 hangups_;       // when it was opened
  Atomic<u64> waiting_{0};  // the last that had to wait for input; 0: nobody
};

// Serves the device numbers of /dev/tty and /dev/console. Called once.
void tty_init();

// The one behind /dev/console, and behind /dev/tty for its session: null until it is set, and both
// names then say ENXIO.
void set_console_terminal(Ref<Terminal> terminal);
Ref<Terminal> console_terminal();

}  // namespace narwhal
