// Slabs after Bonwick ("The Slab Allocator", USENIX 1994), without headers: a slab is a run of one,
// two or four frames cut into equal objects, and all that it needs to know is in the Frame records.
//
//   head frame   references  objects in use (low half), 1 + index of the first free one (high half)
//                owner       the next (low half) and previous slab with free objects, by frame
//                number
//   any frame    state mark  size class, and how many frames before this one the slab begins
//   large block  state mark  kLarge;  owner  its length in frames
//
// A free object's first two bytes hold 1 + the index of the next free one.
#include "kernel/mm/heap.h"

#include <bit>
#include <cstring>

#include "kernel/mm/frame_state.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

constexpr u16 kClassSizes[] = {16,  32,  48,  64,  80,  96,  112, 128,  160,  192,  224,  256,
                               320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048};
constexpr usize kClasses = std::size(kClassSizes);
constexpr usize kLargestClass = kClassSizes[kClasses - 1];
constexpr u32 kLarge = 0xff;
constexpr u32 kClassMask = 0xff;
constexpr u32 kOffsetShift = 8;

// Size class by size in units of 16 bytes, rounded up.
struct ClassTable {
  u8 index[kLargestClass / 16 + 1] = {};
  constexpr ClassTable() {
    usize size_class = 0;
    for (usize units = 0; units < std::size(index); ++units) {
      while (kClassSizes[size_class] < units * 16) ++size_class;
      index[units] = u8(size_class);
    }
  }
};
constexpr ClassTable kClassTable;

constexpr unsigned slab_order(usize object_size) {
  return object_size <= 512 ? 0 : object_size <= 1024 ? 1 : 2;
}

u64 number_of(const void* memory) {
  return platform::direct_map_to_phys(memory).page_number();
}
PhysAddr address_of(u64 number) {
  return PhysAddr(number << kPageShift);
}
Frame& record(u64 number) {
  return frame_at(address_of(number));
}
u32 mark_of(const Frame& frame) {
  return frame_state::mark(frame.state);
}

// Debug builds fill free objects (all but the link) and look whether they stayed so.
#ifdef NARWHAL_DEBUG
constexpr u8 kFreePattern = 0xfb, kNewPattern = 0xa5;
void poison(std::byte* object, usize size) {
  std::memset(object + sizeof(u16), kFreePattern, size - sizeof(u16));
}
void check_and_fill(std::byte* object, usize size) {
  for (usize i = sizeof(u16); i < size; ++i)
    if (u8(object[i]) != kFreePattern) panic("a free object of the heap was written to");
  std::memset(object, kNewPattern, size);
}
#else
void poison(std::byte*, usize) {}
void check_and_fill(std::byte*, usize) {}
#endif

class SizeClass {
 public:
  void* allocate(usize index);
  void free(usize index, u64 head, void* object);

 private:
  static void store_link(std::byte* object, u16 link) { std::memcpy(object, &link, sizeof link); }
  static u16 load_link(const std::byte* object) {
    u16 link;
    std::memcpy(&link, object, sizeof link);
    return link;
  }
  u64 make_slab(usize index) TA_REQUIRES(lock_);
  void link(u64 slab) TA_REQUIRES(lock_);
  void unlink(u64 slab) TA_REQUIRES(lock_);

  SpinLock<LockRank::kHeap> lock_;
  u32 partial_ TA_GUARDED_BY(lock_) = 0;  // first slab with a free object
};

constinit SizeClass classes[kClasses];

void SizeClass::link(u64 slab) {
  record(slab).owner = partial_;
  if (partial_) record(partial_).owner |= slab << 32;
  partial_ = u32(slab);
}

void SizeClass::unlink(u64 slab) {
  const u32 next = u32(record(slab).owner), previous = u32(record(slab).owner >> 32);
  if (next) record(next).owner = (record(next).owner & 0xffffffff) | u64{previous} << 32;
  if (previous)
    record(previous).owner = (record(previous).owner & ~u64{0xffffffff}) | next;
  else
    partial_ = next;
  record(slab).owner = 0;
}

u64 SizeClass::make_slab(usize index) {
  const usize size = kClassSizes[index];
  const unsigned order = slab_order(size);
  auto frames = allocate_frames(order, FrameContent::kAny);
  if (!frames.ok()) return 0;
  const u64 slab = frames.value().page_number();
  for (u32 i = 0; i < 1u << order; ++i) {
    set_frame_kind(address_of(slab + i), FrameKind::kHeap);
    Frame& frame = record(slab + i);
    frame.state = frame_state::with_mark(frame.state, u32(index) | i << kOffsetShift);
  }
  std::byte* memory = platform::direct_map(frames.value());
  const usize count = (kPageSize << order) / size;
  for (usize i = 0; i < count; ++i) {
    store_link(memory + i * size, u16(i + 1 < count ? i + 2 : 0));
    poison(memory + i * size, size);
  }
  record(slab).references.store(1u << 16, Order::kRelaxed);
  link(slab);
  return slab;
}

