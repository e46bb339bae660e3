// How system calls came in, where there is more than one way.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

// Since the start. Counted without locks: on several CPUs one may be lost.
struct CallWays {
  bool counted = false;    // there is more than one way here
  bool rewriting = false;  // and places get stubs
  u64 direct = 0;          // by a stub
  u64 caught = 0;          // by a signal of the host's
  u64 rewritten = 0;       // places that got a stub
};
extern CallWays call_ways;

}  // namespace narwhal
