// A buddy allocator: free runs of 2^order frames, aligned to their size, on one list for each
// order; a run that becomes free joins its neighbour ("buddy") of the same size when that is free
// too (Knuth, The Art of Computer Programming, vol. 1, section 2.5).
#include "kernel/mm/frame_allocator.h"
#include "kernel/mm/reclaim.h"

namespace narwhal {

using namespace frame_internal;
using namespace frame_state;

namespace {

constinit Frame* first_sections[kFirstSections] = {};

struct FrameRange {
  u64 first, end;
};
// The whole frames of a range. Frame 0 is never used: its address stands for "none".
FrameRange whole_frames(const platform::MemoryRange& range) {
  u64 first = div_round_up(range.start.value, kPageSize);
  u64 end = (range.start.value + range.size) >> kPageShift;
  if (first == 0) first = 1;
  return {first, end < first ? first : end};
}

}  // namespace

constinit FrameAllocator frame_internal::allocator;

void FrameAllocator::init() {
  SpinGuard guard(lock_);
  for (u32& head : heads_) head = 0;
  for (auto& kind : kinds_) kind.store(0);
  for (u16& used : used_) used = 0;
  nonempty_ = hot_count_ = 0;
  range_ = next_ = 0;
  total_ = free_ = 0;
  ram_low_ = ~u64{0};
  ram_high_ = 0;
  const auto extend = [this](FrameRange range) {
    if (range.first == range.end) return;
    if (range.first < ram_low_) ram_low_ = range.first;
    if (range.end > ram_high_) ram_high_ = range.end;
  };
  for (const auto& range : platform::usable_memory()) {
    const FrameRange frames = whole_frames(range);
    extend(frames);
    total_ += frames.end - frames.first;
  }
  free_ = total_;
  if (platform::MemoryRange archive = platform::boot_archive(); archive.size != 0)
    extend(
        {archive.start.page_number(), div_round_up(archive.start.value + archive.size, kPageSize)});
  if (total_ == 0) panic("no usable memory");
  constexpr u64 kKeptShare = 64, kMostKept = 512;
  kept_for_kernel_ = total_ / kKeptShare < kMostKept ? total_ / kKeptShare : kMostKept;
  section_count_ = div_round_up(ram_high_, kSectionFrames);
  for (auto& section : first_sections) section = nullptr;
  sections = first_sections;
  if (!activate_more()) panic("no room for the records of the memory");
  if (section_count_ > kFirstSections) make_section_table();
}

void FrameAllocator::make_section_table() {
  const unsigned order = order_for(div_round_up(section_count_ * sizeof(Frame*), kPageSize));
  u64 block = find_block(order);
  while (block == 0) {
    // Only what the first table can name may be taken before there is a larger one.
    if (next_ >= kFirstSections * kSectionFrames || !activate_more())
      panic("no room for the table of memory sections");
    block = find_block(order);
  }
  auto** table = reinterpret_cast<Frame**>(platform::direct_map(address_of(block)));
  for (u64 i = 0; i < section_count_; ++i) table[i] = i < kFirstSections ? sections[i] : nullptr;
  sections = table;
}

// Where the records of a section go: to the end of its largest piece of memory that nobody uses
// yet. A section that has none (all archive, say) puts them elsewhere.
PhysAddr FrameAllocator::room_for_records(u64 section, u64 bytes, bool& fresh) {
  const u64 pages = div_round_up(bytes, kPageSize);
  const u64 low = section * kSectionFrames, high = low + kSectionFrames;
  u64 best = 0, best_size = 0;
  const auto ranges = platform::usable_memory();
  for (usize i = range_; i < ranges.size(); ++i) {
    FrameRange frames = whole_frames(ranges[i]);
    if (i == range_ && frames.first < next_) frames.first = next_;
    if (frames.first < low) frames.first = low;
    if (frames.end > high) frames.end = high;
    if (frames.first >= frames.end || frames.end - frames.first <= best_size) continue;
    best_size = frames.end - frames.first;
    best = frames.end - pages;
  }
  if (best_size >= pages) {
    free_ -= pages;
    fresh = true;
    return address_of(best);
  }
  const u64 block = find_block(order_for(pages));
  return block ? address_of(block) : PhysAddr();
}

bool FrameAllocator::ensure_section(u64 section) {
  if (sections[section]) return true;
  const Bounds part = bounds(section);
  bool fresh = false;
  const PhysAddr room = room_for_records(section, part.bytes(), fresh);
  if (room.value == 0) return false;
  auto* records = reinterpret_cast<Frame*>(platform::direct_map(room));
  if (!fresh || !platform::kFreshMemoryIsZero)
    std::memset(static_cast<void*>(records), 0, part.bytes());
  // Biased, so that a frame's number within its section is the index.
  sections[section] = reinterpret_cast<Frame*>(reinterpret_cast<uptr>(records) -
                                               (part.low & (kSectionFrames - 1)) * sizeof(Frame));
  return true;
}

// Puts the next piece of untouched memory, at most a section, on the free lists.
bool FrameAllocator::activate_more() {
  const auto ranges = platform::usable_memory();
  while (range_ < ranges.size()) {
    FrameRange frames = whole_frames(ranges[range_]);
    if (frames.first < next_) frames.first = next_;
    if (frames.first >= frames.end) {
      ++range_;
      next_ = 0;
      continue;
    }
    const u64 section = frames.first / kSectionFrames;
    const u64 section_end = (section + 1) * kSectionFrames;
    if (frames.end > section_end) frames.end = section_end;
    const bool has_records = ensure_section(section);
    next_ = frames.end;
    if (!has_records) {
      // Without records it can't be used: a sliver in a section full of something else.
      free_ -= frames.end - frames.first;
      total_ -= frames.end - frames.first;
      continue;
    }
    // The records themselves may lie in this piece.
    const Bounds part = bounds(section);
    const u64 records = platform::direct_map_to_phys(&record(part.low)).page_number();
    const u64 records_end = records + div_round_up(part.bytes(), kPageSize);
    [[maybe_unused]] const u64 before = free_;
    free_ -= frames.end - frames.first;
    if (records >= frames.first && records < frames.end) {
      free_ += records_end - records;  // counted when they were placed
      add(frames.first, records);
      add(records_end, frames.end);
    } else {
      add(frames.first, frames.end);
    }
    DEBUG_ASSERT(free_ == before);
    if (nonempty_ != 0) return true;
  }
  return false;
}

void FrameAllocator::add(u64 first, u64 end) {
  free_ += end - first;
  while (first < end) {
    unsigned order = unsigned(std::countr_zero(first));
    const unsigned fits = unsigned(std::bit_width(end - first)) - 1;
    if (order > fits) order = fits;
    if (order > kMaxFrameOrder) order = kMaxFrameOrder;
    free_block(first, order);
    first += u64{1} << order;
  }
}

void FrameAllocator::push(u64 number, unsigned order) {
  Frame& frame = record(number);
  frame.state = (frame.state & kContent) | kFreeHead | order << kOrderShift;
  const u32 next = heads_[order];
  frame.owner = next;  // no previous one
  if (next) record(next).owner = (record(next).owner & 0xffffffff) | number << 32;
  heads_[order] = u32(number);
  nonempty_ |= 1u << order;
}

void FrameAllocator::remove(u64 number, unsigned order) {
  Frame& frame = record(number);
  const u32 next = u32(frame.owner), previous = u32(frame.owner >> 32);
  if (next) record(next).owner = (record(next).owner & 0xffffffff) | u64{previous} << 32;
  if (previous)
    record(previous).owner = (record(previous).owner & ~u64{0xffffffff}) | next;
  else if ((heads_[order] = next) == 0)
    nonempty_ &= ~(1u << order);
  frame.state &= kContent;
  frame.owner = 0;
}

// Puts a run whose frames are all marked free on a list, joined with its buddies.
void FrameAllocator::free_block(u64 number, unsigned order) {
  while (order < kMaxFrameOrder) {
    const u64 buddy = number ^ (u64{1} << order);
    if (!in_ram(buddy)) break;
    if ((record(buddy).state & ~kContent) != (kFreeHead | order << kOrderShift)) break;
    remove(buddy, order);
    number &= ~(u64{1} << order);
    ++order;
  }
  push(number, order);
}

// A run from the lists, split to size; 0 when there is none.
u64 FrameAllocator::take_block(unsigned order) {
  const u32 fitting = nonempty_ >> order << order;
  if (fitting == 0) return 0;
  unsigned found = unsigned(std::countr_zero(fitting));
  const u64 number = heads_[found];
  remove(number, found);
  while (found > order) {
    --found;
    push(number + (u64{1} << found), found);
  }
  return number;
}

u64 FrameAllocator::find_block(unsigned order) {
  u64 number;
  while ((number = take_block(order)) == 0) {
    if (activate_more()) continue;
    if (hot_count_ == 0) return 0;
    give_back_hot(0);
  }
  free_ -= u64{1} << order;
  for (u64 i = 0; i < u64{1} << order; ++i) {
    Frame& frame = record(number + i);
    check_poison(number + i);
    frame.references.store(1, Order::kRelaxed);
    frame.state = kAllocated | (frame.state & kUsed);
  }
  return number;
}

void FrameAllocator::give_back_hot(usize keep) {
  while (hot_count_ > keep) {
    const u64 number = hot_[--hot_count_];
    record(number).state &= kContent;
    free_block(number, 0);
  }
}

Result<u64> FrameAllocator::allocate(unsigned order, u64 keep) {
  ASSERT(order <= kMaxFrameOrder);
  SpinGuard guard(lock_);
  if (free_ <= keep) return Errno::kNoMem;
  if (order == 0 && hot_count_ != 0) {
    const u64 number = hot_[--hot_count_];
    Frame& frame = record(number);
    check_poison(number);
    frame.references.store(1, Order::kRelaxed);
    frame.state = kAllocated | kUsed;
    --free_;
    return number;
  }
  const u64 number = find_block(order);
  if (number == 0) return Errno::kNoMem;
  return number;
}

void FrameAllocator::mark_free(u64 number) {
  Frame& frame = record(number);
  if (status(frame.state) != kAllocated) panic("a frame was freed twice");
  if (const FrameKind use = kind(frame.state); use != FrameKind::kOther) count_kind(use, -1);
  frame.references.store(0, Order::kRelaxed);
  if (!(frame.state & kUsed)) note_used(number);
  if (platform::kFreshMemoryIsZero && ++freed_ == u64{1} << kChunkOrder)
    to_give_back_.store(true, Order::kRelaxed);
  frame.state = kUsed;
  frame.owner = 0;
  poison(number);
}

void FrameAllocator::free_one(u64 number) {
  SpinGuard guard(lock_);
  mark_free(number);
  ++free_;
  // The frame that was used last is the one whose lines are still in the CPU's cache.
  if (hot_count_ == kHotFrames) give_back_hot(kHotFrames - kHotRefill);
  record(number).state |= kHot;
  hot_[hot_count_++] = u32(number);
}

void FrameAllocator::free_run(u64 first, u64 count) {
  SpinGuard guard(lock_);
  for (u64 i = 0; i < count; ++i) mark_free(first + i);
  add(first, first + count);
}

void FrameAllocator::release(u64 first, u64 end) {
  SpinGuard guard(lock_);
  if (first < ram_low_) first = ram_low_;
  if (end > ram_high_) end = ram_high_;
  while (first < end) {
    const u64 section = first / kSectionFrames;
    u64 stop = (section + 1) * kSectionFrames;
    if (stop > end) stop = end;
    if (ensure_section(section)) {
      for (u64 number = first; number < stop; ++number) {
        ASSERT(status(record(number).state) == kUnknown);
        record(number).state |= kUsed;
        note_used(number);
      }
      total_ += stop - first;
      add(first, stop);
    }
    first = stop;
  }
}

Result<> FrameAllocator::adopt(u64 number) {
  SpinGuard guard(lock_);
  ASSERT(in_ram(number));
  if (!ensure_section(number / kSectionFrames)) return Errno::kNoMem;
  Frame& frame = record(number);
  ASSERT(status(frame.state) == kUnknown && frame.references.load(Order::kRelaxed) == 0);
  frame.references.store(1, Order::kRelaxed);
  frame.state = kAllocated | kUsed;
  note_used(number);
  ++total_;
  return {};
}

MemoryStatistics FrameAllocator::statistics() {
  SpinGuard guard(lock_);
  const auto of = [this](FrameKind kind) { return kinds_[raw_kind(kind)].load(Order::kRelaxed); };
  return {
      .total_frames = total_,
      .free_frames = free_,
      .slab_frames = of(FrameKind::kHeap),
      .page_table_frames = of(FrameKind::kPageTable),
      .object_frames = of(FrameKind::kObject),
      .anonymous_frames = of(FrameKind::kAnonymous),
  };
}

constinit Frame** frame_internal::sections = nullptr;

void frames_init() {
  allocator.init();
}

Result<PhysAddr> allocate_frames(unsigned order, FrameContent content) {
  if (order > kMaxFrameOrder) return Errno::kNoMem;
  const PhysAddr start = address_of(TRY(allocator.allocate(order, 0)));
  if (content == FrameContent::kZeroed)
    for (u64 i = 0; i < u64{1} << order; ++i) clear_frame(start + i * kPageSize);
  return start;
}

Result<PhysAddr> allocate_program_frames(unsigned order, FrameContent content) {
  // Enough at once that not every page has to ask. Runs are only a matter of speed.
  constexpr u64 kReclaimed = 64;
  const auto allocate = [&] { return allocator.allocate(order, allocator.kept_for_kernel()); };
  auto found = allocate();
  if (!found.ok() && (order != 0 || reclaim_frames(kReclaimed) == 0)) return found.error();
  const PhysAddr start = address_of(found.ok() ? found.value() : TRY(allocate()));
  if (content == FrameContent::kZeroed)
    for (u64 i = 0; i < u64{1} << order; ++i) clear_frame(start + i * kPageSize);
  return start;
}

void free_frames(PhysAddr start, unsigned order) {
  free_frame_run(start, u64{1} << order);
}

void free_frame_run(PhysAddr start, u64 count) {
  ASSERT(start.page_aligned() && start.value != 0);
  if (count == 1)
    allocator.free_one(start.page_number());
  else
    allocator.free_run(start.page_number(), count);
}

void frame_free_last(PhysAddr frame) {
  allocator.free_one(frame.page_number());
}

void release_boot_memory(PhysAddr start, u64 size) {
  const FrameRange frames = whole_frames({start, size});
  allocator.release(frames.first, frames.end);
}

Result<> adopt_boot_frame(PhysAddr frame) {
  ASSERT(frame.page_aligned());
  return allocator.adopt(frame.page_number());
}

void set_frame_kind(PhysAddr address, FrameKind kind) {
  Frame& frame = frame_at(address);
  const FrameKind old = frame_state::kind(frame.state);
  if (old == kind) return;
  if (old != FrameKind::kOther) allocator.count_kind(old, -1);
  if (kind != FrameKind::kOther) allocator.count_kind(kind, 1);
  frame.state = (frame.state & ~kKindMask) | u32(kind) << kKindShift;
}

FrameKind frame_kind(PhysAddr frame) {
  return kind(frame_at(frame).state);
}

MemoryStatistics memory_statistics() {
  return allocator.statistics();
}

}  // namespace narwhal
