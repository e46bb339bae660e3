// Model-specific registers and bits of control registers by name (Intel SDM vol. 4, vol. 3
// section 2.5).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::x86 {

inline constexpr u32 kMsrApicBase = 0x1b;
inline constexpr u32 kMsrTscDeadline = 0x6e0;
inline constexpr u32 kMsrEfer = 0xc0000080;
inline constexpr u32 kMsrStar = 0xc0000081;
inline constexpr u32 kMsrLstar = 0xc0000082;
inline constexpr u32 kMsrSfmask = 0xc0000084;
inline constexpr u32 kMsrFsBase = 0xc0000100;
inline constexpr u32 kMsrGsBase = 0xc0000101;
inline constexpr u32 kMsrKernelGsBase = 0xc0000102;
inline constexpr u32 kMsrKvmWallClock = 0x4b564d00;
inline constexpr u32 kMsrKvmSystemTime = 0x4b564d01;

inline constexpr u64 kEferSyscall = 1 << 0;
inline constexpr u64 kEferLongMode = 1 << 8;
inline constexpr u64 kEferNoExecute = 1 << 11;

inline constexpr u64 kCr0MonitorCoprocessor = 1 << 1;
inline constexpr u64 kCr0Emulation = 1 << 2;
inline constexpr u64 kCr0TaskSwitched = 1 << 3;
inline constexpr u64 kCr0NumericError = 1 << 5;
inline constexpr u64 kCr0WriteProtect = 1 << 16;
inline constexpr u64 kCr0NotWriteThrough = 1 << 29;
inline constexpr u64 kCr0CacheDisable = 1 << 30;

inline constexpr u64 kCr4TimeStampDisable = 1 << 2;
inline constexpr u64 kCr4GlobalPages = 1 << 7;
inline constexpr u64 kCr4FxSave = 1 << 9;
inline constexpr u64 kCr4SimdExceptions = 1 << 10;
inline constexpr u64 kCr4UserInstructionPrevention = 1 << 11;
inline constexpr u64 kCr4FsGsBase = 1 << 16;
inline constexpr u64 kCr4ProcessContextIds = 1 << 17;
inline constexpr u64 kCr4XSave = 1 << 18;
inline constexpr u64 kCr4Smep = 1 << 20;
inline constexpr u64 kCr4Smap = 1 << 21;

// RFLAGS.
inline constexpr u64 kFlagCarry = 1 << 0;
inline constexpr u64 kFlagTrap = 1 << 8;
inline constexpr u64 kFlagInterruptEnable = 1 << 9;
inline constexpr u64 kFlagDirection = 1 << 10;
inline constexpr u64 kFlagIoPrivilege = 3 << 12;
inline constexpr u64 kFlagNestedTask = 1 << 14;
inline constexpr u64 kFlagResume = 1 << 16;
inline constexpr u64 kFlagAlignmentCheck = 1 << 18;

// Selectors. The order is what `syscall` and `sysret` compute from STAR (Intel SDM vol. 3,
// section 5.8.8).
// The values are Linux's: a program sees its own in signal frames.
inline constexpr u16 kKernelCode = 0x10;
inline constexpr u16 kKernelData = 0x18;
inline constexpr u16 kUserCode32Base = 0x23;  // sysret adds 8 and 16
inline constexpr u16 kUserData = 0x2b;
inline constexpr u16 kUserCode = 0x33;
inline constexpr u16 kTaskState = 0x40;

}  // namespace narwhal::x86
