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
//
// In front of the slabs each CPU keeps a few free objects of each class at hand (a "magazine", by
// the same author, 2001): most allocations and frees are then a dozen instructions, without a lock.
// To a slab these objects are in use.
#include "kernel/mm/heap.h"

#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "kernel/mm/frame_state.h"
#include "kernel/platform/cpu_local.h"
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

u64 slab_of(u64 number) {
  return number - (mark_of(record(number)) >> kOffsetShift);
}
// The number of an object in its slab.
u32 check_position(usize index, u64 slab, const void* object) {
  const u32 size = kClassSizes[index];
  const std::byte* start = platform::direct_map(address_of(slab));
  const u32 position = u32(static_cast<const std::byte*>(object) - start) / size;
  if (start + position * size != object) panic("heap_free: not the start of an object");
  return position;
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
  // Fills `out` as far as there is memory; returns how many.
  usize allocate(usize index, std::span<void*> out);
  void free(usize index, std::span<void* const> objects);

 private:
  void* allocate_one(usize index) TA_REQUIRES(lock_);
  void free_one(usize index, void* object) TA_REQUIRES(lock_);
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

void* SizeClass::allocate_one(usize index) {
  const usize size = kClassSizes[index];
  u64 slab = partial_;
  if (slab == 0 && (slab = make_slab(index)) == 0) return nullptr;
  Frame& frame = record(slab);
  const u32 state = frame.references.load(Order::kRelaxed);
  std::byte* object = platform::direct_map(address_of(slab)) + ((state >> 16) - 1) * size;
  const u32 next = load_link(object);
  frame.references.store((state & 0xffff) + 1 + (next << 16), Order::kRelaxed);
  if (next == 0) unlink(slab);
  return object;
}

usize SizeClass::allocate(usize index, std::span<void*> out) {
  SpinGuard guard(lock_);
  usize count = 0;
  while (count < out.size() && (out[count] = allocate_one(index))) ++count;
  return count;
}

void SizeClass::free_one(usize index, void* memory) {
  const usize size = kClassSizes[index];
  const u64 slab = slab_of(number_of(memory));
  auto* object = static_cast<std::byte*>(memory);
  const u32 position = check_position(index, slab, memory);
  Frame& frame = record(slab);
  const u32 state = frame.references.load(Order::kRelaxed);
  const u32 used = (state & 0xffff) - 1;
  store_link(object, u16(state >> 16));
  frame.references.store(used | (position + 1) << 16, Order::kRelaxed);
  if (state >> 16 == 0) link(slab);
  // An empty slab goes back, unless it is the only one with room: the next allocation wants it.
  if (used == 0 && frame.owner != 0) {
    unlink(slab);
    free_frames(address_of(slab), slab_order(size));
  }
}

void SizeClass::free(usize index, std::span<void* const> objects) {
  SpinGuard guard(lock_);
  for (void* object : objects) free_one(index, object);
}

// --- what a CPU keeps at hand. Touched by its own CPU only, with interrupts off.

constexpr usize kMostKept = 16;
constexpr usize kMostKeptBytes = 8 * kKiB;
constexpr usize kCpusThatKeep = 64;  // further ones work without

struct KeptTable {
  u8 of[kClasses] = {};
  constexpr KeptTable() {
    for (usize index = 0; index < kClasses; ++index) {
      const usize count = kMostKeptBytes / kClassSizes[index];
      of[index] = u8(count < kMostKept ? count : kMostKept);
    }
  }
};
constexpr KeptTable kKept;

struct Magazine {
  u32 count = 0;
  void* objects[kMostKept] = {};
};
struct alignas(64) CpuMagazines {
  Magazine of[kClasses];
};
constinit CpuMagazines magazines[kCpusThatKeep];

// The slow parts are functions of their own, so that the quick ones need no stack.
[[gnu::noinline]] void* allocate_from_slab(usize index, Magazine* magazine) {
  void* object = nullptr;
  if (!magazine) {
    classes[index].allocate(index, std::span(&object, 1));
  } else {
    const usize wanted = kKept.of[index] / 2;
    magazine->count = u32(classes[index].allocate(index, std::span(magazine->objects, wanted)));
    if (magazine->count != 0) object = magazine->objects[--magazine->count];
  }
  return object;
}

[[gnu::noinline]] void free_to_slab(usize index, Magazine* magazine, void* object) {
  if (!magazine) return classes[index].free(index, std::span(&object, 1));
  // The older half goes; what was freed last is still in the caches.
  const u32 half = magazine->count / 2;
  classes[index].free(index, std::span(magazine->objects, half));
  magazine->count -= half;
  std::memmove(magazine->objects, magazine->objects + half, magazine->count * sizeof(void*));
  magazine->objects[magazine->count++] = object;
}

inline Magazine* my_magazine(usize index) {
  const u32 cpu = cpu_local().index;
  return cpu < kCpusThatKeep ? &magazines[cpu].of[index] : nullptr;
}

inline void* allocate_small(usize index) {
  const bool interrupts = platform::interrupts_save_disable();
  Magazine* magazine = my_magazine(index);
  void* object;
  if (magazine && magazine->count != 0) [[likely]]
    object = magazine->objects[--magazine->count];
  else
    object = allocate_from_slab(index, magazine);
  platform::interrupts_restore(interrupts);
  if (object) check_and_fill(static_cast<std::byte*>(object), kClassSizes[index]);
  return object;
}

inline void free_small(usize index, void* object) {
  poison(static_cast<std::byte*>(object), kClassSizes[index]);
  const bool interrupts = platform::interrupts_save_disable();
  Magazine* magazine = my_magazine(index);
  if (magazine && magazine->count < kKept.of[index]) [[likely]]
    magazine->objects[magazine->count++] = object;
  else
    free_to_slab(index, magazine, object);
  platform::interrupts_restore(interrupts);
}

[[gnu::noinline]] void* allocate_large(usize size) {
  if (size > kPageSize << kMaxFrameOrder) return nullptr;
  const u64 pages = div_round_up(size, kPageSize);
  const unsigned order = unsigned(std::bit_width(pages - 1));
  PhysAddr start = allocate_frames(order, FrameContent::kAny).value_or(PhysAddr(0));
  if (start.value == 0) {
    heap_trim();  // perhaps that empties a slab which lies in the way
    start = allocate_frames(order, FrameContent::kAny).value_or(PhysAddr(0));
    if (start.value == 0) return nullptr;
  }
  if (const u64 rest = (u64{1} << order) - pages; rest != 0)
    free_frame_run(start + pages * kPageSize, rest);
  for (u64 i = 0; i < pages; ++i) set_frame_kind(start + i * kPageSize, FrameKind::kHeap);
  Frame& head = frame_at(start);
  head.state = frame_state::with_mark(head.state, kLarge);
  head.owner = pages;
  return platform::direct_map(start);
}

[[gnu::noinline]] void free_large(void* memory, Frame& frame) {
  ASSERT(is_aligned(reinterpret_cast<uptr>(memory), kPageSize) && frame.owner != 0);
  free_frame_run(platform::direct_map_to_phys(memory), std::exchange(frame.owner, 0));
}

}  // namespace

