// eventfd(2): a counter to wait on.
#pragma once

#include "fs/core/anonymous_file.h"

namespace narwhal {

class EventFd final : public AnonymousFile {
 public:
  EventFd(u32 initial, bool semaphore, OpenFlags flags)
      : AnonymousFile(flags, "anon_inode:[eventfd]", 0600),
        count_(initial),
        semaphore_(semaphore) {}

  Result<usize> read(IoBuffer& to) override;
  Result<usize> write(IoBuffer& from) override;
  // One more from the kernel (io_submit(2)), which never waits: the counter may then be full, an
  // error that poll(2) shows.
  void signal();
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &queue_; }
  void describe(TextSink& out) const override;
  Kind kind() const override { return Kind::kEventFd; }

 private:
  static constexpr u64 kMaximum = ~u64{0} - 1;
  mutable SpinLock<LockRank::kSpinOther> lock_;
  u64 count_ TA_GUARDED_BY(lock_);
  bool semaphore_;
  WaitQueue queue_;
};

}  // namespace narwhal
