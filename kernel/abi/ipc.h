// System V IPC: what <linux/ipc.h>, <linux/shm.h>, <linux/sem.h> and <linux/msg.h> give programs.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr i32 kIpcPrivate = 0;
// Flags of the *get() calls, beside permission bits; kIpcNoWait of semop(2), msgsnd(2), msgrcv(2).
inline constexpr u32 kIpcCreate = 01000;
inline constexpr u32 kIpcExclusive = 02000;
inline constexpr u32 kIpcNoWait = 04000;

// Commands of the *ctl() calls.
inline constexpr i32 kIpcRemove = 0;
inline constexpr i32 kIpcSet = 1;
inline constexpr i32 kIpcStat = 2;
inline constexpr i32 kIpcInfo = 3;

struct IpcPermission {  // struct ipc64_perm
  i32 key;
  u32 uid, gid, cuid, cgid;
  u32 mode;
  u16 sequence;
  u16 pad;
  u32 more_pad;
  u64 unused[2];
};
static_assert(sizeof(IpcPermission) == 48);

// --- shmget(2), shmat(2), shmctl(2)

inline constexpr u32 kShmHugeTlb = 04000;
inline constexpr u32 kShmReadOnly = 010000;
inline constexpr u32 kShmRound = 020000;
inline constexpr u32 kShmRemap = 040000;
inline constexpr u32 kShmExecute = 0100000;
inline constexpr i32 kShmLock = 11;
inline constexpr i32 kShmUnlock = 12;
inline constexpr i32 kShmStat = 13;
inline constexpr i32 kShmInfo = 14;
inline constexpr i32 kShmStatAny = 15;
// In the mode, as IPC_STAT shows it.
inline constexpr u32 kShmDestroyed = 01000;
inline constexpr u32 kShmLocked = 02000;

struct ShmStatus {  // struct shmid64_ds
  IpcPermission permission;
  u64 size;
  i64 attached, detached, changed;  // seconds since 1970
  i32 creator, last_user;
  u64 attachments;
  u64 unused[2];
};
static_assert(sizeof(ShmStatus) == 112);

struct ShmLimits {  // struct shminfo64
  u64 max, min, max_ids, max_per_process, total;
  u64 unused[4];
};
static_assert(sizeof(ShmLimits) == 72);

struct ShmUsage {  // struct shm_info
  i32 used_ids;
  i32 pad;
  u64 total, resident, swapped;  // pages
  u64 swap_attempts, swap_successes;
};
static_assert(sizeof(ShmUsage) == 48);

// --- semget(2), semop(2), semctl(2)

inline constexpr i16 kSemUndo = 0x1000;
inline constexpr i32 kSemGetPid = 11;
inline constexpr i32 kSemGetValue = 12;
inline constexpr i32 kSemGetAll = 13;
inline constexpr i32 kSemGetIncreaseWaiters = 14;
inline constexpr i32 kSemGetZeroWaiters = 15;
inline constexpr i32 kSemSetValue = 16;
inline constexpr i32 kSemSetAll = 17;
inline constexpr i32 kSemStat = 18;
inline constexpr i32 kSemInfo = 19;
inline constexpr i32 kSemStatAny = 20;

struct SemOperation {  // struct sembuf
  u16 number;
  i16 change;
  i16 flags;
};
static_assert(sizeof(SemOperation) == 6);

struct SemStatus {  // struct semid64_ds
  IpcPermission permission;
  i64 operated;
  u64 unused1;
  i64 changed;
  u64 unused2;
  u64 count;
  u64 unused3[2];
};
static_assert(sizeof(SemStatus) == 104);

struct SemLimits {  // struct seminfo
  i32 map, max_ids, max_total, max_undos, max_per_set, max_operations, max_undo_entries, undo_size,
      max_value, max_adjust;
};
static_assert(sizeof(SemLimits) == 40);

// --- msgget(2), msgsnd(2), msgrcv(2), msgctl(2)

inline constexpr u32 kMsgNoError = 010000;
inline constexpr u32 kMsgExcept = 020000;
inline constexpr u32 kMsgCopy = 040000;
inline constexpr i32 kMsgStat = 11;
inline constexpr i32 kMsgInfo = 12;
inline constexpr i32 kMsgStatAny = 13;

struct MsgStatus {  // struct msqid64_ds
  IpcPermission permission;
  i64 sent, received, changed;
  u64 bytes, count, max_bytes;
  i32 last_sender, last_receiver;
  u64 unused[2];
};
static_assert(sizeof(MsgStatus) == 120);

struct MsgLimits {  // struct msginfo
  i32 pool, map, max_size, max_bytes, max_ids, segment_size, max_messages;
  u16 segments;
  u16 pad;
};
static_assert(sizeof(MsgLimits) == 32);

}  // namespace narwhal::abi
