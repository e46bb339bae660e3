// BlockDevice: a disk as the rest of the kernel sees it. virtio-blk implements it, and so does the
// process home's file of the host (kernel/drivers/host/disk.h).
//
// Requests are given to the device and completed in any order; what must come after something is
// asked for when that has completed. Memory of a request is frames: a device reads and writes them
// without looking at anybody's page tables. Numbers of sectors are of 512 bytes whatever the
// device's blocks are, and transfers are whole blocks.
#pragma once

#include <span>
#include <string_view>

#include "kernel/base/addr.h"
#include "kernel/base/list.h"
#include "kernel/base/ref.h"

namespace narwhal {

inline constexpr u32 kSectorSize = 512;

struct BlockRequest {
  enum class Operation : u8 {
    kRead,
    kWrite,
    kFlush,        // what was written and completed before survives a loss of power
    kDiscard,      // the content does not matter any more
    kWriteZeroes,  // reads as zeros; the device may give the room back if `may_unmap`
  };
  struct Segment {
    PhysAddr address;
    u32 length;  // bytes
  };
  // Called once, in any context, with no lock of the device's held. The request is its owner's
  // again. `error` is Errno{} where there was none.
  using Done = void (*)(BlockRequest& request, Errno error);

  ListNode node;  // the device's, while it has the request
  Operation operation = Operation::kRead;
  bool may_unmap = false;
  u64 sector = 0;                     // not for kFlush
  u64 sector_count = 0;               // kDiscard, kWriteZeroes
  std::span<const Segment> segments;  // kRead, kWrite
  Done done = nullptr;
};

class BlockDevice : public RefCounted {
 public:
  // What the device is and takes; it does not change.
  struct Traits {
    u64 sectors = 0;
    bool read_only = false;
    bool has_cache = false;            // kFlush does something
    u32 logical_block = kSectorSize;   // the unit of transfers, bytes
    u32 physical_block = kSectorSize;  // what it can write without reading first, bytes
    u32 alignment = 0;                 // where the first physical block begins, bytes
    u32 minimum_io = 0;                // bytes; 0: nothing is known
    u32 optimal_io = 0;
    u32 most_segments = 1;  // of one request
    u32 longest_segment = ~u32{0};
    u32 most_discarded = 0;     // sectors of one request; 0: it can't discard
    u32 discard_alignment = 0;  // sectors
    u32 most_zeroed = 0;        // sectors of one request; 0: it can't write zeroes by itself
    std::string_view serial;    // empty: it has none
  };
  virtual const Traits& traits() const = 0;

  // Takes the request, whatever else the device is doing; it waits its turn in the driver. What
  // does not fit the traits is the caller's mistake. Errors come by done(): EIO, EOPNOTSUPP.
  // Any number may be on their way, from any context.
  virtual void submit(BlockRequest& request) = 0;
};

}  // namespace narwhal
