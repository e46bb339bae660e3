#include "fs/eventfd/eventfd.h"

#include "fs/core/padded_hex.h"

namespace narwhal {

Result<usize> EventFd::read(IoBuffer& to) {
  if (to.remaining() < sizeof(u64)) return Errno::kInval;
  u64 value;
  {
    SpinGuard guard(lock_);
    if (count_ == 0) return Errno::kAgain;
    value = semaphore_ ? 1 : count_;
    count_ -= value;
  }
  queue_.wake(kPollWritable);
  return to.write(&value, sizeof value);
}

Result<usize> EventFd::write(IoBuffer& from) {
  if (from.remaining() < sizeof(u64)) return Errno::kInval;
  // Looked at without being used up: the caller tries again with the same bytes when there is no
  // room.
  u64 value;
  TRY(from.peek(&value, sizeof value));
  if (value == ~u64{0}) return Errno::kInval;
  {
    SpinGuard guard(lock_);
    if (count_ > kMaximum || value > kMaximum - count_) return Errno::kAgain;
    count_ += value;
  }
  from.skip(sizeof value);
  queue_.wake(kPollReadable);
  return sizeof value;
}

void EventFd::signal() {
  {
    SpinGuard guard(lock_);
    if (count_ <= kMaximum) ++count_;
  }
  queue_.wake(kPollReadable);
}

PollEvents EventFd::poll() {
  SpinGuard guard(lock_);
  PollEvents events = PollEvents::kNone;
  if (count_ > 0) events |= kPollReadable;
  if (count_ < kMaximum) events |= kPollWritable;
  if (count_ > kMaximum) events |= PollEvents::kErr;
  return events;
}

void EventFd::describe(TextSink& out) const {
  SpinGuard guard(lock_);
  out << "eventfd-count: " << PaddedHex{count_, 16} << '\n';
}

}  // namespace narwhal
