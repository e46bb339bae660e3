// <linux/aio_abi.h>
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

// struct iocb
struct IoControlBlock {
  u64 data;
  u32 key;
  u32 rw_flags;  // RWF_* of preadv2(2)
  u16 opcode;
  i16 priority;
  i32 fd;
  u64 buffer;
  u64 size;
  i64 offset;
  u64 reserved;
  u32 flags;
  i32 event_fd;
};
static_assert(sizeof(IoControlBlock) == 64);

enum class IoOpcode : u16 {
  kRead = 0,
  kWrite = 1,
  kSync = 2,
  kDataSync = 3,
  kReadPieces = 7,
  kWritePieces = 8,
};
inline constexpr u32 kIoSignalsEventFd = 1;  // IOCB_FLAG_RESFD
inline constexpr u32 kIoHasPriority = 2;     // IOCB_FLAG_IOPRIO

// struct io_event
struct IoEvent {
  u64 data;
  u64 control_block;
  i64 result;
  i64 result2;
};
static_assert(sizeof(IoEvent) == 32);

// What lies at the address that is a context's number; libaio looks into it. Events follow.
struct IoRing {
  u32 id;
  u32 count;
  u32 head;
  u32 tail;
  u32 magic;
  u32 compatible_features;
  u32 incompatible_features;
  u32 header_size;
};
static_assert(sizeof(IoRing) == 32);
inline constexpr u32 kIoRingMagic = 0xa10a10a1;

}  // namespace narwhal::abi
