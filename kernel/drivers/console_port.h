// A stream of bytes to and from the host: what the program's standard streams and the control
// channel run over.
#pragma once

#include <span>
#include <string_view>

#include "kernel/base/ref.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

class ConsolePort : public RefCounted {
 public:
  virtual std::string_view name() const = 0;

  // Takes what has come. EAGAIN: nothing yet; 0: the host closed its end and all was read.
  virtual Result<usize> read(std::span<std::byte> to) = 0;
  // Gives bytes to the host; may take fewer than given. EAGAIN: the host has not taken what it was
  // given before. EPIPE, or the host's own error: it will never take them. A port whose end may be
  // opened later drops what is written while it is closed.
  virtual Result<usize> write(std::span<const std::byte> from) = 0;
  virtual PollEvents poll() = 0;
  WaitQueue& queue() { return queue_; }

  // Waits, by polling, until the host has all that was written or `deadline_ns` has passed: before
  // power-off.
  virtual void drain(u64 deadline_ns) = 0;

 protected:
  WaitQueue queue_;
};

}  // namespace narwhal
