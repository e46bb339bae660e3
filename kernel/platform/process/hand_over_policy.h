// Whether the host threads that take turns as a virtual CPU are better bound to one processor.
//
// The host likes to wake a thread on a processor that idles. To wake that one up takes an interrupt
// between processors, ten to twenty times what it takes to switch on the same one. But a thread
// that is bound has to wait when others want its processor. Nobody in the guest can see which of
// both is the case, so it is tried, and kept for as long as hand-overs take less time than they did
// without. A try that did not come to that is followed by a pause, which grows with each of them.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::process_home {

class HandOverPolicy {
 public:
  // In hand-overs: how many show what they take, free and bound.
  static constexpr u32 kFreeSample = 16, kPeriod = 64;
  // In periods: how long a success is believed before what is free is looked at again.
  static constexpr u32 kLeastTrust = 8, kMostTrust = 128;
  // In samples: a pause between two tries.
  static constexpr u32 kMostPause = 256;

  bool binds() const { return binds_; }
  // A hand-over took so long, in ns.
  void count(u64 ns);

 private:
  void begin(bool binds);

  bool binds_ = false;
  u32 count_ = 0;        // since begin()
  u64 sum_ = 0;          // of their time
  u64 free_period_ = 0;  // what a period takes that is free
  u32 periods_ = 0;      // bound, in a row
  u32 trust_ = kLeastTrust;
  u32 pause_ = 0;  // samples to the next try
  u32 next_pause_ = 1;
};

}  // namespace narwhal::process_home
