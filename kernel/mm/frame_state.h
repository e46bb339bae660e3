// The bits of Frame::state. For kernel/mm only.
//
//   0-3    status: what the allocator thinks of the frame
//   4-7    FrameKind
//   8-11   order of the free run that begins here
//   12     the frame was given out before, or holds something since the start
//   15     debug builds: the frame holds the pattern of freed memory
//   16-31  the heap's mark: size class of a slab, or what it needs to find one
#pragma once

#include "kernel/mm/frame.h"

namespace narwhal::frame_state {

enum Status : u32 {
  kUnknown = 0,    // boot memory, a hole, or inside a free run
  kAllocated = 1,  // in use
  kFreeHead = 2,   // first frame of a free run that is on a list
  kHot = 3,        // free, kept aside for the next single-frame allocation
};

inline constexpr u32 kStatusMask = 0xf;
inline constexpr u32 kKindShift = 4;
inline constexpr u32 kKindMask = 0xf0;
inline constexpr u32 kOrderShift = 8;
inline constexpr u32 kMarkShift = 16;

constexpr u32 status(u32 state) {
  return state & kStatusMask;
}
constexpr FrameKind kind(u32 state) {
  return FrameKind((state & kKindMask) >> kKindShift);
}
constexpr u32 mark(u32 state) {
  return state >> kMarkShift;
}
constexpr u32 with_mark(u32 state, u32 mark) {
  return (state & 0xffff) | mark << kMarkShift;
}

}  // namespace narwhal::frame_state
