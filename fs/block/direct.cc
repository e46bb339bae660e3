// Transfers that go around the page cache: O_DIRECT, and changes of ranges.
//
// The program's memory is not handed to the device: a transfer goes through frames of its own, a
// part at a time.
#include "fs/block/disk.h"

namespace narwhal {
namespace {

using Operation = BlockRequest::Operation;

// Memory for a part of a transfer.
class Bounce : NonCopyable {
 public:
  static constexpr usize kMostFrames = 64;

  // As many as there are; at least one. ENOMEM.
  Result<> make(usize bytes) {
    const usize wanted = div_round_up(bytes, kPageSize);
    while (count_ < kMostFrames && count_ < wanted) {
      auto frame = FrameRef::allocate_for_program(FrameContent::kAny);
      if (!frame.ok()) break;
      frames_[count_++] = frame.take();
    }
    return count_ != 0 ? Result<>() : Errno::kNoMem;
  }
  usize size() const { return count_ * kPageSize; }

  template <typename Visit>
  Result<usize> for_each_piece(usize bytes, Visit visit) {
    usize total = 0;
    while (total < bytes) {
      const usize left = bytes - total;
      const usize moved =
          TRY(visit(frames_[total / kPageSize].data(), left < kPageSize ? left : kPageSize));
      total += moved;
      if (total % kPageSize != 0) break;
    }
    return total;
  }

  // The first `bytes` of it, all requests at once.
  Result<> transfer(DiskQueue& queue, Operation operation, u64 offset, usize bytes) {
    BlockRequest::Segment segments[kMostFrames];
    const usize pieces = div_round_up(bytes, kPageSize);
    for (usize i = 0; i < pieces; ++i) {
      const usize left = bytes - i * kPageSize;
      segments[i] = {frames_[i].address(), u32(left < kPageSize ? left : kPageSize)};
    }
    const usize most = queue.traits().most_segments;
    for (usize at = 0; at < pieces; at += most) {
      const usize count = pieces - at < most ? pieces - at : most;
      TRY(queue.transfer(operation, offset / kSectorSize + at * (kPageSize / kSectorSize),
                         {segments + at, count}));
    }
    return {};
  }

 private:
  FrameRef frames_[kMostFrames];
  usize count_ = 0;
};

bool fits_blocks(const IoBuffer& buffer, u64 offset, u32 block) {
  // What the host bus adapters of Linux want of memory, whatever the block.
  constexpr u64 kMemoryAlignment = kSectorSize;
  return offset % block == 0 && buffer.remaining() % block == 0 &&
         buffer.is_aligned(kMemoryAlignment);
}

}  // namespace

Result<usize> Disk::read_direct(IoBuffer& to, u64 offset) {
  if (to.remaining() == 0 || offset >= size()) return usize{0};
  const usize cut = to.truncate(size() - offset);
  const auto read = [&]() -> Result<usize> {
    if (!fits_blocks(to, offset, traits().logical_block)) return Errno::kInval;
    TRY(pages_->write_back(offset / kPageSize, div_round_up(offset + to.remaining(), kPageSize)));
    Bounce bounce;
    TRY(bounce.make(to.remaining()));
    usize total = 0;
    while (to.remaining() != 0) {
      const usize part = to.remaining() < bounce.size() ? to.remaining() : bounce.size();
      if (auto done = bounce.transfer(queue_, Operation::kRead, offset + total, part); !done.ok())
        return total != 0 ? Result<usize>(total) : done.error();
      auto moved = bounce.for_each_piece(
          part, [&](std::byte* data, usize bytes) { return to.write(data, bytes); });
      if (!moved.ok()) return total != 0 ? Result<usize>(total) : moved.error();
      total += moved.value();
      if (moved.value() < part) break;
    }
    return total;
  };
  auto moved = read();
  to.extend(cut);
  return moved;
}

Result<usize> Disk::write_direct(IoBuffer& from, u64 offset) {
  if (read_only()) return Errno::kPerm;
  if (from.remaining() == 0) return usize{0};
  if (offset >= size()) return Errno::kNoSpc;
  const usize cut = from.truncate(size() - offset);
  const auto write = [&]() -> Result<usize> {
    if (!fits_blocks(from, offset, traits().logical_block)) return Errno::kInval;
    Bounce bounce;
    TRY(bounce.make(from.remaining()));
    usize total = 0;
    while (from.remaining() != 0) {
      const usize part = from.remaining() < bounce.size() ? from.remaining() : bounce.size();
      auto moved = bounce.for_each_piece(
          part, [&](std::byte* data, usize bytes) { return from.read(data, bytes); });
      if (!moved.ok()) return total != 0 ? Result<usize>(total) : moved.error();
      const usize whole = moved.value() - moved.value() % traits().logical_block;
      if (whole == 0) return total != 0 ? Result<usize>(total) : Errno::kFault;
      const u64 start = offset + total;
      auto done = pages_->change_behind(
          start / kPageSize, div_round_up(start + whole, kPageSize),
          [&] { return bounce.transfer(queue_, Operation::kWrite, start, whole); });
      if (!done.ok()) return total != 0 ? Result<usize>(total) : done.error();
      total += whole;
      if (whole < part) break;
    }
    return total;
  };
  auto moved = write();
  from.extend(cut);
  return moved;
}

Result<> Disk::discard(u64 start, u64 length) {
  if (read_only()) return Errno::kPerm;
  if (length == 0) return {};
  return pages_->change_behind(start / kPageSize, div_round_up(start + length, kPageSize), [&] {
    return queue_.change_range(Operation::kDiscard, start / kSectorSize, length / kSectorSize,
                               true);
  });
}

Result<> Disk::zero(u64 start, u64 length, bool may_unmap) {
  if (read_only()) return Errno::kPerm;
  if (length == 0) return {};
  const u64 sector = start / kSectorSize, count = length / kSectorSize;
  return pages_->change_behind(
      start / kPageSize, div_round_up(start + length, kPageSize), [&]() -> Result<> {
        auto done = queue_.change_range(Operation::kWriteZeroes, sector, count, may_unmap);
        if (!done.failed(Errno::kOpNotSupp)) return done;
        return write_zeros_by_hand(sector, count);
      });
}

// For a device that can't do it by itself: one page of zeros, as often as needed.
Result<> Disk::write_zeros_by_hand(u64 sector, u64 count) {
  constexpr usize kMost = 32;
  const FrameRef zeros = TRY(FrameRef::allocate_for_program(FrameContent::kZeroed));
  BlockRequest::Segment segments[kMost];
  const usize most = traits().most_segments < kMost ? traits().most_segments : kMost;
  while (count != 0) {
    u64 sectors = 0;
    usize used = 0;
    for (; used < most && sectors < count; ++used) {
      const u64 left = count - sectors, part = kPageSize / kSectorSize;
      segments[used] = {zeros.address(), u32((left < part ? left : part) * kSectorSize)};
      sectors += segments[used].length / kSectorSize;
    }
    TRY(queue_.transfer(Operation::kWrite, sector, {segments, used}));
    sector += sectors;
    count -= sectors;
  }
  return {};
}

}  // namespace narwhal
