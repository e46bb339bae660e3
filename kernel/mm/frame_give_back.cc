// Free memory back to the host, where it takes room there only while it holds something.
#include "kernel/mm/frame_allocator.h"

namespace narwhal {

using namespace frame_internal;

// A free chunk that was used, off the lists; 0: there is none.
u64 FrameAllocator::take_used_chunk() {
  constexpr u64 kFrames = u64{1} << kChunkOrder;
  for (unsigned order = kChunkOrder; order <= kMaxFrameOrder; ++order)
    for (u64 block = heads_[order]; block != 0; block = u32(record(block).owner))
      for (u64 chunk = block; chunk < block + (u64{1} << order); chunk += kFrames) {
        if (!chunk_is_worth_it(chunk)) continue;
        remove(block, order);
        // The halves without it go back, until it is what is left.
        while (order > kChunkOrder) {
          --order;
          const u64 upper = block + (u64{1} << order);
          push(chunk < upper ? upper : block, order);
          if (chunk >= upper) block = upper;
        }
        return chunk;
      }
  return 0;
}

bool FrameAllocator::give_back(bool (*give)(PhysAddr start, u64 size)) {
  constexpr u64 kFrames = u64{1} << kChunkOrder;
  u64 chunk;
  {
    SpinGuard guard(lock_);
    // Those kept at hand would keep their neighbours.
    give_back_hot(0);
    chunk = take_used_chunk();
    if (chunk == 0) {
      freed_ = 0;
      to_give_back_.store(false, Order::kRelaxed);
      return false;
    }
    free_ -= kFrames;
  }
  // Meanwhile nobody else has it.
  const bool given = give(address_of(chunk), kFrames * kPageSize);
  SpinGuard guard(lock_);
  if (given) {
    for (u64 i = 0; i < kFrames; ++i) record(chunk + i).state = 0;
    used_[chunk >> kChunkOrder] = 0;
  }
  free_ += kFrames;
  free_block(chunk, kChunkOrder);
  if (!given) {
    freed_ = 0;
    to_give_back_.store(false, Order::kRelaxed);
  }
  return given;
}

bool give_back_free_memory(bool (*give)(PhysAddr start, u64 size)) {
  return allocator.give_back(give);
}

bool has_memory_to_give_back() {
  return allocator.has_to_give_back();
}

}  // namespace narwhal
