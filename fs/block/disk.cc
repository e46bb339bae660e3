#include "fs/block/disk.h"

#include <cstring>

#include "fs/block/write_back.h"

namespace narwhal {
namespace {

constinit Disk* disks[Disk::kMost] = {};
constinit u32 disk_count = 0;

constexpr u64 pages_until(u64 end) {
  return div_round_up(end, kPageSize);
}

// Moves a buffer's bytes page by page, up to the disk's end: `move(offset, bytes)` says how many it
// moved, within one page. An error counts only when nothing was moved before it.
template <typename Move>
Result<usize> by_pages(IoBuffer& buffer, u64 offset, u64 size, Move move) {
  const usize cut = buffer.truncate(size - offset);
  usize total = 0;
  Errno error{};
  while (buffer.remaining() != 0) {
    const usize room = kPageSize - offset % kPageSize;
    const usize chunk = buffer.remaining() < room ? buffer.remaining() : room;
    Result<usize> moved = move(offset, chunk);
    if (!moved.ok()) {
      error = moved.error();
      break;
    }
    total += moved.value();
    offset += moved.value();
    if (moved.value() < chunk) break;
  }
  buffer.extend(cut);
  if (total == 0 && error != Errno{}) return error;
  return total;
}

}  // namespace

Result<> Disk::add(Ref<BlockDevice> device) {
  if (disk_count == kMost) return Errno::kNoSpc;
  Own<Disk> disk(new (std::nothrow) Disk(disk_count, std::move(device)));
  if (!disk) return Errno::kNoMem;
  Ref<DiskPages> pages = TRY(DiskPages::make(disk->queue_));
  disk->pages_ = std::move(pages);
  disks[disk_count++] = disk.release();
  return {};
}

Disk* Disk::find(u32 index) {
  return index < disk_count ? disks[index] : nullptr;
}

// --- through the page cache

Result<usize> Disk::read(IoBuffer& to, u64 offset) {
  if (offset >= size()) return usize{0};
  return by_pages(to, offset, size(), [&](u64 at, usize bytes) -> Result<usize> {
    const u64 index = at / kPageSize;
    FrameRef page = TRY(pages_->read_page(index, pages_until(at + to.remaining()) - index));
    return to.write(page.data() + at % kPageSize, bytes);
  });
}

// At most what is in one page.
Result<usize> Disk::write_page(IoBuffer& from, u64 offset, usize bytes) {
  const u64 index = offset / kPageSize;
  const usize inside = offset % kPageSize;
  TRY(pages_->changed(index));
  FrameRef page = TRY(pages_->present(index));
  const u64 left = size() - index * kPageSize;
  const bool whole = inside == 0 && bytes == (left < kPageSize ? left : kPageSize);
  if (!page && whole) {
    // Nothing of what the disk has there stays, unless the copy stops half-way.
    FrameRef fresh = TRY(FrameRef::allocate_for_program(FrameContent::kZeroed));
    const usize moved = TRY(from.read(fresh.data(), bytes));
    if (moved == bytes) {
      page = FrameRef::share(fresh.address());
      auto added = pages_->add(index, std::move(fresh));
      if (added.ok()) {
        TRY(pages_->changed(index));
        return moved;
      }
      if (!added.failed(Errno::kExist)) return added.error();
      fresh = std::move(page);
    }
    page = TRY(pages_->read_page(index, 1));
    std::memcpy(page.data(), fresh.data(), moved);
    TRY(pages_->changed(index));
    return moved;
  }
  if (!page) page = TRY(pages_->read_page(index, 1));
  const usize moved = TRY(from.read(page.data() + inside, bytes));
  TRY(pages_->changed(index));
  return moved;
}

Result<usize> Disk::write(IoBuffer& from, u64 offset) {
  if (read_only()) return Errno::kPerm;
  if (from.remaining() == 0) return usize{0};
  if (offset >= size()) return Errno::kNoSpc;
  return by_pages(from, offset, size(), [&](u64 at, usize bytes) -> Result<usize> {
    const usize moved = TRY(write_page(from, at, bytes));
    if (moved == bytes) limit_changed_pages(*pages_);
    return moved;
  });
}

// --- openers

Result<> Disk::opened(bool exclusive) {
  bool none = false;
  if (exclusive && !is_exclusive_.compare_exchange(none, true)) return Errno::kBusy;
  openers_.fetch_add(1);
  return {};
}

void Disk::closed(bool exclusive) {
  if (exclusive) is_exclusive_.store(false);
  // May be under an address space's lock, so the rest is the thread's.
  if (openers_.fetch_sub(1) == 1) write_back_now();
}

u32 Disk::first_failure_to_tell() {
  return failures_told_.load();
}

bool Disk::has_failed(u32& seen) {
  const u32 now = pages_->failures();
  if (now == seen) return false;
  seen = now;
  failures_told_.store(now);
  return true;
}

}  // namespace narwhal
