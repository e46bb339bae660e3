// How system calls came in, where there is more than one way.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

// Since the start. Each CPU counts for itself: calls are too many to share a line of the cache.
struct CallCount {
  u64 direct = 0;     // by a stub
  u64 caught = 0;     // by a signal of the host's
  u64 rewritten = 0;  // places that got a stub
};

struct CallWays {
  static constexpr u32 kMostCpus = 64;
  struct alignas(64) OfCpu : CallCount {};

  bool counted = false;    // there is more than one way here
  bool rewriting = false;  // and places get stubs
  OfCpu of_cpu[kMostCpus];

  CallCount sum() const {
    CallCount all;
    for (const OfCpu& one : of_cpu) {
      all.direct += one.direct;
      all.caught += one.caught;
      all.rewritten += one.rewritten;
    }
    return all;
  }
};
extern CallWays call_ways;

}  // namespace narwhal
