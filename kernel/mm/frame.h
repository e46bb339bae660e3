// Physical memory, one frame (4 KiB) at a time or in runs of 2^order.
//
// Every frame of RAM has a Frame record, found by its number. A frame is counted: each page-table
// entry, each slot of a memory object and each FrameRef holds one reference; the last one returns
// it to the allocator. Any context may allocate and free; nothing here sleeps.
//
// Memory comes in sections of 128 MiB. A section's records are made when the memory before it has
// run out, so a large machine boots as fast as a small one.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/base/atomic.h"
#include "kernel/base/result.h"
#include "kernel/platform/machine.h"

namespace narwhal {

struct Frame {
  Atomic<u32> references{0};
  u32 state = 0;  // allocator's and heap's own marks; the kind (mm/frame_state.h)
  u64 owner = 0;  // free frames and slabs: list links; large blocks of the heap: their size
};
static_assert(sizeof(Frame) == 16);

enum class FrameContent : bool { kAny, kZeroed };

// What a frame is used for; only statistics and copy-on-write ask. Forgotten when it is freed.
enum class FrameKind : u8 { kOther, kHeap, kPageTable, kObject, kAnonymous };

// The largest run: 2^15 frames, a section.
inline constexpr unsigned kMaxFrameOrder = 15;

// Finds RAM and takes it over; called once.
void frames_init();
// A run of 2^order frames, aligned to its size, each with one reference. ENOMEM.
Result<PhysAddr> allocate_frames(unsigned order, FrameContent content);
// The same for pages of a program or a file. The last frames are not for them: what the kernel does
// for a program should not fail before the program's own wishes do. Where none is free, memory is
// reclaimed (mm/reclaim.h): hold no spinlock and no memory object's lock. ENOMEM.
Result<PhysAddr> allocate_program_frames(unsigned order, FrameContent content);
// Returns a run whole, whatever its counts. For memory that was never shared.
void free_frames(PhysAddr start, unsigned order);
// The same for any number of frames, aligned or not.
void free_frame_run(PhysAddr start, u64 count);
// Hands RAM that was reserved at boot (archive, boot tables) to the allocator: every whole frame in
// [start, start + size).
void release_boot_memory(PhysAddr start, u64 size);
// Makes a frame of the initial archive an ordinary, counted frame with one reference, where it
// lies. ENOMEM when there is no room for its record.
Result<> adopt_boot_frame(PhysAddr frame);

// Where memory takes room in the host only while it holds something (platform/fresh_memory.h):
// takes 2 MiB of free memory, most of which was used, has `give` give them back, and counts them as
// fresh. False: there are none, or `give` said so.
bool give_back_free_memory(bool (*give)(PhysAddr start, u64 size));
// Whether there may be some.
bool has_memory_to_give_back();

namespace frame_internal {
inline constexpr unsigned kSectionShift = 27;
inline constexpr u64 kSectionFrames = u64{1} << (kSectionShift - kPageShift);
extern Frame** sections;
}  // namespace frame_internal

inline Frame& frame_at(PhysAddr frame) {
  using namespace frame_internal;
  return sections[frame.value >> kSectionShift][frame.page_number() & (kSectionFrames - 1)];
}
inline void frame_add_ref(PhysAddr frame) {
  [[maybe_unused]] u32 old = frame_at(frame).references.fetch_add(1, Order::kRelaxed);
  DEBUG_ASSERT(old != 0);
}
void frame_free_last(PhysAddr frame);
// Frees it with the last reference.
inline void frame_drop_ref(PhysAddr frame) {
  const u32 old = frame_at(frame).references.fetch_sub(1, Order::kAcqRel);
  DEBUG_ASSERT(old != 0);
  if (old == 1) frame_free_last(frame);
}
inline u32 frame_refs(PhysAddr frame) {
  return frame_at(frame).references.load(Order::kAcquire);
}
void set_frame_kind(PhysAddr frame, FrameKind kind);
FrameKind frame_kind(PhysAddr frame);

struct MemoryStatistics {
  u64 total_frames;
  u64 free_frames;
  u64 slab_frames;  // held by the kernel's heap
  u64 page_table_frames;
  u64 object_frames;  // pages of files and shared memory (page cache)
  u64 anonymous_frames;
};
MemoryStatistics memory_statistics();

// One counted reference.
class FrameRef {
 public:
  constexpr FrameRef() = default;
  static FrameRef adopt(PhysAddr frame) {
    FrameRef ref;
    ref.frame_ = frame;
    return ref;
  }
  static FrameRef share(PhysAddr frame) {
    frame_add_ref(frame);
    return adopt(frame);
  }
  // ENOMEM.
  static Result<FrameRef> allocate(FrameContent content) {
    return adopt(TRY(allocate_frames(0, content)));
  }
  static Result<FrameRef> allocate_for_program(FrameContent content) {
    return adopt(TRY(allocate_program_frames(0, content)));
  }
  FrameRef(FrameRef&& other) noexcept : frame_(other.release()) {}
  FrameRef& operator=(FrameRef&& other) noexcept {
    PhysAddr mine = frame_;
    frame_ = other.frame_;
    other.frame_ = mine;
    return *this;
  }
  ~FrameRef() {
    if (frame_.value) frame_drop_ref(frame_);
  }
  explicit operator bool() const { return frame_.value != 0; }
  PhysAddr address() const { return frame_; }
  std::byte* data() const { return platform::direct_map(frame_); }
  [[nodiscard]] PhysAddr release() {
    PhysAddr frame = frame_;
    frame_ = PhysAddr();
    return frame;
  }

 private:
  PhysAddr frame_;
};

}  // namespace narwhal
