// Reading fields of tables that firmware made: at any offset, aligned or not.
#pragma once

#include <cstring>

#include "kernel/base/types.h"

namespace narwhal::vm {

template <typename T>
T field(const void* base, usize at) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(base) + at, sizeof value);
  return value;
}

}  // namespace narwhal::vm
