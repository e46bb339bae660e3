#include "fs/tmpfs/tmpfs_data.h"

#include <cstring>

#include "kernel/mm/reclaim.h"

namespace narwhal {

TmpfsData::~TmpfsData() {
  account_->release_pages(page_count());
  drop_packed();
}

// A file system that may take all of the memory is full before the memory is: whoever writes to it
// learns that there is no space, and nobody is killed for it. What has no limit at all
// (memfd_create(2), shared memory) is a program's memory under another name. ENOSPC.
Result<> TmpfsData::leave_room_for_programs() const {
  constexpr u64 kShare = 16;
  if (account_->max_pages.load(Order::kRelaxed) == TmpfsAccount::kUnlimited) return {};
  const MemoryStatistics memory = memory_statistics();
  const u64 kept = memory.total_frames / kShare;
  if (memory.free_frames < kept && reclaim_frames(kept - memory.free_frames) == 0)
    return Errno::kNoSpc;
  return {};
}

Result<FrameRef> TmpfsData::page(u64 index, Access access) {
  for (;;) {
    FrameRef present = TRY(MemoryObject::page(index, Access::kRead));
    if (present) return present;
    const bool has_copy = has_packed(index);
    if (access == Access::kRead && !has_copy) return FrameRef();
    if (!has_copy) TRY(leave_room_for_programs());
    FrameRef fresh = TRY(FrameRef::allocate_for_program(FrameContent::kZeroed));
    if (has_copy) {
      SpinGuard guard(packed_lock_);
      if (has_packed(index)) {
        const std::span<const std::byte> bytes = packed();
        std::memcpy(fresh.data(), bytes.data(), bytes.size());
      }
    }
    FrameRef mine = FrameRef::share(fresh.address());
    auto added = add_page(index, std::move(fresh));
    if (added.ok()) return mine;
    // Somebody else was faster: take theirs.
    if (!added.failed(Errno::kExist)) return added.error();
  }
}

Result<> TmpfsData::add_page(u64 index, FrameRef frame) {
  TRY(account_->charge_pages(1));
  auto inserted = insert(index, std::move(frame));
  if (!inserted.ok()) account_->release_pages(1);
  return inserted;
}

void TmpfsData::set_packed(u64 index, PhysAddr start, u32 size) {
  packed_index_ = index;
  packed_start_ = start;
  packed_size_.store(size, Order::kRelease);
}

std::span<const std::byte> TmpfsData::packed() const {
  return {platform::direct_map(packed_start_), packed_size_.load(Order::kRelaxed)};
}

void TmpfsData::drop_packed() {
  u32 size;
  {
    SpinGuard guard(packed_lock_);
    size = packed_size_.exchange(0);
  }
  if (size == 0) return;
  const PhysAddr end = packed_start_ + size;
  for (PhysAddr frame = packed_start_.page(); frame < end; frame += kPageSize)
    frame_drop_ref(frame);
}

}  // namespace narwhal
