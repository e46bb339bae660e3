// What a task keeps about being traced, ptrace(2). Guarded by thread_list_lock, but for what the
// tracer may touch only while the task is stopped.
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/base/atomic.h"
#include "kernel/base/list.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

class Process;
class Task;

struct TraceState {
  Process* tracer = nullptr;
  Task* task = nullptr;  // whose it is; set while it is traced
  ListNode node;         // among the tracer's
  u32 options = 0;
  bool seized = false;

  // --- the stop that it is in
  Atomic<bool> stopped{false};
  bool reported = false;    // wait4(2) has told of it
  bool listening = false;   // PTRACE_LISTEN: as if it were not traced, until something happens
  bool group_stop = false;  // it takes part in a stop of its process
  u8 call = 0;              // PTRACE_SYSCALL_INFO_*: 0 none, 1 entry, 2 exit
  i32 status = 0;           // as wait4(2) stores it
  i32 taking = 0;           // the signal that it is about to take
  u64 message = 0;          // PTRACE_GETEVENTMSG
  abi::SignalInfo info{};
  WaitQueue queue;  // it waits here

  // --- what it was told to do
  i32 resume_signal = 0;
  Atomic<bool> calls{false};      // PTRACE_SYSCALL
  Atomic<bool> step{false};       // PTRACE_SINGLESTEP
  Atomic<bool> interrupt{false};  // PTRACE_INTERRUPT; a new child's first stop
  Atomic<bool> notified{false};   // of one that was seized: its process was to stop or to go on
  Atomic<bool> in_stop{false};    // waits with its process, untraced or not yet traced
  bool runs_in_stop = false;      // was sent on although its process is stopped

  bool must_tell() const { return interrupt.load() || notified.load(); }
};

// A traced task that ended and is no child of its tracer's to wait for.
struct TraceEnd {
  u32 tid;
  u32 uid;
  i32 status;
};

}  // namespace narwhal
