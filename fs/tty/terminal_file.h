// Terminals as files: /dev/console and /dev/tty.
#pragma once

#include "fs/dev/device_file.h"
#include "fs/tty/terminal.h"

namespace narwhal {

class TerminalFile final : public DeviceFile {
 public:
  TerminalFile(Ref<Terminal> terminal, const Path& path, OpenFlags flags)
      : DeviceFile(path, flags), terminal_(std::move(terminal)) {}

  Result<usize> read(IoBuffer& to) override { return terminal_->read(to, !nonblocking()); }
  Result<usize> write(IoBuffer& from) override { return terminal_->write(from); }
  PollEvents poll() override { return terminal_->poll(); }
  WaitQueue* poll_queue() override { return &terminal_->queue(); }
  Result<i64> ioctl(u32 command, UserAddr argument) override {
    return terminal_->ioctl(command, argument);
  }
  Kind kind() const override { return Kind::kTerminal; }
  Terminal& terminal() const { return *terminal_; }

 private:
  const Ref<Terminal> terminal_;
};

// Serves the device numbers of /dev/tty and /dev/console. Called once.
void tty_init();

// The one behind /dev/console, and behind /dev/tty for its session: null until it is set, and both
// names then say ENXIO.
void set_console_terminal(Ref<Terminal> terminal);
Ref<Terminal> console_terminal();

}  // namespace narwhal