void* heap_allocate(usize size) {
  if (size > kLargestClass) [[unlikely]]
    return allocate_large(size);
  return allocate_small(kClassTable.index[(size + 15) / 16]);
}

void* heap_allocate_aligned(usize size, usize alignment) {
  ASSERT(std::has_single_bit(alignment) && alignment <= kPageSize);
  if (size < alignment) size = alignment;
  if (alignment <= kHeapAlignment || size > kLargestClass) return heap_allocate(size);
  usize index = kClassTable.index[(size + 15) / 16];
  // Objects lie at multiples of their size.
  while (index < kClasses && kClassSizes[index] % alignment != 0) ++index;
  return index < kClasses ? allocate_small(index) : allocate_large(size);
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
  if (mark == kLarge) [[unlikely]]
    return free_large(memory, frame);
  const usize index = mark & kClassMask;
#ifdef NARWHAL_DEBUG
  check_position(index, slab_of(number), memory);
#endif
  free_small(index, memory);
}

void heap_trim() {
  InterruptGuard no_interrupts;
  for (usize index = 0; index < kClasses; ++index)
    if (Magazine* magazine = my_magazine(index))
      classes[index].free(index, std::span(magazine->objects, std::exchange(magazine->count, 0)));
}

usize heap_usable_size(const void* memory) {
  const Frame& frame = record(number_of(memory));
  const u32 mark = mark_of(frame);
  return mark == kLarge ? frame.owner * kPageSize : kClassSizes[mark & kClassMask];
}

}  // namespace narwhal
