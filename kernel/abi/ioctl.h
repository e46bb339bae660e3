// <sys/ioctl.h>: the numbers that files of more than one kind know.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr u32 kTcGets = 0x5401;
inline constexpr u32 kTcSets = 0x5402;
inline constexpr u32 kTcSetsw = 0x5403;
inline constexpr u32 kTcSetsf = 0x5404;
inline constexpr u32 kTiocSctty = 0x540e;
inline constexpr u32 kTiocGpgrp = 0x540f;
inline constexpr u32 kTiocSpgrp = 0x5410;
inline constexpr u32 kTiocOutq = 0x5411;
inline constexpr u32 kTiocGwinsz = 0x5413;
inline constexpr u32 kTiocSwinsz = 0x5414;
inline constexpr u32 kFionRead = 0x541b;  // also TIOCINQ, SIOCINQ
inline constexpr u32 kFionBio = 0x5421;
inline constexpr u32 kFioNClex = 0x5450;
inline constexpr u32 kFioClex = 0x5451;
inline constexpr u32 kFioAsync = 0x5452;
inline constexpr u32 kFioQSize = 0x5460;
inline constexpr u32 kFioSetOwn = 0x8901;
inline constexpr u32 kSiocSetGroup = 0x8902;  // SIOCSPGRP
inline constexpr u32 kFioGetOwn = 0x8903;
inline constexpr u32 kSiocGetGroup = 0x8904;  // SIOCGPGRP
inline constexpr u32 kFiGetBsz = 2;
inline constexpr u32 kFiClone = 0x40049409;
inline constexpr u32 kFiCloneRange = 0x4020940d;
inline constexpr u32 kFiemap = 0xc020660b;                 // FS_IOC_FIEMAP
inline constexpr u32 kGetInodeFlags = 0x80086601;          // FS_IOC_GETFLAGS
inline constexpr u32 kSetInodeFlags = 0x40086602;          // FS_IOC_SETFLAGS
inline constexpr u32 kGetExtendedInodeFlags = 0x801c581f;  // FS_IOC_FSGETXATTR
inline constexpr u32 kSetExtendedInodeFlags = 0x401c5820;  // FS_IOC_FSSETXATTR

}  // namespace narwhal::abi
