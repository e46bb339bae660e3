// Where a read puts its bytes, or a write takes them from: pieces of the program's memory, one of
// the kernel's, or pieces of frames.
//
// A file copies through it and never sees an address. Transfers advance it; what was moved before a
// fault counts.
#pragma once

#include <span>

#include "kernel/abi/uio.h"
#include "kernel/base/addr.h"
#include "kernel/base/vector.h"
#include "kernel/platform/user.h"

namespace narwhal {

// A part of a frame, not empty, of which whoever passes it on has a reference.
struct FramePiece {
  PhysAddr frame;
  u32 offset = 0;
  u32 length = 0;
};

class IoBuffer : NonCopyable {
 public:
  // The program's memory, in one piece or in the pieces of an iovec (readv(2)), which stays the
  // caller's.
  explicit IoBuffer(UserBuffer buffer)
      : single_{buffer.addr.value, buffer.size}, pieces_(&single_, 1), remaining_(buffer.size) {}
  explicit IoBuffer(std::span<const abi::IoVec> pieces);
  // The kernel's own memory.
  explicit IoBuffer(std::span<std::byte> kernel)
      : kernel_(kernel.data()), remaining_(kernel.size()) {}
  explicit IoBuffer(std::span<const std::byte> kernel)
      : kernel_(const_cast<std::byte*>(kernel.data())), remaining_(kernel.size()) {}

  // Frames, for a write: who wants to keep the bytes may keep the frames instead (FrameRef::share).
  // They may be a file's, and what is in them may change at any time.
  explicit IoBuffer(std::span<const FramePiece> frames);

  usize remaining() const { return remaining_; }
  bool is_kernel() const { return kernel_ != nullptr; }
  // Leaves at most `size` bytes to be moved; returns how many were cut off, for extend().
  usize truncate(usize size) {
    if (size >= remaining_) return 0;
    usize cut = remaining_ - size;
    remaining_ = size;
    return cut;
  }
  void extend(usize cut) { remaining_ += cut; }
  // Whether all pieces that are left begin and end at multiples of `unit`, a power of two (O_DIRECT
  // of open(2)).
  bool is_aligned(u64 unit) const;

  // Moves bytes into the buffer (a read). Moves min(size, remaining()); EFAULT only when not one
  // byte could be moved.
  Result<usize> write(const void* from, usize size);
  Result<usize> write_zeros(usize size);
  // Moves bytes out of the buffer (a write), likewise.
  Result<usize> read(void* to, usize size);
  // As read(), but all `size` bytes or EFAULT, and without advancing: for what may have to be
  // looked at twice.
  Result<> peek(void* to, usize size) const;
  void skip(usize size);
  // Whether the next bytes are in a frame: where, at most `most` of them. skip() goes on to others.
  bool next_frame(FramePiece& out, usize most) const;

  // What the caller of a write wants of files that have a size and a position.
  struct WriteRules {
    u64 size_limit = ~u64{0};   // RLIMIT_FSIZE: EFBIG for what begins beyond, short writes up to it
    bool append = false;        // RWF_APPEND, pwritev2(2)
    bool more_follows = false;  // at once: a stream need not send a small rest yet (MSG_MORE)
  };
  WriteRules rules;

 private:
  template <typename Copy>
  Result<usize> move(usize size, Copy copy);
  void copy_frames(std::byte* to, usize size) const;

  abi::IoVec single_{};
  std::span<const abi::IoVec> pieces_;
  usize piece_ = 0;         // index of the present piece
  usize piece_offset_ = 0;  // bytes done in it
  std::byte* kernel_ = nullptr;
  std::span<const FramePiece> frames_;  // with piece_ and piece_offset_
  usize remaining_ = 0;
};

// readv(2): loads and checks an iovec array. EINVAL (count, or a sum over SSIZE_MAX), EFAULT,
// ENOMEM. As on Linux the sum is cut at 0x7ffff000 bytes.
Result<Vector<abi::IoVec>> load_iovecs(UserAddr pieces, usize count);
inline constexpr usize kMaxIoBytes = 0x7ffff000;

}  // namespace narwhal
