// <sys/uio.h>
#pragma once
#include "kernel/base/types.h"
namespace narwhal::abi {
struct IoVec {
  u64 base;
  u64 length;
};
}  // namespace narwhal::abi
