// Structures that may grow: clone3(2), openat2(2) and their like pass the size that they know.
#pragma once

#include "kernel/platform/user.h"

namespace narwhal {

// The bytes that the program's structure does not have are zero. EINVAL when it is smaller than
// `smallest`; E2BIG when it is larger than a page, or has a byte set that is not known here;
// EFAULT.
template <AbiSafe T>
Result<T> load_extensible(UserAddr address, usize size, usize smallest = sizeof(T)) {
  if (size < smallest) return Errno::kInval;
  if (size > kPageSize) return Errno::kTooBig;
  T value{};
  const usize known = size < sizeof(T) ? size : sizeof(T);
  if (platform::copy_from_user(&value, address, known) != 0) return Errno::kFault;
  for (usize at = known; at < size;) {
    char rest[64];
    const usize chunk = size - at < sizeof rest ? size - at : sizeof rest;
    if (platform::copy_from_user(rest, address + at, chunk) != 0) return Errno::kFault;
    for (usize i = 0; i < chunk; ++i)
      if (rest[i] != 0) return Errno::kTooBig;
    at += chunk;
  }
  return value;
}

}  // namespace narwhal
