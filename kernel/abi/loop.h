// <linux/loop.h> and the numbers of <linux/fs.h> that every block device knows.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

// --- /dev/loop*, loop(4)
inline constexpr u32 kLoopSetFd = 0x4c00;
inline constexpr u32 kLoopClearFd = 0x4c01;
inline constexpr u32 kLoopSetStatus = 0x4c02;
inline constexpr u32 kLoopGetStatus = 0x4c03;
inline constexpr u32 kLoopSetStatus64 = 0x4c04;
inline constexpr u32 kLoopGetStatus64 = 0x4c05;
inline constexpr u32 kLoopChangeFd = 0x4c06;
inline constexpr u32 kLoopSetCapacity = 0x4c07;
inline constexpr u32 kLoopSetDirectIo = 0x4c08;
inline constexpr u32 kLoopSetBlockSize = 0x4c09;
inline constexpr u32 kLoopConfigure = 0x4c0a;
// --- /dev/loop-control
inline constexpr u32 kLoopControlAdd = 0x4c80;
inline constexpr u32 kLoopControlRemove = 0x4c81;
inline constexpr u32 kLoopControlGetFree = 0x4c82;

inline constexpr u32 kLoopReadOnly = 1;
inline constexpr u32 kLoopAutoclear = 4;
inline constexpr u32 kLoopPartitionScan = 8;
inline constexpr u32 kLoopDirectIo = 16;

inline constexpr usize kLoopNameSize = 64;
inline constexpr usize kLoopKeySize = 32;

// struct loop_info64
struct LoopInfo64 {
  u64 device;   // of the file system that the backing file lies in
  u64 inode;    // of the backing file
  u64 rdevice;  // of the backing file
  u64 offset;
  u64 size_limit;  // 0: up to the file's end
  u32 number;
  u32 encrypt_type;
  u32 encrypt_key_size;
  u32 flags;
  char file_name[kLoopNameSize];
  char crypt_name[kLoopNameSize];
  u8 encrypt_key[kLoopKeySize];
  u64 init[2];
};
static_assert(sizeof(LoopInfo64) == 232);

// struct loop_info, of the old calls
struct LoopInfo {
  i32 number;
  u32 number_padding;
  u64 device;
  u64 inode;
  u64 rdevice;
  i32 offset;
  i32 encrypt_type;
  i32 encrypt_key_size;
  i32 flags;
  char name[kLoopNameSize];
  u8 encrypt_key[kLoopKeySize];
  u64 init[2];
  char reserved[4];
  u32 padding;
};
static_assert(sizeof(LoopInfo) == 168);

// struct loop_config
struct LoopConfig {
  u32 fd;
  u32 block_size;
  LoopInfo64 info;
  u64 reserved[8];
};
static_assert(sizeof(LoopConfig) == 304);

}  // namespace narwhal::abi
