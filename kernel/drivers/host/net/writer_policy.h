// Whether a virtual CPU leaves its packets to the writer (platform/process/writer.h).
//
// Its own writes are the better ones as long as it has the time: nobody has to be woken, and the
// host's other processors are left to whoever talks with the guest. So the writer is tried when
// periods go by with hardly an idle moment, and kept for as long as more gets sent than in the last
// of them; now and then a period without it shows whether that still holds. A try that did not come
// to that is followed by a pause, which grows with each of them: whoever reads the packets may be
// at his limit, too, or share the only processor with us.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

// Times are in ns.
class WriterPolicy {
 public:
  static constexpr u64 kPeriod = 20 * kNanosPerMilli;
  // In periods: a pause between two tries, and how long a success is believed.
  static constexpr u32 kLeastPause = 4, kMostPause = 64, kTrust = 32;

  bool uses_writer() const { return uses_writer_; }

  // Before each write. `idle`: for how long the CPU has been idle since it began.
  void look(u64 now, u64 idle);
  void count_write(u64 bytes) { sent_ += bytes; }

 private:
  // An idle share, and a gain, that are worth a change: one in so many.
  static constexpr u64 kLittleIdle = 50, kGain = 20;
  // One alone may be the one in which the load began.
  static constexpr u32 kEnoughBusy = 2;

  void end_period(u64 length, u64 idle);
  void end_try(u64 rate);

  bool uses_writer_ = false;
  u64 rate_ = 0;   // without the writer, when it was tried: bytes in a second
  u32 busy_ = 0;   // periods in a row without an idle moment, and without the writer
  u32 used_ = 0;   // periods in a row with it
  u32 pause_ = 0;  // periods to the next try
  u32 next_pause_ = kLeastPause;
  // Of this period.
  u64 start_ = 0;
  u64 idle_before_ = 0;
  u64 sent_ = 0;
};

}  // namespace narwhal