void* SizeClass::allocate(usize index) {
  const usize size = kClassSizes[index];
  SpinGuard guard(lock_);
  u64 slab = partial_;
  if (slab == 0 && (slab = make_slab(index)) == 0) return nullptr;
  Frame& frame = record(slab);
  const u32 state = frame.references.load(Order::kRelaxed);
  std::byte* object = platform::direct_map(address_of(slab)) + ((state >> 16) - 1) * size;
  const u32 next = load_link(object);
  check_and_fill(object, size);
  frame.references.store((state & 0xffff) + 1 + (next << 16), Order::kRelaxed);
  if (next == 0) unlink(slab);
  return object;
}

void SizeClass::free(usize index, u64 slab, void* memory) {
  const usize size = kClassSizes[index];
  std::byte* start = platform::direct_map(address_of(slab));
  auto* object = static_cast<std::byte*>(memory);
  const u32 position = u32(object - start) / u32(size);
  if (start + position * size != object) panic("heap_free: not the start of an object");
  SpinGuard guard(lock_);
  Frame& frame = record(slab);
  const u32 state = frame.references.load(Order::kRelaxed);
  const u32 used = (state & 0xffff) - 1;
  poison(object, size);
  store_link(object, u16(state >> 16));
  frame.references.store(used | (position + 1) << 16, Order::kRelaxed);
  if (state >> 16 == 0) link(slab);
  // An empty slab goes back, unless it is the only one with room: the next allocation wants it.
  if (used == 0 && frame.owner != 0) {
    unlink(slab);
    free_frames(address_of(slab), slab_order(size));
  }
}

void* allocate_large(usize size) {
  const u64 pages = div_round_up(size, kPageSize);
  const unsigned order = unsigned(std::bit_width(pages - 1));
  auto frames = allocate_frames(order, FrameContent::kAny);
  if (!frames.ok()) return nullptr;
  const PhysAddr start = frames.value();
  if (const u64 rest = (u64{1} << order) - pages; rest != 0)
    free_frame_run(start + pages * kPageSize, rest);
  for (u64 i = 0; i < pages; ++i) set_frame_kind(start + i * kPageSize, FrameKind::kHeap);
  Frame& head = frame_at(start);
  head.state = frame_state::with_mark(head.state, kLarge);
  head.owner = pages;
  return platform::direct_map(start);
}

}  // namespace

void* heap_allocate(usize size) {
  if (size > kLargestClass)
    return size > kPageSize << kMaxFrameOrder ? nullptr : allocate_large(size);
  const usize index = kClassTable.index[(size + 15) / 16];
  return classes[index].allocate(index);
}

void* heap_allocate_aligned(usize size, usize alignment) {
  ASSERT(std::has_single_bit(alignment) && alignment <= kPageSize);
  if (size < alignment) size = alignment;
  if (alignment <= kHeapAlignment || size > kLargestClass) return heap_allocate(size);
  usize index = kClassTable.index[(size + 15) / 16];
  // Objects lie at multiples of their size.
  while (index < kClasses && kClassSizes[index] % alignment != 0) ++index;
  return index < kClasses ? classes[index].allocate(index) : allocate_large(size);
}

void* heap_allocate_zeroed(usize count, usize size) {
  usize bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  void* memory = heap_allocate(bytes);
  if (memory) std::memset(memory, 0, bytes);
  return memory;
}

void heap_free(void* memory) {
  if (!memory) return;
  const u64 number = number_of(memory);
  Frame& frame = record(number);
  if (frame_state::kind(frame.state) != FrameKind::kHeap) panic("heap_free: not the heap's memory");
  const u32 mark = mark_of(frame);
  if (mark == kLarge) {
    ASSERT(is_aligned(reinterpret_cast<uptr>(memory), kPageSize) && frame.owner != 0);
    const u64 pages = frame.owner;
    frame.owner = 0;
    free_frame_run(address_of(number), pages);
    return;
  }
  const usize index = mark & kClassMask;
  classes[index].free(index, number - (mark >> kOffsetShift), memory);
}

usize heap_usable_size(const void* memory) {
  const Frame& frame = record(number_of(memory));
  const u32 mark = mark_of(frame);
  return mark == kLarge ? frame.owner * kPageSize : kClassSizes[mark & kClassMask];
}

}  // namespace narwhal
