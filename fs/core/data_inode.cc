#include <cstring>

#include "fs/core/clock.h"
#include "fs/core/regular_file.h"

namespace narwhal {
namespace {

// MAX_LFS_FILESIZE on 64-bit machines.
constexpr u64 kMaxFileSize = ~u64{0} >> 1;

}  // namespace

Result<usize> DataInode::read_gap(u64, usize, usize size, IoBuffer& to) {
  return to.write_zeros(size);
}

Result<usize> DataInode::read(IoBuffer& to, u64 offset) {
  const u64 end = size();
  usize total = 0;
  while (offset < end && to.remaining() != 0) {
    const usize in_page = offset & (kPageSize - 1);
    usize chunk = kPageSize - in_page;
    if (chunk > end - offset) chunk = end - offset;
    if (chunk > to.remaining()) chunk = to.remaining();
    auto page = data_->page(offset >> kPageShift, MemoryObject::Access::kRead);
    if (!page.ok()) {
      if (total != 0) break;
      return page.error();
    }
    auto moved = page.value() ? to.write(page.value().data() + in_page, chunk)
                              : read_gap(offset >> kPageShift, in_page, chunk, to);
    if (!moved.ok()) {
      if (total != 0) break;
      return moved.error();
    }
    total += moved.value();
    offset += moved.value();
    if (moved.value() < chunk) break;
  }
  return total;
}

Result<usize> DataInode::cut_to_limit(IoBuffer& from, u64 offset) {
  const u64 limit = from.rules.size_limit < kMaxFileSize ? from.rules.size_limit : kMaxFileSize;
  if (offset >= limit) [[unlikely]]
    return Errno::kFBig;
  return from.truncate(limit - offset);
}

Result<usize> DataInode::write(IoBuffer& from, u64& offset, bool append) {
  Guard guard(lock_);
  if (from.remaining() == 0) return usize{0};
  const u32 seals = seals_.load(Order::kRelaxed);
  if (seals & (kSealWrite | kSealFutureWrite)) [[unlikely]]
    return Errno::kPerm;
  u64 end = size();
  if (append) offset = end;
  const usize cut = TRY(cut_to_limit(from, offset));
  usize total = 0;
  Errno error{};
  while (from.remaining() != 0) {
    const usize in_page = offset & (kPageSize - 1);
    usize chunk = kPageSize - in_page;
    if (chunk > from.remaining()) chunk = from.remaining();
    if ((seals & kSealGrow) && offset + chunk > end) [[unlikely]] {
      error = Errno::kPerm;
      break;
    }
    auto page = data_->page(offset >> kPageShift, MemoryObject::Access::kWrite);
    if (!page.ok()) {
      error = page.error();
      break;
    }
    auto moved = from.read(page.value().data() + in_page, chunk);
    if (!moved.ok()) {
      error = moved.error();
      break;
    }
    total += moved.value();
    offset += moved.value();
    if (offset > end) {
      end = offset;
      data_->set_size(end);
    }
    if (moved.value() < chunk) break;
  }
  from.extend(cut);
  if (total == 0 && error != Errno{}) return error;
  set_modified(current_file_time());
  return total;
}

Result<> DataInode::truncate(u64 new_size) {
  if (new_size > kMaxFileSize) return Errno::kFBig;
  Guard guard(lock_);
  const u64 old_size = size();
  const u32 seals = seals_.load(Order::kRelaxed);
  if (new_size < old_size) {
    if (seals & kSealShrink) return Errno::kPerm;
    const u64 first = new_size >> kPageShift;
    // The last page that stays loses its end; if it is not in memory yet, that is kept elsewhere.
    if ((new_size & (kPageSize - 1)) != 0 && !is_gap(first))
      TRY(data_->page(first, MemoryObject::Access::kWrite));
    data_->set_size(new_size);
    forget_gaps(first, ~u64{0});
  } else if (new_size > old_size) {
    if (seals & kSealGrow) return Errno::kPerm;
    // A last page that is kept elsewhere ends where the file did.
    const u64 last = old_size >> kPageShift;
    if ((old_size & (kPageSize - 1)) != 0 && !is_gap(last))
      TRY(data_->page(last, MemoryObject::Access::kWrite));
    data_->set_size(new_size);
  }
  set_modified(current_file_time());
  return {};
}

// Zeros in [offset, offset + length): whole pages go, the rest is overwritten.
void DataInode::clear_range(u64 offset, u64 length) {
  const u64 end = offset + length;
  const u64 first_whole = (offset + kPageSize - 1) >> kPageShift;
  const u64 last_whole = end >> kPageShift;
  const auto clear = [&](u64 from, u64 to) {
    if (from >= to) return;
    const u64 index = from >> kPageShift;
    auto access = is_gap(index) ? MemoryObject::Access::kRead : MemoryObject::Access::kWrite;
    auto page = data_->page(index, access);
    if (page.ok() && page.value())
      std::memset(page.value().data() + (from & (kPageSize - 1)), 0, to - from);
  };
  if (first_whole > last_whole) {
    clear(offset, end);
    return;
  }
  clear(offset, first_whole << kPageShift);
  clear(last_whole << kPageShift, end);
  if (first_whole < last_whole) {
    forget_gaps(first_whole, last_whole);
    data_->remove_pages(first_whole, last_whole);
  }
}

Result<> DataInode::allocate(int mode, u64 offset, u64 length) {
  constexpr int kKeepSize = 1, kPunchHole = 2;
  if (mode & ~(kKeepSize | kPunchHole)) return Errno::kOpNotSupp;
  if (offset + length > kMaxFileSize) return Errno::kFBig;
  Guard guard(lock_);
  const u32 seals = seals_.load(Order::kRelaxed);
  if (mode & kPunchHole) {
    if (!(mode & kKeepSize)) return Errno::kOpNotSupp;
    if (seals & (kSealWrite | kSealFutureWrite)) return Errno::kPerm;
    clear_range(offset, length);
    set_modified(current_file_time());
    return {};
  }
  const u64 end = offset + length;
  // Also where the size is to stay, as on Linux.
  if (end > size() && (seals & kSealGrow)) return Errno::kPerm;
  const u64 first = offset >> kPageShift, last = (end + kPageSize - 1) >> kPageShift;
  for (u64 index = first; index < last; ++index) {
    auto page = data_->page(index, MemoryObject::Access::kWrite);
    if (page.ok()) continue;
    // What was reserved beyond the end goes again, as nobody could see it; inside, zeros are what
    // was there before.
    const u64 seen = (size() + kPageSize - 1) >> kPageShift;
    data_->remove_pages(first > seen ? first : seen, index);
    return page.error();
  }
  if (!(mode & kKeepSize) && end > size()) data_->set_size(end);
  set_changed(current_file_time());
  return {};
}

Result<u64> DataInode::seek_data(u64 offset) {
  const u64 end = size();
  if (offset >= end) return Errno::kNxIo;
  const u64 end_index = (end + kPageSize - 1) >> kPageShift;
  for (u64 index = offset >> kPageShift; index < end_index;) {
    const u64 hole = data_->next_hole(index);
    if (hole != index) break;
    if (!is_gap(index)) break;
    const u64 next = data_->next_data(index);
    // A page that is kept elsewhere is the first or the last of its file.
    if (!is_gap(end_index - 1) && next >= end_index)
      index = end_index - 1;
    else
      index = next;
    if (index >= end_index) return Errno::kNxIo;
    offset = index << kPageShift;
  }
  return offset;
}

Result<u64> DataInode::seek_hole(u64 offset) {
  const u64 end = size();
  if (offset >= end) return Errno::kNxIo;
  const u64 end_index = (end + kPageSize - 1) >> kPageShift;
  u64 index = offset >> kPageShift;
  for (;;) {
    const u64 hole = data_->next_hole(index);
    if (hole >= end_index) return end;
    if (is_gap(hole)) {
      const u64 at = hole << kPageShift;
      return at > offset ? at : offset;
    }
    index = hole + 1;
    if (index >= end_index) return end;
  }
}

Result<> DataInode::stat(abi::Stat& out) {
  TRY(Inode::stat(out));
  out.size = i64(size());
  out.blocks = i64(data_->page_count() * (kPageSize / 512));
  return {};
}

Result<FileRef> DataInode::open(const Path& path, OpenFlags flags) {
  return RegularFile::open(*this, path, flags);
}

Result<> DataInode::add_seals(u32 wanted) {
  constexpr u32 kWrites = kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite;
  if (wanted & ~(kSealSeal | kWrites | kSealExecute)) return Errno::kInval;
  Guard guard(lock_);
  if (seals_.load() & kSealSeal) return Errno::kPerm;
  // What may be executed is not written any more.
  if ((wanted & kSealExecute) && (mode() & kAnyExecute)) wanted |= kWrites;
  if ((wanted & kSealWrite) && !(seals_.load() & kSealWrite) && writable_mappings_.load() != 0)
    return Errno::kBusy;
  seals_.fetch_or(wanted);
  return {};
}

}  // namespace narwhal
