// <poll.h>, <sys/select.h>
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct PollFd {
  i32 fd;
  i16 events;
  i16 revents;
};

// The sixth argument of pselect6(2).
struct SignalMaskArgument {
  u64 address;
  u64 size;
};

}  // namespace narwhal::abi
