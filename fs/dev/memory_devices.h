// The devices of major number 1 that need no hardware: null, zero, full, random, urandom. See
// null(4), full(4), random(4).
#pragma once

#include "fs/core/special_file.h"

namespace narwhal {

inline constexpr u32 kMemoryMajor = 1;
enum class MemoryDevice : u32 { kNull = 3, kZero = 5, kFull = 7, kRandom = 8, kUrandom = 9 };

void register_memory_devices();

}  // namespace narwhal
