// Pieces of packets whose bytes are in memory that is somebody else's, which they keep.
//
// Only this folder includes this header. All calls with the core lock held.
#pragma once

#include "kernel/base/addr.h"
#include "lwip/pbuf.h"

namespace narwhal::net {

// A part of another packet: `bytes` are in `owner`'s memory, or in that of a piece behind it. Null:
// no memory.
pbuf* refer_to_packet(pbuf* owner, void* bytes, u16 size);
// A part of a frame, which may be a page of a file: what is there may change at any time.
pbuf* refer_to_frame(PhysAddr frame, u32 offset, u16 size);
// Memory behind a piece of these kinds; of others, what its length says.
usize reference_footprint(const pbuf* piece);

}  // namespace narwhal::net
