#include "fs/core/io_buffer.h"

#include <cstring>

#include "kernel/platform/machine.h"

namespace narwhal {

IoBuffer::IoBuffer(std::span<const abi::IoVec> pieces) : pieces_(pieces) {
  for (const abi::IoVec& piece : pieces) remaining_ += piece.length;
  if (remaining_ > kMaxIoBytes) remaining_ = kMaxIoBytes;
}

IoBuffer::IoBuffer(std::span<const FramePiece> frames) : frames_(frames) {
  for (const FramePiece& piece : frames) remaining_ += piece.length;
}

bool IoBuffer::next_frame(FramePiece& out, usize most) const {
  if (frames_.empty() || remaining_ == 0) return false;
  out = frames_[piece_];
  out.offset += u32(piece_offset_);
  out.length -= u32(piece_offset_);
  if (most > remaining_) most = remaining_;
  if (out.length > most) out.length = u32(most);
  return true;
}

void IoBuffer::copy_frames(std::byte* to, usize size) const {
  usize offset = piece_offset_;
  for (usize index = piece_; size != 0; ++index, offset = 0) {
    const FramePiece& piece = frames_[index];
    usize length = piece.length - offset;
    if (length > size) length = size;
    std::memcpy(to, platform::direct_map(piece.frame) + piece.offset + offset, length);
    to += length;
    size -= length;
  }
}

// Calls copy(address, done, length) for piece after piece; it returns the bytes that it could not
// copy. A fault ends the transfer.
template <typename Copy>
Result<usize> IoBuffer::move(usize size, Copy copy) {
  if (size > remaining_) size = remaining_;
  usize done = 0;
  while (done < size) {
    const abi::IoVec& piece = pieces_[piece_];
    usize length = piece.length - piece_offset_;
    if (length == 0) {
      ++piece_;
      piece_offset_ = 0;
      continue;
    }
    if (length > size - done) length = size - done;
    const usize left = copy(UserAddr(piece.base + piece_offset_), done, length);
    const usize moved = length - left;
    piece_offset_ += moved;
    remaining_ -= moved;
    done += moved;
    if (left != 0) {
      if (done == 0) return Errno::kFault;
      break;
    }
  }
  return done;
}

Result<usize> IoBuffer::write(const void* from, usize size) {
  if (kernel_) {
    if (size > remaining_) size = remaining_;
    std::memcpy(kernel_, from, size);
    kernel_ += size;
    remaining_ -= size;
    return size;
  }
  return move(size, [from](UserAddr to, usize done, usize length) {
    return platform::copy_to_user(to, static_cast<const std::byte*>(from) + done, length);
  });
}

Result<usize> IoBuffer::write_zeros(usize size) {
  if (kernel_) {
    if (size > remaining_) size = remaining_;
    std::memset(kernel_, 0, size);
    kernel_ += size;
    remaining_ -= size;
    return size;
  }
  return move(size,
              [](UserAddr to, usize, usize length) { return platform::zero_user(to, length); });
}

Result<usize> IoBuffer::read(void* to, usize size) {
  if (kernel_) {
    if (size > remaining_) size = remaining_;
    std::memcpy(to, kernel_, size);
    kernel_ += size;
    remaining_ -= size;
    return size;
  }
  if (!frames_.empty()) {
    if (size > remaining_) size = remaining_;
    copy_frames(static_cast<std::byte*>(to), size);
    skip(size);
    return size;
  }
  return move(size, [to](UserAddr from, usize done, usize length) {
    return platform::copy_from_user(static_cast<std::byte*>(to) + done, from, length);
  });
}

Result<> IoBuffer::peek(void* to, usize size) const {
  if (size > remaining_) return Errno::kFault;
  if (kernel_) {
    std::memcpy(to, kernel_, size);
    return {};
  }
  if (!frames_.empty()) {
    copy_frames(static_cast<std::byte*>(to), size);
    return {};
  }
  usize index = piece_, offset = piece_offset_, done = 0;
  while (done < size) {
    const abi::IoVec& piece = pieces_[index];
    usize length = piece.length - offset;
    if (length > size - done) length = size - done;
    if (length != 0 && platform::copy_from_user(static_cast<std::byte*>(to) + done,
                                                UserAddr(piece.base + offset), length) != 0)
      return Errno::kFault;
    done += length;
    ++index;
    offset = 0;
  }
  return {};
}

void IoBuffer::skip(usize size) {
  if (size > remaining_) size = remaining_;
  remaining_ -= size;
  if (kernel_) {
    kernel_ += size;
    return;
  }
  while (size != 0) {
    const usize whole = frames_.empty() ? pieces_[piece_].length : frames_[piece_].length;
    usize length = whole - piece_offset_;
    if (length > size) length = size;
    piece_offset_ += length;
    size -= length;
    if (piece_offset_ == whole) {
      ++piece_;
      piece_offset_ = 0;
    }
  }
}

bool IoBuffer::is_aligned(u64 unit) const {
  if (kernel_) return (reinterpret_cast<u64>(kernel_) | remaining_) % unit == 0;
  usize left = remaining_;
  for (usize i = piece_; left != 0; ++i) {
    const usize done = i == piece_ ? piece_offset_ : 0;
    const usize length = pieces_[i].length - done < left ? pieces_[i].length - done : left;
    if (length != 0 && (pieces_[i].base + done | length) % unit != 0) return false;
    left -= length;
  }
  return true;
}

Result<Vector<abi::IoVec>> load_iovecs(UserAddr pieces, usize count) {
  constexpr usize kMaxPieces = 1024;  // UIO_MAXIOV
  if (count > kMaxPieces) return Errno::kInval;
  Vector<abi::IoVec> loaded = TRY(UserIn<abi::IoVec>{pieces}.load_array(count));
  u64 total = 0;
  for (usize i = 0; i < count; ++i) {
    abi::IoVec& piece = loaded[i];
    if (i64(piece.length) < 0) return Errno::kInval;
    if (!user_range_ok(UserAddr(piece.base), piece.length)) return Errno::kFault;
    // The sum is cut, not refused (readv(2), NOTES).
    if (piece.length > kMaxIoBytes - total) piece.length = kMaxIoBytes - total;
    total += piece.length;
  }
  return loaded;
}

}  // namespace narwhal
