// Hexadecimal numbers as the kernel's fdinfo files show them: right-aligned, with blanks before.
#pragma once

#include "kernel/base/format.h"

namespace narwhal {

struct PaddedHex {
  u64 value;
  unsigned width;
};

inline TextSink& operator<<(TextSink& out, PaddedHex hex) {
  unsigned digits = hex.value == 0 ? 1 : (67 - unsigned(__builtin_clzll(hex.value))) / 4;
  for (; digits < hex.width; ++digits) out << ' ';
  return out << hex_digits(hex.value, 1);
}

}  // namespace narwhal
