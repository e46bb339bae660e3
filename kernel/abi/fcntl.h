// <fcntl.h>, x86-64 values.
#pragma once

#include "kernel/base/flags.h"
#include "kernel/base/types.h"

namespace narwhal {

enum class OpenFlags : u32 {
  kReadOnly = 0,
  kWriteOnly = 01,
  kReadWrite = 02,
  kAccessMode = 03,
  kCreate = 0100,
  kExclusive = 0200,
  kNoControllingTty = 0400,
  kTruncate = 01000,
  kAppend = 02000,
  kNonBlock = 04000,
  kDataSync = 010000,
  kAsync = 020000,
  kDirect = 040000,
  kLargeFile = 0100000,
  kDirectory = 0200000,
  kNoFollow = 0400000,
  kNoAccessTime = 01000000,
  kCloseOnExec = 02000000,
  kSync = 04010000,
  kPath = 010000000,
  kTemporary = 020200000,
};
ENABLE_FLAGS(OpenFlags);

constexpr bool readable(OpenFlags flags) {
  return (flags & OpenFlags::kAccessMode) != OpenFlags::kWriteOnly && !has(flags, OpenFlags::kPath);
}
constexpr bool writable(OpenFlags flags) {
  auto mode = flags & OpenFlags::kAccessMode;
  return (mode == OpenFlags::kWriteOnly || mode == OpenFlags::kReadWrite) &&
         !has(flags, OpenFlags::kPath);
}

}  // namespace narwhal
