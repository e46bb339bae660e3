// <sys/inotify.h>: what read(2) gives.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct InotifyEvent {
  i32 watch;
  u32 mask;
  u32 cookie;
  u32 length;  // of the name behind it, NULs included
};
static_assert(sizeof(InotifyEvent) == 16);

}  // namespace narwhal::abi
