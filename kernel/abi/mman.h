// Numbers of mmap(2), mremap(2), madvise(2), mlock(2), msync(2).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr u32 kRemapMayMove = 1;
inline constexpr u32 kRemapFixed = 2;
inline constexpr u32 kRemapDontUnmap = 4;

inline constexpr int kAdviceNormal = 0;
inline constexpr int kAdviceRandom = 1;
inline constexpr int kAdviceSequential = 2;
inline constexpr int kAdviceWillNeed = 3;
inline constexpr int kAdviceDontNeed = 4;
inline constexpr int kAdviceFree = 8;
inline constexpr int kAdviceRemove = 9;
inline constexpr int kAdviceDontFork = 10;
inline constexpr int kAdviceDoFork = 11;
inline constexpr int kAdviceHugePage = 14;
inline constexpr int kAdviceNoHugePage = 15;
inline constexpr int kAdviceDontDump = 16;
inline constexpr int kAdviceDoDump = 17;
inline constexpr int kAdviceWipeOnFork = 18;
inline constexpr int kAdviceKeepOnFork = 19;
inline constexpr int kAdviceCold = 20;
inline constexpr int kAdvicePageOut = 21;
inline constexpr int kAdvicePopulateRead = 22;
inline constexpr int kAdvicePopulateWrite = 23;

inline constexpr int kLockCurrent = 1;
inline constexpr int kLockFuture = 2;
inline constexpr int kLockOnFault = 4;

inline constexpr int kSyncAsync = 1;
inline constexpr int kSyncInvalidate = 2;
inline constexpr int kSyncSync = 4;

}  // namespace narwhal::abi
