// <sys/epoll.h>
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

// Packed on x86-64.
struct [[gnu::packed]] EpollEvent {
  u32 events;
  u64 data;
};
static_assert(sizeof(EpollEvent) == 12);

}  // namespace narwhal::abi
