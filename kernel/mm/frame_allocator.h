// The inside of the frame allocator, for frame.cc and frame_give_back.cc.
#pragma once

#include <bit>

#include "kernel/mm/frame.h"
#include "kernel/mm/frame_state.h"
#include "kernel/mm/page_ops.h"
#include "kernel/platform/fresh_memory.h"
#include "kernel/sync/spinlock.h"

namespace narwhal::frame_internal {

using namespace frame_state;

inline constexpr usize kFirstSections = 64;  // 8 GiB; larger machines get a table of their own
inline constexpr usize kHotFrames = 32;
inline constexpr usize kHotRefill = 16;
// What is given back at a time: 2 MiB.
inline constexpr unsigned kChunkOrder = 21 - kPageShift;
inline constexpr u64 kChunks = kFirstSections * kSectionFrames >> kChunkOrder;
// Set in debug builds while the frame holds the pattern of freed memory.
inline constexpr u32 kPoisoned = 1u << 15;
inline constexpr u32 kUsed = 1u << 12;
// What a free frame's state says of its content.
inline constexpr u32 kContent = kPoisoned | kUsed;

constexpr unsigned order_for(u64 frames) {
  return unsigned(std::bit_width(frames - 1));
}

inline PhysAddr address_of(u64 number) {
  return PhysAddr(number << kPageShift);
}
inline Frame& record(u64 number) {
  return frame_at(address_of(number));
}

inline void clear_frame(PhysAddr frame) {
  if (platform::kFreshMemoryIsZero && !(frame_at(frame).state & kUsed)) return;
  clear_page(platform::direct_map(frame));
}

#ifdef NARWHAL_DEBUG
inline constexpr u64 kPoison = 0xfdfdfdfdfdfdfdfd;
inline void poison(u64 number) {
  auto* words = reinterpret_cast<u64*>(platform::direct_map(address_of(number)));
  for (usize i = 0; i < kPageSize / sizeof(u64); ++i) words[i] = kPoison;
  record(number).state |= kPoisoned;
}
inline void check_poison(u64 number) {
  if (!(record(number).state & kPoisoned)) return;
  const auto* words = reinterpret_cast<u64*>(platform::direct_map(address_of(number)));
  for (usize i = 0; i < kPageSize / sizeof(u64); ++i)
    if (words[i] != kPoison) panic("a free frame was written to");
}
#else
inline void poison(u64) {}
inline void check_poison(u64) {}
#endif

class FrameAllocator {
 public:
  void init();
  // Fails when no more than `keep` frames would be left.
  Result<u64> allocate(unsigned order, u64 keep);
  u64 kept_for_kernel() const { return kept_for_kernel_; }
  void free_one(u64 number);
  void free_run(u64 first, u64 count);
  void release(u64 first, u64 end);
  bool give_back(bool (*give)(PhysAddr start, u64 size));
  bool has_to_give_back() const { return to_give_back_.load(Order::kRelaxed); }
  Result<> adopt(u64 number);
  MemoryStatistics statistics();
  void count_kind(FrameKind kind, i64 change) {
    kinds_[raw_kind(kind)].fetch_add(u64(change), Order::kRelaxed);
  }

 private:
  struct Bounds {
    u64 low, high;  // frame numbers
    u64 bytes() const { return (high - low) * sizeof(Frame); }
  };
  static usize raw_kind(FrameKind kind) { return usize(kind); }
  // The part of a section that has records.
  Bounds bounds(u64 section) const {
    const u64 low = section * kSectionFrames;
    return {low < ram_low_ ? ram_low_ : low,
            low + kSectionFrames > ram_high_ ? ram_high_ : low + kSectionFrames};
  }
  bool in_ram(u64 number) const { return number >= ram_low_ && number < ram_high_; }

  void make_section_table() TA_REQUIRES(lock_);
  bool ensure_section(u64 section) TA_REQUIRES(lock_);
  PhysAddr room_for_records(u64 section, u64 bytes, bool& fresh) TA_REQUIRES(lock_);
  bool activate_more() TA_REQUIRES(lock_);
  void add(u64 first, u64 end) TA_REQUIRES(lock_);
  void push(u64 number, unsigned order) TA_REQUIRES(lock_);
  void remove(u64 number, unsigned order) TA_REQUIRES(lock_);
  void free_block(u64 number, unsigned order) TA_REQUIRES(lock_);
  u64 take_block(unsigned order) TA_REQUIRES(lock_);
  u64 find_block(unsigned order) TA_REQUIRES(lock_);
  u64 take_used_chunk() TA_REQUIRES(lock_);
  void note_used(u64 number) TA_REQUIRES(lock_) {
    if (const u64 chunk = number >> kChunkOrder; chunk < kChunks) ++used_[chunk];
  }
  // Most of it: giving back and getting again costs something, too.
  bool chunk_is_worth_it(u64 number) const TA_REQUIRES(lock_) {
    const u64 chunk = number >> kChunkOrder;
    return platform::kFreshMemoryIsZero && chunk < kChunks &&
           used_[chunk] > (u64{1} << kChunkOrder) / 2;
  }
  void give_back_hot(usize keep) TA_REQUIRES(lock_);
  void mark_free(u64 number) TA_REQUIRES(lock_);

  SpinLock<LockRank::kFrames> lock_;
  u32 heads_[kMaxFrameOrder + 1] TA_GUARDED_BY(lock_) = {};
  u32 nonempty_ TA_GUARDED_BY(lock_) = 0;  // bit for each order
  u32 hot_[kHotFrames] TA_GUARDED_BY(lock_) = {};
  u32 hot_count_ TA_GUARDED_BY(lock_) = 0;

  // What of usable_memory() was not looked at yet: from `next_` in range number `range_`.
  usize range_ TA_GUARDED_BY(lock_) = 0;
  u64 next_ TA_GUARDED_BY(lock_) = 0;
  u64 ram_low_ = 0, ram_high_ = 0;  // first frame of RAM, and the one after the last
  u64 section_count_ = 0;
  u64 kept_for_kernel_ = 0;

  u64 total_ TA_GUARDED_BY(lock_) = 0;
  u64 free_ TA_GUARDED_BY(lock_) = 0;  // memory that waits for its records included
  Atomic<u64> kinds_[5];
  // How many frames of a chunk are marked as used and not allocated for the first time; of the
  // first 8 GiB, beyond which nothing is given back.
  u16 used_[kChunks] TA_GUARDED_BY(lock_) = {};
  u64 freed_ TA_GUARDED_BY(lock_) = 0;  // since nothing was found to give back
  Atomic<bool> to_give_back_{false};
};

extern FrameAllocator allocator;

}  // namespace narwhal::frame_internal
