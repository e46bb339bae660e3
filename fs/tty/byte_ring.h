// A queue of bytes of fixed capacity.
#pragma once

#include <span>

#include "kernel/base/types.h"

namespace narwhal {

template <usize N>
class ByteRing {
 public:
  usize size() const { return usize(head_ - tail_); }
  usize room() const { return N - size(); }
  bool empty() const { return head_ == tail_; }
  // False when it is full.
  bool push(u8 byte) {
    if (room() == 0) return false;
    bytes_[head_++ % N] = std::byte(byte);
    return true;
  }
  // The oldest bytes, as many as lie in one piece.
  std::span<const std::byte> front() const {
    const usize at = tail_ % N;
    const usize whole = size();
    return {bytes_ + at, whole < N - at ? whole : N - at};
  }
  void pop(usize count) { tail_ += count; }
  void clear() { tail_ = head_; }

 private:
  static_assert((N & (N - 1)) == 0);
  std::byte bytes_[N];
  u64 head_ = 0;
  u64 tail_ = 0;
};

}  // namespace narwhal
