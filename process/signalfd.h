// signalfd(2): pending signals of whoever reads, as data.
#pragma once

#include "fs/core/anonymous_file.h"
#include "process/process.h"

namespace narwhal {

class SignalFd final : public AnonymousFile {
 public:
  SignalFd(SignalSet mask, OpenFlags flags)
      : AnonymousFile(flags, "anon_inode:[signalfd]", 0600), mask_(mask.bits) {}
  ~SignalFd() override;

  // signalfd(2) with the descriptor of an old one.
  void set_mask(SignalSet mask);

  // What it reads, and whether it is ready, depends on the task that asks, as on Linux: its own
  // pending signals and its process's.
  Result<usize> read(IoBuffer& to) override;
  PollEvents poll() override;
  WaitQueue* poll_queue() override;
  void describe(TextSink& out) const override;
  Kind kind() const override { return Kind::kSignalFd; }

 private:
  SignalSet mask() const { return {mask_.load(Order::kRelaxed)}; }

  Atomic<u64> mask_;
  // Processes whose queue of waiters was given out: they must outlive the waiters that an epoll has
  // put there, even if they end first.
  Mutex<LockRank::kMutexOther> mutex_;
  Vector<Ref<Process>> waited_for_ TA_GUARDED_BY(mutex_);
};

}  // namespace narwhal
