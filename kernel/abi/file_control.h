// <fcntl.h>, <sys/file.h>: commands and structures of fcntl(2) and flock(2).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr u32 kDupFd = 0;
inline constexpr u32 kGetFd = 1;
inline constexpr u32 kSetFd = 2;
inline constexpr u32 kGetFlags = 3;
inline constexpr u32 kSetFlags = 4;
inline constexpr u32 kGetLock = 5;
inline constexpr u32 kSetLock = 6;
inline constexpr u32 kSetLockWait = 7;
inline constexpr u32 kSetOwner = 8;
inline constexpr u32 kGetOwner = 9;
inline constexpr u32 kSetSignal = 10;
inline constexpr u32 kGetSignal = 11;
inline constexpr u32 kSetOwnerEx = 15;
inline constexpr u32 kGetOwnerEx = 16;
inline constexpr u32 kGetDescriptionLock = 36;  // F_OFD_*
inline constexpr u32 kSetDescriptionLock = 37;
inline constexpr u32 kSetDescriptionLockWait = 38;
inline constexpr u32 kSetLease = 1024;
inline constexpr u32 kGetLease = 1025;
inline constexpr u32 kNotify = 1026;
inline constexpr u32 kIsSameFile = 1027;  // F_DUPFD_QUERY
inline constexpr u32 kWasCreated = 1028;  // F_CREATED_QUERY
inline constexpr u32 kDupFdCloseOnExec = 1030;
inline constexpr u32 kSetPipeSize = 1031;
inline constexpr u32 kGetPipeSize = 1032;
inline constexpr u32 kAddSeals = 1033;
inline constexpr u32 kGetSeals = 1034;
inline constexpr u32 kGetWriteHint = 1035;

inline constexpr u64 kFdCloseOnExec = 1;  // FD_CLOEXEC

inline constexpr i16 kReadLock = 0;
inline constexpr i16 kWriteLock = 1;
inline constexpr i16 kUnlock = 2;

struct Flock {
  i16 type;
  i16 whence;
  u32 padding;
  i64 start;
  i64 length;
  i32 pid;
  u32 padding2;
};
static_assert(sizeof(Flock) == 32);

struct OwnerEx {  // struct f_owner_ex
  i32 type;       // F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP
  i32 pid;
};

// flock(2)
inline constexpr u32 kLockShared = 1;
inline constexpr u32 kLockExclusive = 2;
inline constexpr u32 kLockNonBlock = 4;
inline constexpr u32 kLockUnlock = 8;
inline constexpr u32 kLockMandatory = 32;  // LOCK_MAND: gone since Linux 5.17, and ignored

}  // namespace narwhal::abi
