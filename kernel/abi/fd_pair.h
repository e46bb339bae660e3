// What pipe(2) and socketpair(2) store.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct FdPair {
  i32 first;   // a pipe's reading end
  i32 second;  // a pipe's writing end
};

}  // namespace narwhal::abi
