// The frames of the archive, handed out once each, from its beginning to its end: what files keep
// becomes ordinary counted frames, what nobody keeps goes back to the allocator.
#pragma once

#include "kernel/mm/frame.h"

namespace narwhal {

class ArchiveFrames : NonCopyable {
 public:
  // `start` is page-aligned; the archive's last frame is taken whole.
  ArchiveFrames(PhysAddr start, u64 size)
      : next_(start), end_(PhysAddr(align_up(start.value + size, kPageSize))), gap_(start) {}

  // A reference to a frame of the archive. Asked for in the order of addresses; the same frame may
  // be asked for again until a later one was. ENOMEM.
  //
  // Frames that were passed over stay readable until the next gap: what was read from the header
  // and name before a member's data stays true while the data are dealt with.
  Result<FrameRef> keep(PhysAddr frame) {
    if (last_ && frame == last_.address()) return FrameRef::share(frame);
    ASSERT(frame >= next_ && frame < end_);
    if (frame > next_) {
      release_boot_memory(gap_, gap_size_);
      gap_ = next_;
      gap_size_ = frame - next_;
    }
    TRY(adopt_boot_frame(frame));
    last_ = FrameRef::adopt(frame);
    next_ = frame + kPageSize;
    return FrameRef::share(frame);
  }
  // Nothing of the archive that was not kept is read from now on.
  void finish() {
    release_boot_memory(gap_, gap_size_);
    gap_size_ = 0;
    last_ = FrameRef();
    release_boot_memory(next_, end_ - next_);
    next_ = end_;
  }

 private:
  PhysAddr next_;  // the first frame that nothing has been decided about
  const PhysAddr end_;
  PhysAddr gap_;  // frames that were passed over and are still to be given back
  u64 gap_size_ = 0;
  FrameRef last_;  // so that the frame lives while the next file may have bytes in it
};

}  // namespace narwhal
