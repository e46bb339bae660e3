// ioctl(2) of every block device (include/uapi/linux/fs.h, hdreg.h).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr u32 kBlkSetReadOnly = 0x125d;       // BLKROSET: int
inline constexpr u32 kBlkGetReadOnly = 0x125e;       // BLKROGET: int
inline constexpr u32 kBlkRereadPartitions = 0x125f;  // BLKRRPART
inline constexpr u32 kBlkGetSize = 0x1260;           // BLKGETSIZE: unsigned long, of 512 bytes
inline constexpr u32 kBlkFlush = 0x1261;             // BLKFLSBUF
inline constexpr u32 kBlkSetReadAhead = 0x1262;      // BLKRASET: the argument itself
inline constexpr u32 kBlkGetReadAhead = 0x1263;      // BLKRAGET: long
inline constexpr u32 kBlkGetFileReadAhead = 0x1265;  // BLKFRAGET: long
inline constexpr u32 kBlkMostSectors = 0x1267;       // BLKSECTGET: unsigned short
inline constexpr u32 kBlkSectorSize = 0x1268;        // BLKSSZGET: int
inline constexpr u32 kBlkDiscard = 0x1277;           // u64 start, length
inline constexpr u32 kBlkMinimumIo = 0x1278;         // BLKIOMIN: unsigned
inline constexpr u32 kBlkOptimalIo = 0x1279;         // BLKIOOPT: unsigned
inline constexpr u32 kBlkAlignment = 0x127a;         // BLKALIGNOFF: int
inline constexpr u32 kBlkPhysicalSectorSize = 0x127b;
inline constexpr u32 kBlkDiscardZeroes = 0x127c;  // BLKDISCARDZEROES: unsigned
inline constexpr u32 kBlkSecureDiscard = 0x127d;
inline constexpr u32 kBlkRotational = 0x127e;        // BLKROTATIONAL: unsigned short
inline constexpr u32 kBlkZeroOut = 0x127f;           // u64 start, length
inline constexpr u32 kBlkBlockSize = 0x80081270;     // BLKBSZGET: int
inline constexpr u32 kBlkSetBlockSize = 0x40081271;  // BLKBSZSET: int
inline constexpr u32 kBlkGetSize64 = 0x80081272;     // BLKGETSIZE64: u64, in bytes
inline constexpr u32 kDiskGeometry = 0x0301;         // HDIO_GETGEO

// struct hd_geometry
struct DiskGeometry {
  u8 heads;
  u8 sectors;
  u16 cylinders;
  u32 padding;
  u64 start;
};
static_assert(sizeof(DiskGeometry) == 16);

}  // namespace narwhal::abi
