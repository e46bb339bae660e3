// The order in which locks may be taken: a thread that holds a lock may only take locks of a LOWER
// rank.
//
// One list for the whole kernel, from the outermost (taken first, highest) to the innermost. Two
// locks of the same rank are never held together, except where a class says how it orders them
// (docs/lock-order.md).
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

enum class LockRank : u8 {
  // Spinlocks: may be taken with interrupts disabled; nothing may sleep while one is held.
  kConsole = 0,  // the serial port; innermost, so that anything may log
  kFrames,       // frame allocator
  kHeap,         // slab heap
  kKernelMap,    // kernel stacks, device mappings
  kRandom,
  kTimers,          // timer queue of a CPU
  kRunQueue,        // run queue of a CPU, thread states
  kEpollReady,      // the ready list of an epoll; taken from wake-ups
  kWaitQueue,       // one WaitQueue
  kDevice,          // a device's queues and registers
  kSignalActions,   // what a process does on each signal
  kSignalQueue,     // pending signals of a process or thread
  kTaskReferences,  // a task's references to memory, files, credentials
  kThreadList,      // lists of threads and processes, pids
  kFutexBucket,
  kNotifyQueue,  // events of one inotify instance
  kNames,        // the tree of names: dentries, mounts, roots (fs/core/names_lock.h)
  kSpinOther,
  kClock,  // who waits for steps of the wall clock

  // Sleeping mutexes.
  kMemoryObject = 64,  // page index of a memory object (file, shared memory)
  kAddressSpace,  // mappings of one address space. User copies take it: hold nothing at or below it
                  // around one
  kWriteBack,     // one write-back of a disk at a time; takes pages out of address spaces
  kPipe,
  kTerminal,
  kUnixSocket,
  kNetCore,  // lwIP's one lock
  kFileLocks,
  kInode,      // attributes and data of an inode
  kDirectory,  // entries of a directory; parent before child
  kRename,     // one rename at a time in a file system
  kMounts,
  kEpoll,  // one epoll; asks files whether they are ready, which may take any lock below
  kFdTable,
  kFsContext,
  kFileOffset,  // position of an open file description
  kProcess,     // a process's own fields
  kMutexOther,
};

inline constexpr bool is_spinlock_rank(LockRank rank) {
  return rank < LockRank::kMemoryObject;
}

}  // namespace narwhal
